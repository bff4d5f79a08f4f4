"""Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) for matrices that FSDP shards by rows.

An update is the mean gradient of a matrix with its singular values moved close to 1, which takes the whole matrix.
Matrices of the same shape are therefore dealt out to the processes. One all-to-all brings each process the rows of its
own matrices, and another one returns the rows of their updates, so that no matrix is computed twice. Both carry
the type in which updates are computed: bfloat16, but float32 on a CPU.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from math import sqrt
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.tensor import DTensor, Replicate, Shard

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of x ↦ ax + bx³ + cx⁵ (Jordan et al. 2024). Five iterations map [0.0016, 1] into [0.68, 1.21]."""

MIN_NORM = 1e-7

Tensor = Any
"""``torch.Tensor``; mypy does not follow torch's imports."""


class Sharding(NamedTuple):
    """The processes over which the rows of a matrix are sharded, and this process's place among them."""

    group: Any
    rank: int
    size: int

    def row_counts(self, rows: int) -> list[int]:
        """Return the number of rows on each process, divided as by ``torch.chunk``: the last ones may have none."""
        most = -(-rows // self.size)
        return [min(most, max(0, rows - rank * most)) for rank in range(self.size)]

    def owned_counts(self, matrices: int) -> list[int]:
        """Return the number of matrices that each process owns, if process ``i % size`` owns the matrix ``i``."""
        return [len(range(rank, matrices, self.size)) for rank in range(self.size)]


class Muon(torch.optim.Optimizer):  # type: ignore[misc]
    """Muon for matrices: tensors, or DTensors whose rows are sharded over at most one dimension of their mesh.

    With one process, it equals ``torch.optim.Muon``. ``scaling`` is one of those of ``learning_rate_factor``. A step
    takes two collectives per shape in each parameter group (none if the rows are on one process) and does not wait for
    the device. Parameters without a gradient are skipped; they must be the same ones on all processes.

    Raises ValueError for a parameter that is not such a matrix.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        weight_decay: float,
        momentum: float = 0.95,
        nesterov: bool = True,
        iterations: int = 5,
        scaling: str = "rms",
    ) -> None:
        settings = {"momentum": momentum, "nesterov": nesterov, "iterations": iterations, "scaling": scaling}
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, **settings})
        for group in self.param_groups:
            for weight in group["params"]:
                _check_parameter(weight)

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters in place, and return what ``closure``, which computes the gradients, returns."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            alike = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.shape, _sharding(weight)].append(weight)
            for (shape, sharding), weights in alike.items():
                self._update(weights, shape, sharding, group)
        return loss

    def _update(self, weights: list[Any], shape: Any, sharding: Sharding, settings: dict[str, Any]) -> None:
        lr, rows, dtype = settings["lr"], shape[0], compute_dtype(weights[0].device)
        shards = torch.stack([update.to(dtype) for update in self._averaged_gradients(weights, settings)])
        matrices = shards if sharding.size == 1 else collect_matrices(shards, rows, sharding)
        matrices = newton_schulz(matrices, settings["iterations"])
        shards = matrices if sharding.size == 1 else return_shards(matrices, len(weights), sharding)
        local = [_local(weight) for weight in weights]
        torch._foreach_mul_(local, 1 - lr * settings["weight_decay"])
        torch._foreach_add_(local, shards.unbind(), alpha=-lr * learning_rate_factor(settings["scaling"], *shape))

    def _averaged_gradients(self, weights: list[Any], settings: dict[str, Any]) -> list[Tensor]:
        """Return this process's rows of the mean gradients, after adding the latest gradients to them."""
        for weight in weights:
            if "momentum_buffer" not in self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight.grad)
        momentum = settings["momentum"]
        gradients = [_local(weight.grad) for weight in weights]
        means = [_local(self.state[weight]["momentum_buffer"]) for weight in weights]
        torch._foreach_lerp_(means, gradients, 1 - momentum)
        return list(torch._foreach_lerp(gradients, means, momentum)) if settings["nesterov"] else means


def compute_dtype(device: Any) -> Any:
    """Return bfloat16, or float32 for a CPU: one without bfloat16 instructions is 10 to 25 times slower in it."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def newton_schulz(matrices: Tensor, iterations: int) -> Tensor:
    """Return U S' Vᵀ for each matrix U S Vᵀ, where S' is close to 1; shape (count, rows, columns).

    After five iterations, S' lies in about [0.68, 1.21] where S was at least 0.0016 of the matrix's Frobenius norm, and
    is smaller elsewhere. The method is by Jordan et al. 2024, and by Bernstein & Newhouse 2024 (arXiv:2409.20325).
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices  # the Gram matrix is then the smaller one
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=MIN_NORM)
    for _ in range(iterations):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if tall else x


def learning_rate_factor(scaling: str, rows: int, columns: int) -> float:
    """Return the factor of the learning rate of a matrix that maps ``columns`` inputs to ``rows`` outputs.

    'original' is by Jordan et al. 2024, 'ratio' by Bernstein 2025 ('Deriving Muon'), and 'rms', which makes updates as
    large as AdamW's, by Liu et al. 2025 (arXiv:2502.16982, section 2.2).
    """
    return {
        "none": 1.0,
        "original": sqrt(max(1.0, rows / columns)),
        "ratio": sqrt(rows / columns),
        "rms": 0.2 * sqrt(max(rows, columns)),
    }[scaling]


def collect_matrices(shards: Tensor, rows: int, sharding: Sharding) -> Tensor:
    """Return the complete matrices that this process owns, shape (owned, rows, columns).

    ``shards`` are this process's rows of all matrices, shape (matrices, its rows, columns).
    """
    matrices, _, columns = shards.shape
    owned = sharding.owned_counts(matrices)[sharding.rank]
    sent = [shards[owner :: sharding.size] for owner in range(sharding.size)]
    shapes = [(owned, count, columns) for count in sharding.row_counts(rows)]
    return torch.cat(_exchange(sent, shapes, sharding), dim=1)


def return_shards(owned: Tensor, matrices: int, sharding: Sharding) -> Tensor:
    """Return this process's rows of all matrices, shape (matrices, its rows, columns): undoes ``collect_matrices``."""
    _, rows, columns = owned.shape
    row_counts = sharding.row_counts(rows)
    own_rows = row_counts[sharding.rank]
    shapes = [(count, own_rows, columns) for count in sharding.owned_counts(matrices)]
    shards = owned.new_empty(matrices, own_rows, columns)
    for owner, received in enumerate(_exchange(owned.split(row_counts, dim=1), shapes, sharding)):
        shards[owner :: sharding.size] = received
    return shards


def _exchange(sent: Iterable[Tensor], shapes: Sequence[tuple[int, ...]], sharding: Sharding) -> list[Tensor]:
    """Send the i-th tensor to process i, and return what each process sent here, in tensors of these shapes."""
    blocks = [block.flatten() for block in sent]
    sizes = [torch.Size(shape).numel() for shape in shapes]
    received = blocks[0].new_empty(sum(sizes))
    dist.all_to_all_single(received, torch.cat(blocks), sizes, [len(block) for block in blocks], sharding.group)
    return [block.view(shape) for block, shape in zip(received.split(sizes), shapes, strict=True)]


def _local(tensor: Tensor) -> Tensor:
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _sharding(weight: Tensor) -> Sharding:
    if not isinstance(weight, DTensor) or Shard(0) not in weight.placements:
        return Sharding(None, 0, 1)
    mesh, dimension = weight.device_mesh, weight.placements.index(Shard(0))
    return Sharding(mesh.get_group(dimension), mesh.get_local_rank(dimension), mesh.size(dimension))


def _check_parameter(weight: Tensor) -> None:
    placements = weight.placements if isinstance(weight, DTensor) else ()
    sharded = [placement for placement in placements if placement != Replicate()]
    if weight.ndim != 2 or sharded not in ([], [Shard(0)]):
        raise ValueError(f"Muon needs matrices that are sharded by rows, not shape {tuple(weight.shape)}, {placements}")

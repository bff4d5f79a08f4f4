"""Muon equals torch's on one process, and itself on several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

import torch.distributed as dist  # noqa: E402
import torch.distributed.checkpoint as dcp  # noqa: E402
import torch.multiprocessing as mp  # noqa: E402
from torch import nn  # noqa: E402
from torch._subclasses.fake_tensor import FakeTensorMode  # noqa: E402
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict  # noqa: E402
from torch.distributed.device_mesh import init_device_mesh  # noqa: E402
from torch.distributed.fsdp import fully_shard  # noqa: E402
from torch.distributed.tensor import DTensor, Shard, distribute_tensor  # noqa: E402
from torch.distributed.tensor.debug import CommDebugMode  # noqa: E402

from gristmill.training import muon as muon_module  # noqa: E402
from gristmill.training.muon import Muon, Sharding, learning_rate_factor, newton_schulz  # noqa: E402

SETTINGS: dict[str, Any] = {"lr": 0.02, "weight_decay": 0.1}
STEPS = 4

SHAPES = [(8, 8), (12, 4), (4, 12), (8, 8), (4, 12), (8, 8)]
UNEVEN_SHAPES = [(8, 6), (7, 5), (8, 6), (1, 4), (7, 5), (8, 6), (3, 9), (8, 6), (8, 6)]
"""With two processes, (7, 5) and (3, 9) are divided unevenly, and (1, 4) leaves the second process without a row."""


class Matrices(nn.Module):  # type: ignore[misc]
    def __init__(self, shapes: list[tuple[int, int]]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.empty(shape) for shape in shapes)

    def fill(self, seed: int) -> None:
        for weight, value in zip(self.weights, normal_matrices([w.shape for w in self.weights], seed), strict=True):
            weight.data.copy_(placed(value, weight))


def normal_matrices(shapes: list[Any], seed: int) -> list[Any]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator) for shape in shapes]


def placed(value: Any, weight: Any) -> Any:
    """Return ``value``, placed as ``weight`` is."""
    if not isinstance(weight, DTensor):
        return value
    return distribute_tensor(value, weight.device_mesh, weight.placements, src_data_rank=None)


def complete(weights: Any) -> list[Any]:
    return [(weight.full_tensor() if isinstance(weight, DTensor) else weight).detach() for weight in weights]


def take_steps(optimizer: Any, weights: list[Any], steps: range = range(STEPS)) -> list[Any]:
    """Take steps along random gradients that depend on the step only, and return the complete weights."""
    for step in steps:
        gradients = normal_matrices([weight.shape for weight in weights], 100 + step)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = placed(gradient, weight)
        optimizer.step()
    return complete(weights)


def new_weights(shapes: list[tuple[int, int]]) -> list[Any]:
    return [matrix.requires_grad_() for matrix in normal_matrices(shapes, 0)]


def assert_close(actual: list[Any], expected: list[Any]) -> None:
    """Updates are computed in bfloat16, so a different order of summation may change one by some 2⁻⁸."""
    for a, b in zip(actual, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=2**-8 * SETTINGS["lr"])


@pytest.mark.parametrize("nesterov", [True, False])
@pytest.mark.parametrize(("scaling", "name"), [("original", "original"), ("rms", "match_rms_adamw")])
def test_equals_the_muon_of_torch(scaling: str, name: str, nesterov: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(muon_module, "compute_dtype", lambda device: torch.bfloat16)
    ours, theirs = new_weights(SHAPES), new_weights(SHAPES)
    muon = Muon(ours, **SETTINGS, scaling=scaling, nesterov=nesterov, momentum=0.9)
    reference = torch.optim.Muon(theirs, **SETTINGS, adjust_lr_fn=name, nesterov=nesterov, momentum=0.9)
    assert_close(take_steps(muon, ours), take_steps(reference, theirs))


@pytest.mark.parametrize("scaling", ["none", "ratio"])
def test_an_update_is_the_orthogonalized_gradient_times_the_scaled_learning_rate(scaling: str) -> None:
    weights = new_weights(SHAPES)
    muon = Muon(weights, **SETTINGS, scaling=scaling, momentum=0.0)
    expected = []
    for weight, gradient in zip(complete(weights), normal_matrices(SHAPES, 100), strict=True):
        factor = 1.0 if scaling == "none" else (weight.shape[0] / weight.shape[1]) ** 0.5
        expected.append((1 - 0.02 * 0.1) * weight - 0.02 * factor * newton_schulz(gradient[None], 5)[0])
    assert_close(take_steps(muon, weights, range(1)), expected)


@pytest.mark.parametrize(
    ("scaling", "rows", "columns", "factor"),
    [
        ("none", 16, 1, 1.0),
        ("original", 64, 16, 2.0),
        ("original", 16, 16, 1.0),
        ("original", 16, 64, 1.0),
        ("ratio", 64, 16, 2.0),
        ("ratio", 16, 64, 0.5),
        ("rms", 64, 16, 1.6),
        ("rms", 16, 64, 1.6),
    ],
)
def test_learning_rate_factor(scaling: str, rows: int, columns: int, factor: float) -> None:
    assert learning_rate_factor(scaling, rows, columns) == pytest.approx(factor)


@pytest.mark.parametrize("shape", [(64, 64), (64, 16), (16, 64)])
def test_updates_with_rms_scaling_have_a_root_mean_square_of_about_a_fifth(shape: tuple[int, int]) -> None:
    (weight,) = weights = new_weights([shape])
    (before,) = complete([weight.clone()])
    take_steps(Muon(weights, lr=1.0, weight_decay=0.0, scaling="rms"), weights, range(1))
    assert 0.15 < (weight - before).square().mean().sqrt() < 0.22


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize(("rows", "columns"), [(48, 48), (64, 16), (16, 64), (1, 5)])
def test_newton_schulz_keeps_singular_vectors_and_moves_singular_values_close_to_1(
    rows: int, columns: int, dtype: Any
) -> None:
    left, right = (torch.linalg.qr(matrix)[0] for matrix in normal_matrices([(rows, rows), (columns, columns)], 0))
    rank = min(rows, columns)
    values = torch.linspace(7.0, 0.1, rank)
    matrix = left[:, :rank] * values @ right[:, :rank].mT
    result = newton_schulz(torch.stack((matrix, 2.0**-10 * matrix)).to(dtype), 5).float()
    assert torch.equal(result[0], result[1])  # the scale does not matter
    in_basis = left[:, :rank].mT @ result[0] @ right[:, :rank]
    assert in_basis.diagonal().min() > 0.65
    assert in_basis.diagonal().max() < 1.25
    assert (in_basis - in_basis.diagonal().diag()).abs().max() < 0.03


def test_a_zero_gradient_and_no_learning_rate_change_nothing() -> None:
    """As in the step by which ``get_state_dict`` creates the state."""
    weights = new_weights(SHAPES)
    before = complete(weights)
    for weight in weights:
        weight.grad = torch.zeros_like(weight)
    muon = Muon(weights, lr=0.0, weight_decay=0.1)
    muon.step(closure=None)
    assert all(torch.equal(weight, old) for weight, old in zip(weights, before, strict=True))
    assert all(not muon.state[weight]["momentum_buffer"].any() for weight in weights)


def test_parameters_without_a_gradient_are_skipped() -> None:
    weights = new_weights([(8, 8)] * 3)
    before = [weight.detach().clone() for weight in weights]
    for weight in weights[::2]:
        weight.grad = torch.ones_like(weight)
    muon = Muon(weights, **SETTINGS)
    muon.step()
    assert [torch.equal(weight, old) for weight, old in zip(weights, before, strict=True)] == [False, True, False]
    assert weights[1] not in muon.state


def test_step_returns_the_loss_of_the_closure() -> None:
    weights = new_weights([(8, 8)])

    def closure() -> float:
        loss = (weights[0] ** 2).sum()
        loss.backward()
        return float(loss.item())

    losses = [Muon(weights, lr=0.1, weight_decay=0.0).step(closure) for _ in range(2)]
    assert losses[1] < losses[0]


def test_step_reads_no_value_of_a_tensor() -> None:
    """A GPU would be waited for; fake tensors have no values to read."""
    with FakeTensorMode():
        weights = new_weights(SHAPES)
        take_steps(Muon(weights, **SETTINGS), weights)


@given(rows=st.integers(1, 40), size=st.integers(1, 12))
def test_rows_are_divided_as_by_torch_chunk(rows: int, size: int) -> None:
    chunks = [len(chunk) for chunk in torch.empty(rows).chunk(size)]
    assert Sharding(None, 0, size).row_counts(rows) == chunks + [0] * (size - len(chunks))


@given(matrices=st.integers(1, 40), size=st.integers(1, 12))
def test_matrices_are_dealt_out(matrices: int, size: int) -> None:
    owners = [matrix % size for matrix in range(matrices)]
    assert Sharding(None, 0, size).owned_counts(matrices) == [owners.count(rank) for rank in range(size)]


@pytest.fixture
def single_process() -> Iterator[Any]:
    """The mesh of a process group of one."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    dist.destroy_process_group()


def test_other_parameters_are_rejected(single_process: Any) -> None:
    by_columns = nn.Parameter(distribute_tensor(torch.ones(4, 4), single_process, [Shard(1)]))
    for weight in (nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4, 2, 2)), by_columns):
        with pytest.raises(ValueError, match="sharded by rows"):
            Muon([weight], **SETTINGS)


def test_one_process_needs_no_collective(single_process: Any) -> None:
    model = Matrices(SHAPES)
    fully_shard(model, mesh=single_process)
    model.fill(0)
    weights = list(model.parameters())
    muon = Muon(weights, **SETTINGS)
    with CommDebugMode() as collectives:
        take_steps(muon, weights)
    assert collectives.get_total_counts() == 0
    plain = new_weights(SHAPES)
    assert_close(complete(weights), take_steps(Muon(plain, **SETTINGS), plain))


def train_in_group(rank: int, mesh_shape: tuple[int, ...], folder: Path) -> None:
    """Take steps as one of several processes; rank 0 writes the weights and the number of all-to-alls per step."""
    torch.set_num_threads(1)
    mesh_names = ("replicate", "shard")[-len(mesh_shape) :]
    size = torch.Size(mesh_shape).numel()
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=size)
    model = Matrices(UNEVEN_SHAPES)
    fully_shard(model, mesh=init_device_mesh("cpu", mesh_shape, mesh_dim_names=mesh_names))
    model.fill(0)
    weights = list(model.parameters())
    muon = Muon(weights, **SETTINGS)
    for weight, gradient in zip(weights, normal_matrices(UNEVEN_SHAPES, 100), strict=True):
        weight.grad = placed(gradient, weight)
    with CommDebugMode() as collectives:
        muon.step()
    counts = {str(operation): count for operation, count in collectives.get_comm_counts().items()}
    first = complete(weights)
    dcp.save(
        dict(zip(("model", "optimizer"), get_state_dict(model, muon), strict=True)), checkpoint_id=folder / "saved"
    )
    last = take_steps(muon, weights, range(1, STEPS))
    if rank == 0:
        torch.save((counts, first, last), folder / "result.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:torch.distributed is disabled")
@pytest.mark.parametrize(
    "mesh_shape",
    [
        pytest.param((2,), id="two processes"),
        pytest.param((3,), id="three processes", marks=pytest.mark.slow),
        pytest.param((2, 2), id="two replicas on two processes each", marks=pytest.mark.slow),
    ],
)
def test_several_processes_equal_one(mesh_shape: tuple[int, ...], tmp_path: Path) -> None:
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])  # torch is imported once
    size = torch.Size(mesh_shape).numel()
    mp.start_processes(train_in_group, (mesh_shape, tmp_path), nprocs=size, start_method="forkserver")
    counts, first, last = torch.load(tmp_path / "result.pt", weights_only=True)
    assert counts == {"c10d.alltoall_base_": 2 * len(set(UNEVEN_SHAPES))}

    plain = new_weights(UNEVEN_SHAPES)
    muon = Muon(plain, **SETTINGS)
    assert_close(first, take_steps(muon, plain, range(1)))
    assert_close(last, take_steps(muon, plain, range(1, STEPS)))

    model = Matrices(UNEVEN_SHAPES)  # the checkpoint of several processes, continued by one
    muon = Muon(model.parameters(), **SETTINGS)
    state = dict(zip(("model", "optimizer"), get_state_dict(model, muon), strict=True))
    dcp.load(state, checkpoint_id=tmp_path / "saved", no_dist=True)
    set_state_dict(model, muon, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
    assert_close(take_steps(muon, list(model.parameters()), range(1, STEPS)), last)

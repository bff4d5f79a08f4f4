"""The chunked loss equals the loss over all logits, in value and gradients, and takes less memory."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

import torch.distributed as dist  # noqa: E402
import torch.nn.functional as F  # noqa: E402, N812
from torch.distributed.device_mesh import init_device_mesh  # noqa: E402
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402

from gristmill.training import linear_cross_entropy as module  # noqa: E402
from gristmill.training.linear_cross_entropy import linear_cross_entropy, token_losses  # noqa: E402

Loss = Callable[[Any, Any, Any], Any]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of seven positions with a vocabulary of ten."""
    monkeypatch.setattr(module, "CHUNK_LOGITS", 70)
    monkeypatch.setattr(module, "MIN_CHUNK", 1)


def inputs(positions: int, dim: int, rows: int, vocab_size: int, dtype: Any = torch.float32) -> tuple[Any, Any, Any]:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(positions, dim, generator=generator, dtype=torch.float64).to(dtype)
    weight = torch.randn(rows, dim, generator=generator, dtype=torch.float64).to(dtype)
    targets = torch.randint(0, vocab_size, (positions,), generator=generator)
    return hidden.requires_grad_(), weight.requires_grad_(), targets


def reference(vocab_size: int) -> Loss:
    def loss(hidden: Any, weight: Any, targets: Any) -> Any:
        return F.cross_entropy(F.linear(hidden, weight)[:, :vocab_size].float(), targets, reduction="sum")

    return loss


def chunked(vocab_size: int) -> Loss:
    return lambda hidden, weight, targets: linear_cross_entropy(hidden, weight, targets, vocab_size)


def value_and_gradients(loss: Loss, hidden: Any, weight: Any, targets: Any, scale: float = 1.0) -> tuple[Any, Any, Any]:
    value = loss(hidden, weight, targets)
    grad_hidden, grad_weight = torch.autograd.grad(value * scale, (hidden, weight))
    return value.detach(), grad_hidden, grad_weight


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize("positions", [0, 1, 6, 7, 8, 14, 20])
@pytest.mark.parametrize("rows", [10, 16])
def test_equals_the_loss_over_all_logits(positions: int, rows: int) -> None:
    given = inputs(positions, 5, rows, 10)
    ours = value_and_gradients(chunked(10), *given, scale=0.3)
    wanted = value_and_gradients(reference(10), *given, scale=0.3)
    for mine, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)
    assert not ours[2][10:].any()


@settings(max_examples=50)
@given(
    st.integers(0, 12), st.integers(1, 6), st.integers(1, 9), st.integers(0, 3), st.integers(1, 40), st.integers(1, 4)
)
def test_chunks_do_not_matter(
    positions: int, dim: int, vocab_size: int, padding: int, chunk_logits: int, min_chunk: int
) -> None:
    given = inputs(positions, dim, vocab_size + padding, vocab_size)
    wanted = value_and_gradients(reference(vocab_size), *given)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_LOGITS", chunk_logits)
        patch.setattr(module, "MIN_CHUNK", min_chunk)
        ours = value_and_gradients(chunked(vocab_size), *given)
    for mine, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


@pytest.mark.usefixtures("small_chunks")
def test_gradients_by_finite_differences() -> None:
    hidden, weight, targets = inputs(9, 3, 12, 10, torch.float64)
    assert torch.autograd.gradcheck(lambda h, w: linear_cross_entropy(h, w, targets, 10), (hidden, weight))


@pytest.mark.usefixtures("small_chunks")
def test_bfloat16() -> None:
    """The result has float32's precision beyond that of the logits, and gradients have the type of their inputs."""
    hidden, weight, targets = inputs(200, 16, 16, 10, torch.bfloat16)
    value, grad_hidden, grad_weight = value_and_gradients(chunked(10), hidden, weight, targets)
    exact = value_and_gradients(reference(10), hidden.double(), weight.double(), targets)
    assert (value.dtype, grad_hidden.dtype, grad_weight.dtype) == (torch.float32, torch.bfloat16, torch.bfloat16)
    assert value.item() == pytest.approx(exact[0].item(), rel=2e-3)
    for mine, other in zip((grad_hidden, grad_weight), exact[1:], strict=True):
        assert (mine - other).norm() < 0.01 * other.norm()


def test_large_logits_do_not_overflow() -> None:
    hidden, weight = torch.tensor([[200.0], [-200.0]], requires_grad=True), torch.tensor([[1.0], [-1.0]])
    targets = torch.tensor([1, 1])
    assert linear_cross_entropy(hidden, weight, targets, 2).item() == 400
    assert token_losses(hidden, weight, targets, 2).tolist() == [400, 0]


@pytest.mark.usefixtures("small_chunks")
def test_loss_of_each_position() -> None:
    hidden, weight, targets = inputs(20, 5, 16, 10)
    losses = token_losses(hidden, weight, targets, 10)
    assert not losses.requires_grad
    torch.testing.assert_close(losses, F.cross_entropy((hidden @ weight.T)[:, :10], targets, reduction="none").detach())
    with torch.no_grad():
        assert linear_cross_entropy(hidden, weight, targets, 10).item() == pytest.approx(losses.sum().item())


@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="needs torch 2.13")
def test_equals_the_function_of_torch() -> None:
    given = inputs(50, 5, 10, 10)
    ours = value_and_gradients(chunked(10), *given)
    wanted = value_and_gradients(lambda h, w, t: F.linear_cross_entropy(h, w, t, reduction="sum"), *given)
    for mine, other in zip(ours, wanted, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-6)


@pytest.fixture
def process_group() -> Iterator[None]:
    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()
    torch.use_deterministic_algorithms(deterministic)


class TiedModel(torch.nn.Module):  # type: ignore[misc]
    """An embedding that is also the output layer."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.embed, self.loss = torch.nn.Embedding(16, 5), loss

    def forward(self, tokens: Any) -> Any:
        return self.loss(self.embed(tokens[:-1]), self.embed.weight, tokens[1:])


@pytest.mark.usefixtures("process_group", "small_chunks")
def test_tied_weights_under_fsdp_in_bfloat16() -> None:
    tokens = torch.arange(30) * 7 % 10
    gradients = []
    for loss in (chunked(10), reference(10)):
        torch.manual_seed(0)
        model = TiedModel(loss)
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)), mp_policy=policy)
        model(tokens).backward()
        gradients.append(model.embed.weight.grad.full_tensor())
    assert (gradients[0] - gradients[1]).norm() < 0.01 * gradients[1].norm()
    assert gradients[0][:10].any()
    assert not gradients[0][10:].any()


class LargestTensor(TorchDispatchMode):  # type: ignore[misc]
    """Records the number of elements of the largest result of an operation."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operation(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.elements = max([self.elements, *(tensor.numel() for tensor in tensors)])
        return result


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(("function", "elements"), [(chunked(10), 70), (reference(10), 600)])
def test_largest_tensor_is_a_chunk_of_logits(function: Loss, elements: int) -> None:
    hidden, weight, targets = inputs(60, 1, 10, 10)
    with LargestTensor() as largest:
        function(hidden, weight, targets).backward()
    assert largest.elements == elements


PEAK_MEMORY = """
import resource
import torch
from gristmill.training.linear_cross_entropy import linear_cross_entropy

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

torch.set_num_threads(1)
hidden = torch.ones(4 * 2048, 1024, requires_grad=True)
weight = torch.full((32_768, 1024), 0.01, requires_grad=True)
targets = torch.zeros(4 * 2048, dtype=torch.int64)
torch.ones(9, 9) @ torch.ones(9, 9)  # loads libraries
before = peak()
linear_cross_entropy(hidden, weight, targets, 32_768).backward()
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux only")
def test_memory_is_a_fraction_of_that_of_the_logits() -> None:
    """4 × 2,048 × 32,768 logits in float32 take 1 GiB. What is measured includes both gradients."""
    process = subprocess.run([sys.executable, "-c", PEAK_MEMORY], capture_output=True, text=True, check=True)
    assert int(process.stdout) < 0.4 * 2**30

"""Times optimizer steps of the trainer, and predicts them from what a GPU's parts can do (a roofline)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812

from gristmill.training.model_section import ModelSection
from gristmill.training.model_size import causal_flops_per_token, flops_per_token, parameter_count
from gristmill.training.optimizer import build_optimizers, set_learning_rate
from gristmill.training.process_group import ProcessGroup, join_process_group
from gristmill.training.sharded_model import build_sharded_model, initialise
from gristmill.training.stop_signal import StopSignal
from gristmill.training.train_section import TrainSection
from gristmill.training.train_step import compute_gradient, take_step


class Hardware(NamedTuple):
    """Measured rates: products and attention in operations per second, copies in bytes read and written per second."""

    matrix_flops: float
    copy_bytes: float
    attention_flops: float


class Timing(NamedTuple):
    """Median seconds per step and the most memory that the device held, in GiB (0 on a CPU)."""

    seconds: float
    memory_gib: float


class Comparison(NamedTuple):
    """Median seconds of two steps, and the median over pairs of the second's time as a multiple of the first's."""

    first: float
    second: float
    ratio: float


WARMUP = 2
"""Calls of a step before it is compared; the first compiles."""

Loss = Callable[[Any, Any], Any]
"""Maps a model and tokens, shape (batch, length), to the summed loss."""


@contextmanager
def training_step(
    section: TrainSection, vocab_size: int, length: int, loss: Loss | None = None
) -> Iterator[Callable[[], None]]:
    """Yield a function that takes one optimizer step of the trainer on random tokens.

    With ``loss``, a step without the trainer's chunked loss: its gradient is that of ``loss``. Code compiled for models
    before it is dropped, since a second shape in one process would be compiled for shapes of all sizes.
    """
    torch.compiler.reset()
    with join_process_group(section) as group:
        model = build_sharded_model(section, vocab_size, group)
        initialise(model, section)
        optimizers = build_optimizers(model, section)
        tokens = random_tokens(section.batch_sequences, length, vocab_size)

        def step() -> None:
            if loss is None:
                compute_gradient(model, tokens, section.batch_sequences, section, group, StopSignal())
            else:
                _plain_gradient(model, tokens, loss, section, group)
            set_learning_rate(optimizers, section.lr)
            take_step(optimizers)

        yield step


def random_tokens(sequences: int, length: int, vocab_size: int) -> Any:
    """Return the same random tokens at every call, shape (sequences, length)."""
    return torch.randint(vocab_size, (sequences, length), generator=torch.Generator().manual_seed(0))


def time_in_turn(first: Callable[[], None], second: Callable[[], None], pairs: int) -> Comparison:
    """Time ``pairs`` calls of two steps in turn, after ``WARMUP`` calls of each.

    A machine whose speed changes from minute to minute changes both calls of a pair, and their ratio little.
    """
    for step in (first, second):
        time_steps(step, 0, WARMUP)
    seconds = [(time_steps(first, 0, 1).seconds, time_steps(second, 0, 1).seconds) for _ in range(pairs)]
    seconds_first, seconds_second = zip(*seconds, strict=True)
    ratio = median(two / one for one, two in seconds)
    return Comparison(median(seconds_first), median(seconds_second), ratio)


def time_steps(step: Callable[[], None], warmup: int, steps: int) -> Timing:
    """Return the median time of ``steps`` calls after ``warmup`` calls."""
    cuda = torch.cuda.is_available()
    for _ in range(warmup):
        step()
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(steps):
        if cuda:
            torch.cuda.synchronize()
        start = time.perf_counter()
        step()
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return Timing(median(seconds), torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0)


def predicted_seconds(
    shape: ModelSection, vocab_size: int, length: int, sequences: int, compiled: bool, hardware: Hardware
) -> float:
    """Return the time that a step must take at least: products, attention and elementwise traffic one after the other.

    Elementwise operations move each activation of a block in bfloat16: per token, a compiled block reads and writes
    about 30 × dim + 12 × ffn_dim bytes in both passes, an eager one about four times that, since each operation is a
    kernel of its own and norms and rotations run in float32. The loss moves its float32 logits about four times, the
    optimizer 28 bytes per parameter.
    """
    tokens = sequences * length
    matrix = flops_per_token(shape, vocab_size, length) - 12 * shape.layers * shape.dim * length
    attention = causal_flops_per_token(shape, vocab_size, length) - matrix
    block_bytes = (30 * shape.dim + 12 * shape.ffn_dim) * (1 if compiled else 4)
    moved = tokens * (shape.layers * block_bytes + 16 * vocab_size) + 28 * parameter_count(shape, vocab_size)
    return (
        tokens * matrix / hardware.matrix_flops
        + tokens * attention / hardware.attention_flops
        + moved / hardware.copy_bytes
    )


def logits_loss(model: Any, tokens: Any) -> Any:
    """The loss as the trainer computed it before: all logits, of all positions but the last, in float32."""
    logits = model(tokens[:, :-1]).float()
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")


def full_length_logits_loss(model: Any, tokens: Any) -> Any:
    """The same, with all positions in the model; the last one has no target."""
    logits = model(tokens)[:, :-1].float()
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")


def _plain_gradient(model: Any, tokens: Any, loss: Loss, section: TrainSection, group: ProcessGroup) -> None:
    for micro_batch in tokens.to(group.device).split(section.micro_batch):
        (loss(model, micro_batch) / tokens.numel()).backward()
    float(torch.nn.utils.clip_grad_norm_(model.parameters(), section.clip).full_tensor())

"""Which sequences each step reads, and how many steps and tokens a run has. Does not import torch.

The position in the data is one integer, the index of the next sequence. A step reads the next ``batch_sequences``
sequences; ranges that were skipped because of a bad loss are jumped over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gristmill.errors import InputError
from gristmill.training.train_section import TrainSection


class Batch(NamedTuple):
    """The sequences ``first`` to ``end`` (exclusive) of the mix."""

    first: int
    end: int

    @property
    def size(self) -> int:
        return self.end - self.first


class Progress(NamedTuple):
    """What a run has done: steps taken, the next sequence to read, and the tokens it has trained on."""

    step: int = 0
    position: int = 0
    tokens: int = 0

    def after(self, batch: Batch, length: int) -> Progress:
        """Return the progress after a step on ``batch``, whose sequences have ``length`` tokens."""
        return Progress(self.step + 1, batch.end, self.tokens + batch.size * length)


def batch_size(section: TrainSection, tokens: int) -> int:
    """Return the number of sequences of the next step after ``tokens`` tokens."""
    ramp = (step.batch_sequences for step in section.batch_ramp if tokens < step.until_tokens)
    return next(ramp, section.batch_sequences)


def next_batch(section: TrainSection, progress: Progress, skipped: Iterable[Batch]) -> Batch:
    """Return the first batch at or after the position that has no sequence in common with the ranges ``skipped``."""
    size, first = batch_size(section, progress.tokens), progress.position
    for bad in sorted(skipped):
        if first < bad.end and bad.first < first + size:
            first = bad.end
    return Batch(first, first + size)


def covered(ranges: Iterable[Batch]) -> int:
    """Return the number of sequences in at least one of the ranges."""
    total = reached = 0
    for first, end in sorted(ranges):
        total += max(end - max(first, reached), 0)
        reached = max(reached, end)
    return total


def planned_steps(section: TrainSection, sequences: int, length: int) -> int:
    """Return the run's number of steps; by default those of one pass, without the last incomplete batch.

    Raises InputError if the mix has too few sequences.
    """
    steps = section.steps or max(_steps_within(section, sequences, length), 1)
    needed = _sequences_of(section, length, steps)
    if needed > sequences:
        raise InputError(
            f"{steps:,} steps of {section.batch_sequences} sequences need {needed:,} sequences, but the mix holds "
            f"{sequences:,}: raise mix.tokens, or lower train.steps or train.batch_sequences"
        )
    return steps


def planned_tokens(section: TrainSection, length: int, steps: int, progress: Progress) -> int:
    """Return the tokens that the run has trained on after ``steps`` steps, given its progress so far."""
    left = max(steps - progress.step, 0)
    return progress.tokens + _sequences_of(section, length, left, progress.tokens) * length


def _sequences_of(section: TrainSection, length: int, steps: int, tokens: int = 0) -> int:
    """Return the sequences that ``steps`` steps read, the first after ``tokens`` tokens."""
    sequences = 0
    for size, most in _phases(section, length, tokens):
        taken = steps if most is None else min(steps, most)
        sequences, steps = sequences + taken * size, steps - taken
    return sequences


def _steps_within(section: TrainSection, sequences: int, length: int) -> int:
    """Return the number of complete batches in ``sequences`` sequences."""
    steps = 0
    for size, most in _phases(section, length, 0):
        taken = sequences // size if most is None else min(sequences // size, most)
        sequences, steps = sequences - taken * size, steps + taken
        if taken != most:
            break
    return steps


def _phases(section: TrainSection, length: int, tokens: int) -> Iterator[tuple[int, int | None]]:
    """Yield the batch sizes after ``tokens`` tokens, each with its number of steps, which is None for the last."""
    for entry in section.batch_ramp:
        steps = max(-(-(entry.until_tokens - tokens) // (entry.batch_sequences * length)), 0)
        yield entry.batch_sequences, steps
        tokens += steps * entry.batch_sequences * length
    yield section.batch_sequences, None

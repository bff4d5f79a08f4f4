"""Which sequences each step reads: the batch ramp, ranges that are skipped, and the length of a run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import InputError
from gristmill.training.batch_plan import (
    Batch,
    Progress,
    batch_size,
    covered,
    next_batch,
    planned_steps,
    planned_tokens,
)
from gristmill.training.train_section import TrainSection

LENGTH = 10


def section(**fields: Any) -> TrainSection:
    return TrainSection(**{"batch_sequences": 8, "micro_batch": 1, **fields})


RAMP = section(
    batch_ramp=[{"until_tokens": 40, "batch_sequences": 2}, {"until_tokens": 100, "batch_sequences": 4}], steps=5
)


@pytest.mark.parametrize(("tokens", "size"), [(0, 2), (39, 2), (40, 4), (99, 4), (100, 8), (10**9, 8)])
def test_batch_size_by_tokens(tokens: int, size: int) -> None:
    assert batch_size(RAMP, tokens) == size
    assert batch_size(section(), tokens) == 8


@pytest.mark.parametrize(
    ("position", "skipped", "first"),
    [
        (0, [], 0),
        (16, [Batch(0, 16)], 16),
        (16, [Batch(0, 17)], 17),
        (16, [Batch(24, 32)], 16),
        (16, [Batch(23, 32)], 32),
        (16, [Batch(16, 24)], 24),
        (16, [Batch(24, 32), Batch(16, 24)], 32),
        (16, [Batch(16, 40), Batch(20, 24)], 40),
    ],
)
def test_next_batch_jumps_over_skipped_sequences(position: int, skipped: list[Batch], first: int) -> None:
    assert next_batch(section(), Progress(3, position, 0), skipped) == Batch(first, first + 8)


@given(
    st.integers(0, 60),
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)).map(lambda pair: Batch(pair[0], sum(pair)))),
)
def test_next_batch_is_the_first_one_without_skipped_sequences(position: int, skipped: list[Batch]) -> None:
    bad = {sequence for batch in skipped for sequence in range(*batch)}
    first = next(start for start in range(position, 1000) if bad.isdisjoint(range(start, start + 8)))
    assert next_batch(section(), Progress(0, position, 0), skipped) == Batch(first, first + 8)
    assert covered(skipped) == len(bad)


@pytest.mark.parametrize(
    ("fields", "sequences", "steps"),
    [
        ({}, 80, 10),
        ({}, 87, 10),
        ({}, 8, 1),
        ({"steps": 3}, 24, 3),
        ({"batch_ramp": RAMP.batch_ramp}, 4, 2),
        ({"batch_ramp": RAMP.batch_ramp}, 7, 2),
        ({"batch_ramp": RAMP.batch_ramp}, 8, 3),
        ({"batch_ramp": RAMP.batch_ramp}, 19, 4),
        ({"batch_ramp": RAMP.batch_ramp}, 20, 5),
    ],
)
def test_planned_steps(fields: dict[str, Any], sequences: int, steps: int) -> None:
    assert planned_steps(section(**fields), sequences, LENGTH) == steps


@pytest.mark.parametrize(("steps", "needed"), [(None, 8), (3, 24), (4, 32)])
def test_too_few_sequences(steps: int | None, needed: int) -> None:
    with pytest.raises(InputError, match=rf"need {needed} sequences, but the mix holds {needed - 1}: raise mix.tokens"):
        planned_steps(section(steps=steps), needed - 1, LENGTH)


@given(st.integers(1, 12), st.integers(0, 12))
def test_planned_tokens_do_not_change_during_a_run(steps: int, done: int) -> None:
    progress = Progress()
    total = planned_tokens(RAMP, LENGTH, steps, progress)
    for _ in range(min(done, steps)):
        progress = progress.after(next_batch(RAMP, progress, []), LENGTH)
        assert planned_tokens(RAMP, LENGTH, steps, progress) == total
    assert (progress.tokens == total) == (progress.step == steps)

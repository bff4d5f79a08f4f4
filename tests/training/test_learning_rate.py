"""The learning rate by tokens: warm-up, and the end of each shape of decay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.errors import InputError
from gristmill.training.learning_rate import learning_rate, warmup_tokens
from gristmill.training.train_section import ScheduleSection

TOTAL, STEP = 1000, 10


def rates(**fields: Any) -> list[float]:
    """The rates of all steps of a run, with a peak of 1."""
    schedule = ScheduleSection(**{"warmup_tokens": 100, **fields})
    return [learning_rate(schedule, 1.0, tokens, STEP, TOTAL) for tokens in range(0, TOTAL, STEP)]


@pytest.mark.parametrize("shape", ["cosine", "linear", "wsd", "constant"])
def test_warmup_is_linear_and_ends_at_the_peak(shape: str) -> None:
    assert rates(shape=shape)[:11] == pytest.approx([*(n / 10 for n in range(1, 11)), 1.0])


@pytest.mark.parametrize(
    ("shape", "step", "rate"),
    [
        ("constant", 99, 1.0),
        ("cosine", 10, 1.0),
        ("cosine", 99, 0.1),
        ("linear", 10, 1.0),
        ("linear", 99, 0.1),
        ("wsd", 79, 1.0),
        ("wsd", 80, 1.0),
        ("wsd", 81, 1 - 0.9 / 19),
        ("wsd", 99, 0.1),
    ],
)
def test_rate_of_a_step(shape: str, step: int, rate: float) -> None:
    assert rates(shape=shape)[step] == pytest.approx(rate)


def test_cosine_and_line_meet_in_the_middle() -> None:
    cosine, line = (rates(shape=shape, warmup_tokens=0, min_ratio=0) for shape in ("cosine", "linear"))
    assert (cosine[49] + cosine[50]) / 2 == pytest.approx((line[49] + line[50]) / 2, abs=1e-6)
    assert cosine[25] > line[25]
    assert cosine[75] < line[75]


@given(st.sampled_from(["cosine", "linear", "wsd", "constant"]), st.integers(0, 1000), st.floats(0, 1))
def test_rates_rise_and_then_fall_within_bounds(shape: str, warmup: int, least: float) -> None:
    values = rates(shape=shape, warmup_tokens=warmup, min_ratio=least)
    top = values.index(max(values))
    assert values[: top + 1] == sorted(values[: top + 1])
    assert values[top:] == sorted(values[top:], reverse=True)
    assert max(values) <= 1.0
    assert min(values[top:]) >= least - 1e-12


def test_default_warmup_is_a_share_of_the_run() -> None:
    assert warmup_tokens(ScheduleSection(), 1000) == 20
    assert warmup_tokens(ScheduleSection(warmup_tokens=7), 1000) == 7


def test_a_warmup_longer_than_the_run_is_rejected() -> None:
    assert warmup_tokens(ScheduleSection(warmup_tokens=1000), 1000) == 1000
    with pytest.raises(InputError, match=r"warmup_tokens \(1,001\) is longer than the run, which has 1,000 tokens"):
        warmup_tokens(ScheduleSection(warmup_tokens=1001), 1000)

"""Which steps are rejected, at and beside the limits."""

from __future__ import annotations

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.training.spike_guard import MIN_HISTORY, SpikeGuard, StepFigures, limit
from gristmill.training.train_section import GuardSection

STEADY = [StepFigures(2.0, 1.0)] * MIN_HISTORY


@pytest.mark.parametrize(
    ("loss", "norm", "reason"),
    [
        (2.0, 1.0, None),
        (2.4, 2.0, None),
        (2.41, 1.0, "loss_spike"),
        (2.0, 2.01, "gradient_spike"),
        (2.41, 2.01, "loss_spike"),
        (0.1, 0.0, None),
        (nan, 1.0, "loss_not_finite"),
        (inf, 1.0, "loss_not_finite"),
        (2.0, nan, "gradient_not_finite"),
        (2.0, inf, "gradient_not_finite"),
        (nan, nan, "loss_not_finite"),
    ],
)
def test_steps_after_a_steady_run(loss: float, norm: float, reason: str | None) -> None:
    assert SpikeGuard(GuardSection(), STEADY).judge(StepFigures(loss, norm)) == reason


def test_spikes_are_looked_for_after_some_steps() -> None:
    spike = StepFigures(100.0, 1.0)
    assert SpikeGuard(GuardSection(), STEADY[1:]).judge(spike) is None
    assert SpikeGuard(GuardSection(), STEADY).judge(spike) == "loss_spike"
    assert SpikeGuard(GuardSection(window=8), STEADY[:8]).judge(spike) == "loss_spike"
    assert SpikeGuard(None, STEADY).judge(spike) is None
    assert SpikeGuard(None).judge(StepFigures(nan, 1.0)) == "loss_not_finite"


def test_only_the_window_is_remembered() -> None:
    guard = SpikeGuard(GuardSection(window=8), STEADY)
    for _ in range(8):
        guard.accept(StepFigures(3.0, 1.0))
    assert guard.judge(StepFigures(3.5, 1.0)) is None
    assert list(guard.accepted) == [StepFigures(3.0, 1.0)] * 8


def test_limit_is_in_robust_standard_deviations() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 1000.0]  # median 3, median absolute deviation 1
    assert limit(values, 10, 0.0) == pytest.approx(3 + 14.826)
    assert limit(values, 10, 1.0) == pytest.approx(3 + 30)


@given(st.lists(st.floats(1.9, 2.1), min_size=MIN_HISTORY, max_size=200))
def test_ordinary_noise_is_accepted(losses: list[float]) -> None:
    guard = SpikeGuard(GuardSection())
    for loss in losses:
        figures = StepFigures(loss, loss)
        assert guard.judge(figures) is None
        guard.accept(figures)

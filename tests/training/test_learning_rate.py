"""The learning rate at the ends of warmup and decay, and next to them."""

from __future__ import annotations

import pytest

from gristmill.training.learning_rate import learning_rate


@pytest.mark.parametrize(
    ("step", "steps", "warmup_steps", "rate"),
    [
        (0, 101, 10, 0.1),
        (8, 101, 10, 0.9),
        (9, 101, 10, 1.0),
        (10, 101, 10, 1.0),
        (55, 101, 10, 0.6),  # half-way through the decay
        (100, 101, 10, 0.2),
        (0, 101, 0, 1.0),
        (50, 101, 0, 0.6),
        (100, 101, 0, 0.2),
        (3, 5, 20, 0.2),  # a run that ends during warmup
        (19, 20, 20, 1.0),
        (20, 21, 20, 1.0),
        (0, 1, 0, 1.0),
    ],
)
def test_learning_rate(step: int, steps: int, warmup_steps: int, rate: float) -> None:
    assert learning_rate(step, steps, 3.0, warmup_steps, 0.2) == pytest.approx(3 * rate)


def test_learning_rate_never_rises_after_warmup() -> None:
    rates = [learning_rate(step, 57, 1e-3, 5, 0.0) for step in range(57)]
    assert rates[:5] == sorted(rates[:5])
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] == pytest.approx(0)

"""Decides which steps are not taken: losses and gradient norms that are not finite, and spikes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from math import isfinite
from statistics import median
from typing import Literal, NamedTuple, TypeAlias

from gristmill.training.train_section import GuardSection

Reason: TypeAlias = Literal["loss_not_finite", "gradient_not_finite", "loss_spike", "gradient_spike"]

MAD_TO_DEVIATION = 1.4826
"""The standard deviation of a normal distribution, in units of its median absolute deviation."""
LEAST_LOSS_DEVIATION, LEAST_NORM_DEVIATION = 0.02, 0.1
"""Least standard deviation as a fraction of the median, so that a steady run does not reject small changes. With the
default threshold of 10, a spike of the loss is at least 20 % above the median, one of the norm at least twice it."""
MIN_HISTORY = 32
"""Accepted steps before spikes are looked for: losses fall quickly at first, and norms vary."""


class StepFigures(NamedTuple):
    """The mean loss of a step in nats per token, and its gradient norm before clipping."""

    loss: float
    norm: float


class SpikeGuard:
    """Judges steps by the last accepted ones. Without a section, it only looks for values that are not finite."""

    def __init__(self, section: GuardSection | None, accepted: Iterable[StepFigures] = ()) -> None:
        self._section = section
        self.accepted = deque(accepted, maxlen=section.window if section else 0)

    def judge(self, figures: StepFigures) -> Reason | None:
        """Return why a step must not be taken; None if it may be."""
        if not isfinite(figures.loss):
            return "loss_not_finite"
        if not isfinite(figures.norm):
            return "gradient_not_finite"
        if self._section is None or len(self.accepted) < min(MIN_HISTORY, self._section.window):
            return None
        losses, norms = zip(*self.accepted, strict=True)
        if figures.loss > limit(losses, self._section.threshold, LEAST_LOSS_DEVIATION):
            return "loss_spike"
        return "gradient_spike" if figures.norm > limit(norms, self._section.threshold, LEAST_NORM_DEVIATION) else None

    def accept(self, figures: StepFigures) -> None:
        """Remember a step that was taken."""
        self.accepted.append(figures)


def limit(values: Iterable[float], threshold: float, least_deviation: float) -> float:
    """Return the largest value that is no spike: the median plus ``threshold`` robust standard deviations."""
    values = list(values)
    middle = median(values)
    deviation = MAD_TO_DEVIATION * median(abs(value - middle) for value in values)
    return middle + threshold * max(deviation, least_deviation * abs(middle))

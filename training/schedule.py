"""The learning rate as a function of the step: a linear warmup, then a cosine down to a floor (Loshchilov & Hutter 2017)."""

from __future__ import annotations

from math import cos, pi


def learning_rate(step: int, steps: int, peak: float, warmup_steps: int, min_ratio: float) -> float:
    """The rate of step ``step`` (from 0) of ``steps``: ``peak`` at the end of warmup, ``peak × min_ratio`` at the end."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(steps - 1 - warmup_steps, 1)
    return peak * (min_ratio + (1 - min_ratio) * (1 + cos(pi * done)) / 2)

"""The learning rate by step: a linear warmup, then a cosine down to a floor (Loshchilov & Hutter 2017)."""

from __future__ import annotations

from math import cos, pi


def learning_rate(step: int, steps: int, peak: float, warmup_steps: int, min_ratio: float) -> float:
    """The rate of step ``step`` of ``steps``, from 0: ``peak`` once warm, ``peak × min_ratio`` at the last step."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(steps - 1 - warmup_steps, 1)
    return peak * (min_ratio + (1 - min_ratio) * (1 + cos(pi * done)) / 2)

"""The learning rate schedule: linear warmup, then cosine decay to a minimum (Loshchilov & Hutter 2017)."""

from __future__ import annotations

from math import cos, pi


def learning_rate(step: int, steps: int, peak: float, warmup_steps: int, min_ratio: float) -> float:
    """Return the rate of ``step``, counted from 0: ``peak`` after warmup, ``peak × min_ratio`` at the last step."""
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(steps - 1 - warmup_steps, 1)
    return peak * (min_ratio + (1 - min_ratio) * (1 + cos(pi * progress)) / 2)

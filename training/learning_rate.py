"""The learning rate as a function of the tokens trained on."""

from __future__ import annotations

from math import cos, pi

from gristmill.errors import InputError
from gristmill.training.train_section import ScheduleSection

WARMUP_SHARE = 0.02
"""Share of the run's tokens over which the learning rate rises unless the recipe says otherwise."""


def learning_rate(schedule: ScheduleSection, peak: float, tokens: int, step_tokens: int, total: int) -> float:
    """Return the rate of a step of ``step_tokens`` tokens after ``tokens`` tokens, in a run of ``total`` tokens.

    It is ``peak`` when the warm-up ends, and ``peak × min_ratio`` in the last step unless the shape is constant.
    """
    warmup = warmup_tokens(schedule, total)
    if tokens + step_tokens <= warmup:
        return peak * (tokens + step_tokens) / warmup
    start = max(warmup, total * (1 - schedule.decay_share)) if schedule.shape == "wsd" else warmup
    progress = min(max((tokens - start) / max(total - step_tokens - start, 1), 0.0), 1.0)
    return peak * (schedule.min_ratio + (1 - schedule.min_ratio) * remaining(schedule.shape, progress))


def remaining(shape: str, progress: float) -> float:
    """Return the share of the decay that is left, from 1 to 0, after the share ``progress`` of its tokens."""
    if shape == "constant":
        return 1.0
    return (1 + cos(pi * progress)) / 2 if shape == "cosine" else 1 - progress


def warmup_tokens(schedule: ScheduleSection, total: int) -> int:
    """Return the tokens of the warm-up. Raises InputError if they are more than the run's."""
    if schedule.warmup_tokens is None:
        return int(total * WARMUP_SHARE)
    if schedule.warmup_tokens > total:
        raise InputError(
            f"train.schedule.warmup_tokens ({schedule.warmup_tokens:,}) is longer than the run, which has {total:,} "
            "tokens: lower it, or raise train.steps"
        )
    return schedule.warmup_tokens

"""Cue words: words such as "phone" or "IP" that raise the score of a match shortly after them."""

from __future__ import annotations

import re

CUE_BONUS = 0.35
"""Added to the score of a match after a cue word: the factor of Presidio's context enhancer."""
CUE_REACH = 40
"""Characters before a match in which a cue word counts."""


def has_cue(text: str, start: int, cue: re.Pattern[str]) -> bool:
    """Return whether a cue word occurs shortly before ``start``."""
    return cue.search(text, max(0, start - CUE_REACH), start) is not None

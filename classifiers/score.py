"""What every scorer shares: a number for each text, rounded before it decides anything.

Sums of floats differ between processors in their last digits, so a score is rounded as it is made, and what is stored,
compared and calibrated with is the rounded value, as a float32 column holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from gristmill.corpus.arrays import Float32s

Scores = Float32s

DIGITS = 4
"""Digits after the point that a score keeps; perplexities keep one, as in CCNet."""


class Scorer(Protocol):
    """A model or list that gives every text a number."""

    def scores(self, texts: Sequence[str], langs: Sequence[str | None]) -> Scores:
        """float32 [texts], rounded; NaN where a text has no score (no list for its language, no words)."""


def rounded(values: ArrayLike, digits: int = DIGITS) -> Scores:
    """``values`` rounded to ``digits``, as a float32 column gives them back."""
    return np.asarray(values, np.float64).round(digits).astype(np.float32)

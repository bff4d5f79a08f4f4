"""Scores: one number per text, rounded before it is used.

The last digits of floating-point sums differ between processors. So scores are rounded as soon as they are computed,
and the rounded values, as float32, are what is stored, compared with thresholds and used for calibration.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from gristmill.corpus.arrays import Float32s

Scores = Float32s

DIGITS = 4
"""Decimal places of a score; perplexities have one, as in CCNet."""


class Scorer(Protocol):
    """A model or word list that scores texts."""

    def scores(self, texts: Sequence[str], langs: Sequence[str | None]) -> Scores:
        """Rounded scores: float32 [texts]; NaN for a text without one (no list for its language, no words)."""


def round_scores(values: ArrayLike, digits: int = DIGITS) -> Scores:
    """``values`` rounded to ``digits`` decimal places, as float32."""
    result: Scores = np.asarray(values, np.float64).round(digits).astype(np.float32)
    return result

"""Signals that every variant counts alike. To add a signal, add a function and a row to ``COMMON_SIGNALS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Float64s
from gristmill.transforms.quality.character_flags import character_set
from gristmill.transforms.quality.text_batch import Batch, Lines, ratio

LONG_LINE = 200
"""A line of at least this many characters is long (Xue et al. 2021, 3.1)."""

TECHNICAL_CHARACTERS = "0123456789{}+/()>"
"""What MADLAD-400 calls technical characters (Kudugunta et al. 2023, 2.3)."""


class CommonSignal(NamedTuple):
    """What the signal is, and the function that measures it: float64 [documents]."""

    description: str
    measure: Callable[[Batch, Lines], Float64s]


def _long_lines(batch: Batch, lines: Lines) -> Float64s:
    return lines.sum_per_document(lines.text_ends - lines.text_starts >= LONG_LINE).astype(float)


def _technical_characters(batch: Batch, lines: Lines) -> Float64s:
    technical = np.flatnonzero(character_set(TECHNICAL_CHARACTERS)[batch.codes])
    return ratio(batch.count_per_document(technical), batch.lengths())


COMMON_SIGNALS: dict[str, CommonSignal] = {
    "long_lines": CommonSignal("Number of lines of at least 200 characters.", _long_lines),
    "technical_characters": CommonSignal("Share of the characters 0-9{}+/()>.", _technical_characters),
}
"""By name, in the order of their columns, which come after those of all other signals."""


def measure_common_signals(batch: Batch, lines: Lines) -> dict[str, Float64s]:
    """Return every common signal of each document."""
    return {name: signal.measure(batch, lines) for name, signal in COMMON_SIGNALS.items()}

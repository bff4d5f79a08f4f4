"""Code points that ``gigatoken`` and ``tokenizers`` class differently, and which documents of a column hold one.

They are letters, digits and marks that are newer than the Unicode tables of one of the two, so they are rare, and every
one takes three or four bytes. ``derive_code_points`` prints the table.
"""

from __future__ import annotations

import numpy as np

from gristmill.corpus.arrays import Int64s, UInt8s

DIFFERING = (
    (0x088F, 0x088F),
    (0x0C5C, 0x0C5C),
    (0x0CDC, 0x0CDC),
    (0xA7CE, 0xA7CF),
    (0xA7D2, 0xA7D2),
    (0xA7D4, 0xA7D4),
    (0xA7F1, 0xA7F1),
    (0x10940, 0x10959),
    (0x10EC5, 0x10EC7),
    (0x11DB0, 0x11DDB),
    (0x11DE0, 0x11DE9),
    (0x16EA0, 0x16EB8),
    (0x16EBB, 0x16ED3),
    (0x16FF2, 0x16FF6),
    (0x187F8, 0x187FF),
    (0x18D09, 0x18D1E),
    (0x18D80, 0x18DF2),
    (0x1E6C0, 0x1E6DE),
    (0x1E6E0, 0x1E6E2),
    (0x1E6E4, 0x1E6E5),
    (0x1E6E7, 0x1E6ED),
    (0x1E6F0, 0x1E6F4),
    (0x1E6FE, 0x1E6FF),
    (0x2B73A, 0x2B73F),
    (0x2CEA2, 0x2CEAD),
    (0x323B0, 0x33479),
)
"""First and last code point of each range, for gigatoken 0.10 and tokenizers 0.23."""

_FIRST, _LAST = np.array(DIFFERING, np.int64).T
_LEADS = sorted({chr(code).encode()[0] for first, last in DIFFERING for code in range(first, last + 1)})
_FOUR_BYTES = 0xF0
_BLOCK = 1 << 16
"""Bytes that are compared at once, and stay in the processor's cache."""


def differing_rows(data: UInt8s, offsets: Int64s) -> Int64s:
    """Return which texts hold such a code point, in ascending order.

    ``data`` is the UTF-8 of all texts; text ``i`` is ``data[offsets[i] : offsets[i + 1]]``.
    """
    leads = _lead_positions(data)
    starts = np.concatenate([_differing(data, leads, length) for length in (3, 4)])
    rows: Int64s = np.unique(np.searchsorted(offsets, starts, side="right") - 1)
    return rows


def _lead_positions(data: UInt8s) -> Int64s:
    """Return where a byte is that such a code point starts with."""
    found = [np.empty(0, np.int64)]
    for start in range(0, len(data), _BLOCK):
        block = data[start : start + _BLOCK]
        if block.max() >= _LEADS[0]:
            found += [np.flatnonzero(block == lead) + start for lead in _LEADS]
    return np.concatenate(found)


def _differing(data: UInt8s, leads: Int64s, length: int) -> Int64s:
    """Return which of ``leads`` start such a code point of ``length`` bytes."""
    starts = leads[(data[leads] >= _FOUR_BYTES) == (length == 4)]
    codes = data[starts].astype(np.int64) & (0xFF >> (length + 1))
    for place in range(1, length):
        codes = codes << 6 | data[starts + place] & 0x3F
    found = np.searchsorted(_FIRST, codes, side="right") - 1
    return np.compress((found >= 0) & (codes <= _LAST[found]), starts)

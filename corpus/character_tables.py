"""Tables of Unicode code points: which characters make words, and how they fold.

Kinds, case folding and NFKC come from Python's Unicode tables: every stage that works with words has
``UNICODE_VERSION`` in its key. The two tables are computed from this module's code and cached on the machine.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import takewhile
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.arrays import Bools, Int64s, UInt8s
from gristmill.store import storage
from gristmill.store.cache import cached_bytes
from gristmill.store.keys import key_of

UNICODE_VERSION = unicodedata.unidata_version

BREAK, LETTER, TAIL, SOLO, MARK = 0b0000, 0b0001, 0b0010, 0b0110, 0b1000
"""The kinds of code points.

``BREAK`` separates words. ``LETTER`` continues a word. ``SOLO`` is a letter of a script without spaces: it always
begins a word. ``TAIL`` is a mark on a ``SOLO``. ``MARK`` is in the table only: ``kinds_of`` gives each mark the kind
that follows from the character it combines with.

The bits say where words begin: at a code point with a bit that the previous one lacks. The third bit, that of ``SOLO``,
counts as lacking in every previous code point.
"""

_CONTINUING_BITS = np.uint8(0b011)

AS_MARK = np.array([BREAK, LETTER, TAIL, BREAK, BREAK, BREAK, TAIL], np.uint8)
"""The kind of a mark by the kind of the character it combines with."""

UNSPACED_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # ideographic iteration and closing marks, zero
    (0x3021, 0x3029),  # Suzhou numerals
    (0x3031, 0x309F),  # kana repeat marks, hiragana
    (0x30A0, 0x30FF),  # katakana
    (0x31F0, 0x31FF),  # katakana extensions
    (0x3400, 0x4DBF),  # Han, extension A
    (0x4E00, 0x9FFF),  # Han
    (0xA9E0, 0xA9FF),  # Myanmar extended B
    (0xAA60, 0xAA7F),  # Myanmar extended A
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFF66, 0xFF9F),  # katakana, half width
    (0x1AFF0, 0x1B16F),  # kana supplement and extensions
    (0x20000, 0x3FFFF),  # Han, supplementary planes
)

_INVISIBLE = re.compile("[\u00ad\u034f\u200c-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]")
"""Soft hyphen, joiners, direction marks and variation selectors. They neither belong to a word nor end one."""

_FOLDING_END = 0x30000  # case folding and NFKC change nothing above these three planes

_MARKS_END = 0x20000  # no combining marks are above these two planes
_LONG_RUN = 50  # marks


def code_points(text: str) -> Int64s:
    """The code points of ``text``, including lone surrogates: int64 [characters], for use as indices into tables."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8).astype(np.int64)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.int64)


def folded_code_points(text: str) -> Int64s:
    """Code points with the same words as ``words.normalize(text)``; the separators may differ: int64 [code points]."""
    codes = fold_table().take(code_points(text))
    if len(codes) and codes.min() < 0:
        return code_points(fold(text))
    return codes


def kinds_of(codes: Int64s) -> UInt8s:
    """The kind of each code point in its context: uint8 [characters]. A mark on a break is a break."""
    kinds = kind_table().take(codes)
    marks = np.flatnonzero(kinds == MARK)
    if len(marks):
        kinds[marks] = BREAK
        bases = np.arange(len(kinds))
        bases[marks] = 0
        kinds[marks] = AS_MARK.take(kinds.take(np.maximum.accumulate(bases).take(marks)))
    return kinds


def begins_word(kinds: UInt8s) -> Bools:
    """Whether a word begins at each character: bool [characters]."""
    new_bits = kinds.copy()
    new_bits[1:] &= ~(kinds[:-1] & _CONTINUING_BITS)
    result: Bools = new_bits.astype(bool)
    return result


def without_invisible(text: str) -> str:
    return text if text.isascii() else _INVISIBLE.sub("", text)


def fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    text = order_marks(without_invisible(text), "NFKD")
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def order_marks(text: str, form: Literal["NFD", "NFKD"]) -> str:
    """``text`` with long runs of combining marks in a normal form, so that this form of the whole stays the same.

    ``unicodedata.normalize`` takes quadratic time to put the marks of a run in order. Looking at every
    ``_LONG_RUN``-th character finds every long run.
    """
    if len(text) < _LONG_RUN or text.isascii():
        return text
    marks, long_run = combining_marks(form), _long_run(form)
    sampled = (at for at in range(0, len(text), _LONG_RUN) if text[at] in marks)
    if not any(_marks_around(text, at, marks) >= _LONG_RUN for at in sampled):
        return text

    def ordered(run: re.Match[str]) -> str:
        decomposed = (mark for character in run[0] for mark in unicodedata.normalize(form, character))
        return "".join(sorted(decomposed, key=unicodedata.combining))

    return long_run.sub(ordered, text)


def _marks_around(text: str, at: int, marks: frozenset[str]) -> int:
    """The length of the run of marks that the mark at ``at`` is in, counted up to ``_LONG_RUN`` on each side."""
    sides = (reversed(text[max(0, at - _LONG_RUN) : at]), text[at : at + _LONG_RUN])
    return sum(1 for side in sides for _ in takewhile(marks.__contains__, side))


@lru_cache(maxsize=2)
def combining_marks(form: Literal["NFD", "NFKD"]) -> frozenset[str]:
    """The characters that are combining marks in a normal form."""
    characters = map(chr, range(_MARKS_END))
    return frozenset(c for c in characters if unicodedata.combining(unicodedata.normalize(form, c)[0]))


@lru_cache(maxsize=2)
def _long_run(form: Literal["NFD", "NFKD"]) -> re.Pattern[str]:
    return re.compile(f"[{''.join(sorted(combining_marks(form)))}]{{{_LONG_RUN},}}")


def assigned_characters() -> str:
    """All characters of the planes that have assigned characters.

    The other planes contain no letters, marks, digits or spaces. Computing a table for these planes alone takes a
    quarter of the time.
    """
    return "".join(map(chr, (*range(0x40000), *range(0xE0000, 0xE1000))))


@lru_cache(maxsize=1)
def kind_table() -> UInt8s:
    """The kind of every code point: uint8 [0x110000]."""
    return np.frombuffer(_cached_table("kinds", _compute_kinds), np.uint8)


@lru_cache(maxsize=1)
def fold_table() -> Int64s:
    """The folded form of each code point: int64 [0x110000]; -1 if it is not one code point or depends on neighbors.

    Marks and parts of Hangul syllables may compose with the previous character, some code points expand, and invisible
    ones vanish. A code point that folds to separators becomes a space. The table saves most texts the slower string
    functions.
    """
    return np.frombuffer(_cached_table("folds", _compute_folds), "<i8")


def _cached_table(name: str, compute: Callable[[], NDArray[Any]]) -> bytes | memoryview:
    """A table, computed once on a machine for this module's code and this Python; both take 0.4 s.

    Each table has its own folder in the cache: computing one needs the other, and a folder is locked meanwhile.
    """
    key = key_of(storage.content_hash(__file__), sys.version)
    return cached_bytes(f"words-{name}/{key}", lambda: compute().tobytes())


def _compute_kinds() -> UInt8s:
    characters = assigned_characters()
    names = "".join(map(unicodedata.category, characters)).encode()
    major, minor = np.frombuffer(names, np.uint8).reshape(-1, 2).T
    table = np.full(sys.maxunicode + 1, BREAK, np.uint8)
    table[code_points(characters)] = np.select(
        [(major == ord("L")) | (major == ord("N")), major == ord("M")], [LETTER, MARK], BREAK
    )
    for first, last in UNSPACED_RANGES:
        block = slice(first, last + 1)
        table[block][(table[block] == LETTER) & (minor[block] != ord("d"))] = SOLO
    return table


def _compute_folds() -> Int64s:
    table = np.arange(sys.maxunicode + 1)
    table[_FOLDING_END:] = np.where(table[_FOLDING_END:] < 0xE0000, table[_FOLDING_END:], -1)
    folded = fold("\0".join(map(chr, range(1, _FOLDING_END)))).split("\0")
    table[1:_FOLDING_END] = [ord(text) if len(text) == 1 else -1 for text in folded]
    table[(kind_table()[table] == MARK) | ((table >= 0x1160) & (table <= 0x11FF))] = -1
    for code in np.flatnonzero(table[:_FOLDING_END] < 0).tolist():
        text = folded[code - 1]
        if len(text) > 1 and not kinds_of(code_points("a" + text))[1:].any():
            table[code] = ord(" ")
    return table

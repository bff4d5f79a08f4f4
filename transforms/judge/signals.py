"""What is measured on a text: its length, and the quality signals of Gopher (Rae et al. 2021, arXiv 2112.11446, A1.1).

A signal knows no threshold. Values are rounded to four digits and fit a float32 column: what is compared when a
document is judged from memory is, to the bit, what is compared when it is judged from disk.

Rae et al. do not say what a word or a line is, so implementations differ. Here words are those of ``corpus.words``,
which hold no punctuation; lines are those that are not blank. datatrove's ``GopherQualityFilter`` takes words from a
tokenizer per language, to which punctuation marks are words, and divides by them all; it counts blank lines, so that
bullets with a blank line after each are never more than half; and it knows two bullets, ``•`` and ``-``.
"""

from __future__ import annotations

import math
import sys
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.words import SOLO, UInt64s, Words, assigned, code_points, find_words
from gristmill.transforms.judge.repetition import REPETITION_SIGNALS, repetition
from gristmill.transforms.judge.stopwords import stop_word_hashes

SIGNALS: dict[str, str] = {
    "characters": "Code points in the text.",
    "lines": "Lines that are not blank.",
    "words": "Words.",
    "word_length": "Mean length of a word in code points, case-folded. 0 without words.",
    "hash_ratio": "Number signs (#) for each word, or in all where there is no word.",
    "ellipsis_ratio": "Ellipses (… or ...) for each word, or in all where there is no word.",
    "bullet_lines": "Share of lines that begin with a bullet, of lines that are not blank.",
    "ellipsis_lines": "Share of lines that end with an ellipsis, of lines that are not blank.",
    "alphabetic_words": "Share of tokens between spaces with a letter, of those with a letter or digit. 0 without any.",
    "stop_words": "How many different stop words of the language occur. Not measured (NaN) where it has no list.",
    **REPETITION_SIGNALS,
}
"""Name of each signal, in the order of the columns, and what it measures."""

DIGITS = 4
"""Signals, scores and thresholds are rounded to this many digits before they are stored or compared."""

BULLETS = tuple("•‣◦⁃∙●○▪▫■□►▶➢➤✓✔❖·*-＊・")
"""What begins a line of a list, Markdown's ``*`` and ``-`` included. Not the dashes (– —) that begin direct speech."""

ELLIPSES = ("...", "…")


def signals(text: str, lang: str | None) -> dict[str, float]:
    """Every signal of ``SIGNALS``, as its float32 column holds it. ``lang`` (ISO 639) chooses the stop words only."""
    found = find_words(text)
    count = len(found.starts)
    hashes = found.hashes()
    of_words = 1 / max(count, 1)
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    of_lines = 1 / max(len(lines), 1)
    values = (
        len(text),
        len(lines),
        count,
        np.count_nonzero(found.kinds) * of_words,
        text.count("#") * of_words,
        sum(map(text.count, ELLIPSES)) * of_words,
        sum(line.startswith(BULLETS) for line in lines) * of_lines,
        sum(line.endswith(ELLIPSES) for line in lines) * of_lines,
        _alphabetic(found),
        _stop_words(hashes, lang),
        *repetition(text, lines),
    )
    return {name: stored(value) for name, value in zip(SIGNALS, values, strict=True)}


def stored(value: float) -> float:
    """``value`` as a float32 column gives it back."""
    return float(np.float32(round(float(value), DIGITS)))


def _alphabetic(found: Words) -> float:
    """Between spaces rather than by words: a price, a date or an address with its port is one token, not four.

    In scripts without spaces a token begins with every character, as a word does.
    """
    levels = _level_table().take(found.codes)
    begins = levels != _SPACE
    begins[1:] &= levels[:-1] == _SPACE
    begins |= found.kinds == SOLO
    if not len(begins):
        return 0.0
    tokens = np.maximum.reduceat(levels, np.flatnonzero(begins))
    return np.count_nonzero(tokens == _LETTER) / np.count_nonzero(tokens >= _DIGIT)


def _stop_words(hashes: UInt64s, lang: str | None) -> float:
    stop_words = stop_word_hashes(lang)
    if stop_words is None:
        return math.nan
    return int(np.count_nonzero((hashes == stop_words[:, None]).any(axis=1)))


_SPACE, _SYMBOL, _DIGIT, _LETTER = range(4)


@lru_cache(maxsize=1)
def _level_table() -> NDArray[np.uint8]:
    """What each code point makes of the token that it stands in: uint8 [0x110000]."""
    characters = assigned()
    space, digit, letter = (
        np.fromiter(map(test, characters), bool) for test in (str.isspace, str.isnumeric, str.isalpha)
    )
    table = np.full(sys.maxunicode + 1, _SYMBOL, np.uint8)
    table[code_points(characters)] = np.select([space, letter, digit], [_SPACE, _LETTER, _DIGIT], _SYMBOL)
    return table

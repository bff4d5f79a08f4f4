"""Properties of characters, as one table of bit flags for all code points."""

from __future__ import annotations

import sys
from functools import lru_cache

import numpy as np

from gristmill.corpus.arrays import Bools, UInt8s
from gristmill.corpus.character_tables import SOLO as UNSPACED_KIND
from gristmill.corpus.character_tables import assigned_characters, code_points, kinds_of

SPACE, LETTER, NUMERIC, DIGIT, UPPER, UNSPACED, END, CLOSER = (np.uint8(1 << bit) for bit in range(8))
"""Flags: white space; letter; numeral of any kind; digit; uppercase letter; character of a script without spaces, which
counts as a word; punctuation mark that ends a sentence; quotation mark or bracket that may follow such a mark."""

UNSPACED_LANGUAGES = ("zh", "ja", "th", "lo", "km", "my")
"""Languages written without spaces between words (ISO 639)."""

BULLETS = "•‣◦⁃∙●○▪▫■□►▶➢➤✓✔❖·*-＊・"
"""Characters that start a list item, including Markdown's ``*`` and ``-``, but not the dashes (– —) that start direct
speech."""

END_MARKS = ".!?…‼⁇⁈⁉。｡！？．؟۔؞।॥։።፧။។៕"
"""Punctuation marks that end a sentence, in Latin, Greek, Cyrillic, Chinese, Japanese, Arabic, Urdu, Devanagari,
Armenian, Ethiopic, Myanmar and Khmer writing. Thai and Lao have none."""

UNSPACED_END_MARKS = "。｡！？．"
"""End marks that need no space after them."""

CLOSERS = "\"'”’»)]}」』）】》〉"

TERMINAL_MARKS = END_MARKS + "\"'”’»」』"
"""Marks that end a line of prose: C4's full stop, exclamation mark, question mark and closing quotation mark (Raffel et
al. 2020, 2.2), and their counterparts in other scripts."""

TABLES = {
    "unspaced_languages": UNSPACED_LANGUAGES,
    "bullets": BULLETS,
    "end_marks": END_MARKS,
    "unspaced_end_marks": UNSPACED_END_MARKS,
    "closers": CLOSERS,
    "terminal_marks": TERMINAL_MARKS,
}
"""What the key of the stage ``signals`` contains of this module."""


@lru_cache(maxsize=1)
def character_flags() -> UInt8s:
    """Return the flags of every code point: uint8 [0x110000]."""
    characters = assigned_characters()
    codes = code_points(characters)
    table = np.zeros(sys.maxunicode + 1, np.uint8)
    tests = {SPACE: str.isspace, LETTER: str.isalpha, NUMERIC: str.isnumeric, DIGIT: str.isdigit, UPPER: str.isupper}
    for flag, test in tests.items():
        table[codes] |= np.fromiter(map(test, characters), bool) * flag
    table[codes] |= (kinds_of(codes) == UNSPACED_KIND) * UNSPACED
    table[code_points(END_MARKS)] |= END
    table[code_points(CLOSERS)] |= CLOSER
    return table


@lru_cache(maxsize=16)
def character_set(characters: str) -> Bools:
    """Return whether each code point is one of ``characters``: bool [0x110000]."""
    table = np.zeros(sys.maxunicode + 1, bool)
    table[code_points(characters)] = True
    return table

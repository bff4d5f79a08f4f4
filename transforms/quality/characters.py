"""What each character says of the text that it stands in, as a table of bits."""

from __future__ import annotations

import sys
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gristmill.corpus.words import SOLO as UNSPACED_KIND
from gristmill.corpus.words import assigned, code_points, kinds_of

SPACE, LETTER, NUMERIC, DIGIT, UPPER, UNSPACED, END, CLOSER = (np.uint8(1 << bit) for bit in range(8))
"""Bits: white space; letter; numeral of any kind; digit; upper case; a character that is a word in a script without
spaces; mark that ends a sentence; quotation mark or bracket that may stand behind such a mark."""

BULLETS = "•‣◦⁃∙●○▪▫■□►▶➢➤✓✔❖·*-＊・"
"""What begins a line of a list, Markdown's ``*`` and ``-`` included. Not the dashes (– —) that begin direct speech."""

END_MARKS = ".!?…‼⁇⁈⁉。｡！？．؟۔؞।॥։።፧။។៕"
"""What ends a sentence: Latin, Greek, Cyrillic, Chinese, Japanese, Arabic, Urdu, Devanagari, Armenian, Ethiopic,
Myanmar and Khmer. Thai and Lao have none."""

UNSPACED_END_MARKS = "。｡！？．"
"""Those behind which no space is needed."""

CLOSERS = "\"'”’»)]}」』）】》〉"

TERMINAL_MARKS = END_MARKS + "\"'”’»」』"
"""What a line of prose ends with: C4's full stop, exclamation mark, question mark and end quotation mark (Raffel et al.
2020, 2.2), and what other scripts have for them."""


@lru_cache(maxsize=1)
def bit_table() -> NDArray[np.uint8]:
    """The bits of every code point: uint8 [0x110000]."""
    characters = assigned()
    codes = code_points(characters)
    table = np.zeros(sys.maxunicode + 1, np.uint8)
    tests = {SPACE: str.isspace, LETTER: str.isalpha, NUMERIC: str.isnumeric, DIGIT: str.isdigit, UPPER: str.isupper}
    for bit, test in tests.items():
        table[codes] |= np.fromiter(map(test, characters), bool) * bit
    table[codes] |= (kinds_of(codes) == UNSPACED_KIND) * UNSPACED
    table[code_points(END_MARKS)] |= END
    table[code_points(CLOSERS)] |= CLOSER
    return table


@lru_cache(maxsize=16)
def set_table(characters: str) -> NDArray[np.bool_]:
    """Whether each code point is one of ``characters``: bool [0x110000]."""
    table = np.zeros(sys.maxunicode + 1, bool)
    table[code_points(characters)] = True
    return table

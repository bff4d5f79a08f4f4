"""Normalises text into the form in which it is stored, whatever its source.

``clean_text`` is for prose; source code gets only ``normalize_line_endings``, since every space in it matters. Both are
idempotent. In order, ``clean_text``

- removes invisible characters that only split words or break readers: control characters except tab and newline, the
  byte order mark (U+FEFF), the soft hyphen (U+00AD), interlinear annotation marks and non-characters. Joiners (U+200C,
  U+200D), the zero-width space and direction marks stay: Persian, Hindi, Khmer, emoji and Arabic need them;
- ends lines with ``\\n`` (from CR LF, CR, NEL, U+2028, U+2029, VT, FF), and replaces no-break spaces by spaces;
- truncates a run of combining marks after 30 (UAX #15, Stream-Safe Text Format; sorting a run takes quadratic time);
- normalises to Unicode NFC (not NFKC, which would change the meaning: x² to x2);
- strips white space at the end of each line, reduces runs of newlines to two, and removes them at both ends.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import normalize

import numpy as np

from gristmill.corpus.arrays import UInt8s
from gristmill.corpus.character_tables import combining_marks

_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\ufeff\ufff9-\ufffb\ufffe\uffff\ufdd0-\ufdef]")
_LINE_END = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_PLANES = 0x20000  # no such characters, and no combining marks, are above these two planes
_MARKS = "".join(sorted(combining_marks("NFD")))
_SEVERAL_MARKS = {mark: marks for mark in _MARKS if len(marks := normalize("NFC", mark)) > 1}
_IS_MARK = combining_marks("NFD").__contains__
_MAX_MARKS = 30
_RUN = re.compile(f"([{_MARKS}]{{{_MAX_MARKS}}})[{_MARKS}]+")
_GAP = re.compile("\n{3,}")
_TO_REPLACE, _MARK = 1, 2


def normalize_line_endings(text: str) -> str:
    """``text`` with CR LF and CR replaced by ``\\n``."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def clean_text(text: str) -> str:
    """``text`` in the form in which it is stored; see the module's docstring."""
    classes = _classes_in(text)
    if classes & _TO_REPLACE:
        text = _LINE_END.sub("\n", normalize_line_endings(_INVISIBLE.sub("", text)))
    text = normalize_line_endings(text).replace("\u00a0", " ")
    if classes & _MARK:
        for mark, marks in _SEVERAL_MARKS.items():
            text = text.replace(mark, marks)
        text = truncate_mark_runs(text)
    lines = "\n".join(map(str.rstrip, normalize("NFC", text).split("\n")))
    return (_GAP.sub("\n\n", lines) if "\n\n\n" in lines else lines).strip("\n")


def truncate_mark_runs(text: str) -> str:
    """``text`` with runs of combining marks truncated.

    Looking at every (``_MAX_MARKS`` + 1)-th character finds every run that is too long.
    """
    step = _MAX_MARKS + 1
    sampled = text[::step]
    if sampled.isascii() or not _classes_in(sampled) & _MARK:
        return text
    marks = (step * i for i, character in enumerate(sampled) if _IS_MARK(character))
    too_long = any(_RUN.search(text, max(0, at - _MAX_MARKS), at + step) for at in marks)
    return _RUN.sub(r"\1", text) if too_long else text


def _classes_in(text: str) -> int:
    """Bits: ``_TO_REPLACE`` if ``text`` has invisible characters or unusual line ends, ``_MARK`` if combining marks."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return int(np.bitwise_or.reduce(_class_table().take(codes, mode="clip")))


@lru_cache(maxsize=1)
def _class_table() -> UInt8s:
    """The class bits of each code point, ``uint8 [0x20000]``; with it, most texts need no regular expression."""
    characters = "".join(map(chr, range(_PLANES)))
    table = np.zeros(_PLANES, np.uint8)
    for pattern in (_INVISIBLE, _LINE_END):
        table[[match.start() for match in pattern.finditer(characters)]] = _TO_REPLACE
    table[list(map(ord, _MARKS))] = _MARK
    return table

"""The form in which all text is stored, whatever it came from.

``tidy`` is for prose from any source; source code gets ``line_endings`` only, since there every space counts. Both are
idempotent. In order, ``tidy``

- drops what cannot be seen and only splits words or breaks readers: control characters but tab and newline, the byte
  order mark (U+FEFF), the soft hyphen (U+00AD), interlinear marks and non-characters. Joiners (U+200C, U+200D), the
  zero-width space and direction marks stay: Persian, Hindi, Khmer, emoji and Arabic are written with them;
- ends lines with ``\\n`` (from CR LF, CR, NEL, U+2028, U+2029, VT, FF), and makes a no-break space a space;
- cuts a run of combining marks after 30 (UAX #15, Stream-Safe Text Format; a run is put in order in quadratic time);
- normalises to Unicode NFC (not NFKC, which would change what is said: x² to x2);
- strips white space at the end of each line, and leaves at most two newlines in a row; none at either end.
"""

from __future__ import annotations

import re
from functools import lru_cache
from unicodedata import combining, normalize

import numpy as np
from numpy.typing import NDArray

_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\ufeff\ufff9-\ufffb\ufffe\uffff\ufdd0-\ufdef]")
_LINE_END = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_PLANES = 0x20000  # there are no such characters, and no marks, above these two planes
_MARKS = "".join(filter(combining, map(chr, range(_PLANES))))
_MOST = 30
_RUN = re.compile(f"([{_MARKS}]{{{_MOST}}})[{_MARKS}]+")
_GAP = re.compile("\n{3,}")
_ODD, _MARK = 1, 2


def line_endings(text: str) -> str:
    """``text`` with ``\\n`` for CR LF and CR, and nothing else changed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tidy(text: str) -> str:
    """``text`` in the form in which it is stored; see the module."""
    met = _met(text)
    if met & _ODD:
        text = _LINE_END.sub("\n", line_endings(_UNSEEN.sub("", text)))
    text = line_endings(text).replace("\u00a0", " ")
    if met & _MARK:
        text = short_runs(text)
    lines = "\n".join(map(str.rstrip, normalize("NFC", text).split("\n")))
    return (_GAP.sub("\n\n", lines) if "\n\n\n" in lines else lines).strip("\n")


def short_runs(text: str) -> str:
    """``text`` with runs of combining marks cut. A longer one is met by looking at one character of ``_MOST`` + 1."""
    step = _MOST + 1
    sampled = text[::step]
    if sampled.isascii() or not _met(sampled) & _MARK:
        return text
    met = (step * i for i, character in enumerate(sampled) if combining(character))
    cut = any(_RUN.search(text, max(0, at - _MOST), at + step) for at in met)
    return _RUN.sub(r"\1", text) if cut else text


def _met(text: str) -> int:
    """What is in ``text``: ``_ODD``, something unseen or an odd end of a line; ``_MARK``, a combining mark."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return int(np.bitwise_or.reduce(_kinds().take(codes, mode="clip")))


@lru_cache(maxsize=1)
def _kinds() -> NDArray[np.uint8]:
    """Which of ``_met``'s each code point is: uint8 [0x20000]. It spares texts the slower patterns."""
    characters = "".join(map(chr, range(_PLANES)))
    kinds = np.zeros(_PLANES, np.uint8)
    for pattern in (_UNSEEN, _LINE_END):
        kinds[[found.start() for found in pattern.finditer(characters)]] = _ODD
    kinds[list(map(ord, _MARKS))] = _MARK
    return kinds

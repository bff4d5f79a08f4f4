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
from unicodedata import combining, normalize

_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\ufeff\ufff9-\ufffb\ufffe\uffff\ufdd0-\ufdef]")
_LINE_END = re.compile("[\x0b\x0c\x85\u2028\u2029]")
_MARKS = frozenset(filter(combining, map(chr, range(0x20000))))  # there are none in higher planes
_MOST = 30
_RUN = re.compile("([{0}]{{{1}}})[{0}]+".format("".join(sorted(_MARKS)), _MOST))
_GAP = re.compile("\n{3,}")


def line_endings(text: str) -> str:
    """``text`` with ``\\n`` for CR LF and CR, and nothing else changed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tidy(text: str) -> str:
    """``text`` in the form in which it is stored; see the module."""
    text = _LINE_END.sub("\n", line_endings(_UNSEEN.sub("", text))).replace("\u00a0", " ")
    lines = "\n".join(line.rstrip() for line in normalize("NFC", short_runs(text)).split("\n"))
    return (_GAP.sub("\n\n", lines) if "\n\n\n" in lines else lines).strip("\n")


def short_runs(text: str) -> str:
    """``text`` with runs of combining marks cut. A longer one is met by looking at one character of ``_MOST`` + 1."""
    step = _MOST + 1
    sampled = text[::step]
    if sampled.isascii() or _MARKS.isdisjoint(sampled):
        return text
    met = (step * i for i, character in enumerate(sampled) if character in _MARKS)
    cut = any(_RUN.search(text, max(0, at - _MOST), at + step) for at in met)
    return _RUN.sub(r"\1", text) if cut else text

"""The form in which all text is stored, whatever it came from.

``tidy`` is for prose from any source; source code gets ``line_endings`` only, since there every space counts. Both are
idempotent. In order, ``tidy``

- drops what cannot be seen and only splits words or breaks readers: control characters but tab and newline, the byte
  order mark (U+FEFF), the soft hyphen (U+00AD), interlinear marks and non-characters. Joiners (U+200C, U+200D), the
  zero-width space and direction marks stay: Persian, Hindi, Khmer, emoji and Arabic are written with them;
- ends lines with ``\\n`` (from CR LF, CR, NEL, U+2028, U+2029, VT, FF), and makes a no-break space a space;
- normalises to Unicode NFC (not NFKC, which would change what is said: x² to x2);
- strips white space at the end of each line, and leaves at most two newlines in a row; none at either end.
"""

from __future__ import annotations

import re
from unicodedata import normalize

_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\ufeff\ufff9-\ufffb\ufffe\uffff\ufdd0-\ufdef]")
_LINE_END = re.compile("\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_GAP = re.compile("\n{3,}")


def line_endings(text: str) -> str:
    """``text`` with ``\\n`` for CR LF and CR, and nothing else changed."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tidy(text: str) -> str:
    """``text`` in the form in which it is stored; see the module."""
    text = _LINE_END.sub("\n", _UNSEEN.sub("", text)).replace("\u00a0", " ")
    lines = "\n".join(line.rstrip() for line in normalize("NFC", text).split("\n"))
    return _GAP.sub("\n\n", lines).strip("\n")

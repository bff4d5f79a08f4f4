"""Bytes of a page to text.

Which character set is believed, in this order:

1. a byte order mark;
2. UTF-8, if the bytes are valid UTF-8: text in another charset is so by chance only (but ISO-2022 is, on purpose, pure
   ASCII with escapes, and UTF-16 is ASCII with NULs: both are believed where declared and where such bytes are there);
3. UTF-8 with faults, if at least ``MOSTLY`` well-formed multi-byte characters stand against each malformed byte;
4. what decodes with fewest faults among: the transport's charset, the page's own (``<meta>`` in its first 4 KiB), the
   detected one. The earlier wins a tie, save that windows-1252, which servers declare unasked and which fits nearly any
   bytes, comes after every other *declared* charset.

The WHATWG standard lets the transport overrule everything after the byte order mark. Of 2,000 real pages 44 are valid
multi-byte UTF-8 and declare something else; following the declaration would garble each of them.
"""

from __future__ import annotations

import codecs
import re

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

MOSTLY = 4
META_SCAN = 4096

_META = re.compile(rb"""<meta\s[^>]{0,1000}?charset\s*=\s*["']?\s*([\w:.+-]{1,40})""", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|$)", re.DOTALL)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_MULTIBYTE = re.compile("[^\x00-\x7f\ufffd]")
_FAULT = re.compile("[\ufffd\x80-\x9f]")

# Supersets that the WHATWG encoding standard reads under the narrower label.
_WIDER = {"gbk": "gb18030", "gb2312": "gb18030", "euc_kr": "cp949", "shift_jis": "cp932", "big5": "big5hkscs"}


def codec_of(label: str | None) -> str | None:
    """Python's codec for a charset label by the aliases of the WHATWG encoding standard; None for what it does not list."""
    if not label or not label.isascii():
        return None
    name = map_encoding_to_html5(label.strip().lower(), False)
    return _WIDER.get(name, name) if name else None


def meta_charset(html: bytes) -> str | None:
    """The label that a page gives in a ``<meta>`` of its first 4 KiB, comments aside."""
    match = _META.search(_COMMENT.sub(b"", html[:META_SCAN]))
    return match[1].decode("ascii", "ignore") if match else None


def decode(data: bytes, transport: str | None = None) -> str:
    """The text of ``data``, by the rules of this module; never raises. The result holds no NUL and no lone surrogate."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return scrub(data[len(mark) :].decode(codec, "replace"))
    declared = _declared(data, transport)
    special = next((codec for codec in declared if _shows(codec, data)), None)
    if special:
        return scrub(data.decode(special, "replace"))
    text = data.decode("utf-8", "replace")
    faults = text.count("\ufffd")
    if faults and len(_MULTIBYTE.findall(text)) < MOSTLY * faults:
        text = _best(data, [*declared, detect_encoding(data)])
    return scrub(text)


def scrub(text: str) -> str:
    """``text`` without NUL, and with U+FFFD in place of each lone surrogate, so that it can be written as UTF-8."""
    return _SURROGATE.sub("\ufffd", text.replace("\0", ""))


def _declared(data: bytes, transport: str | None) -> list[str]:
    codecs_declared = [codec for label in (transport, meta_charset(data)) if (codec := codec_of(label))]
    return sorted(codecs_declared, key="cp1252".__eq__)


def _shows(codec: str, data: bytes) -> bool:
    """Whether ``data`` carries the bytes without which it cannot be in an encoding that looks like ASCII."""
    if codec.startswith("utf-16"):
        return data.count(b"\0") * 4 > len(data)
    return codec.startswith("iso2022") and b"\x1b" in data


def _best(data: bytes, candidates: list[str | None]) -> str:
    """The decoding with the fewest faults (replacement and C1 control characters), the earliest among equals."""
    codecs_tried = dict.fromkeys(codec for codec in [*candidates, "cp1252"] if codec and not codec.startswith("utf-16"))
    texts = (data.decode(codec, "replace") for codec in codecs_tried)
    return min(texts, key=lambda text: len(_FAULT.findall(text)))

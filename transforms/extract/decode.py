"""Bytes of a page to text.

Which character set is believed, in this order:

1. a byte order mark;
2. UTF-8, if the bytes are valid UTF-8: text in another charset is so by chance only. (ISO-2022 is, on purpose, ASCII
   with escapes, and UTF-16 is often ASCII with NULs: both are believed where declared and where such bytes are there.)
3. UTF-8 with faults, if ``MOSTLY`` well-formed multi-byte characters stand against each malformed byte (on 2,000 real
   pages: 15 and more where it is UTF-8, 1 and less where not);
4. the first of these that decodes with at most ``TOLERATED`` faults a non-ASCII byte, else the one with the fewest: the
   transport's charset, the page's own (``<meta>`` in its first 4 KiB), the detected one. windows-1252 is declared
   unasked by servers and editors, and fits nearly any bytes: declared, it comes after any other declared charset, and
   after a detected one of another script.

The WHATWG standard lets the transport overrule all but the byte order mark. Of 2,000 real pages 43 are valid multi-byte
UTF-8 and declare something else. 359 news pages in Greek, Polish, Russian, Chinese and English were encoded in their
old charset and in UTF-8, with each mixture of right, wrong and missing declarations. Recovered exactly (by the standard
in brackets):

- UTF-8, whatever is declared: 100 % (0 % where an old charset is declared first);
- old charset, named rightly by transport or page, the other one missing, UTF-8 or windows-1252: 100 % (0–100 %);
- none declared, or UTF-8 wrongly: 89 % (87 %, 0 %); windows-1252 wrongly: 67 % (11 %).
"""

from __future__ import annotations

import codecs
import re

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

MOSTLY = 4
TOLERATED = 0.05
META_SCAN = 4096

_META = re.compile(rb"""<meta\s[^>]{0,1000}?charset\s*=\s*["']?\s*([\w:.+-]{1,40})""", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|$)", re.DOTALL)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_MULTIBYTE = re.compile("[^\x00-\x7f\ufffd]")
_HIGH = re.compile(rb"[\x80-\xff]")
_FAULT = re.compile("[\ufffd\x80-\x9f]")

# Supersets that the WHATWG encoding standard reads under the narrower label.
_WIDER = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "iso8859-11": "cp874",
}


_OTHER_SCRIPT = re.compile("cp125[1356]|cp87[48]|cp9|koi8|gb|big5|euc|iso2022|iso8859[-_][5678]|mac-cyr")


def codec_of(label: str | None) -> str | None:
    """Python's codec for a charset label, by the aliases of the WHATWG encoding standard; None for no label of it."""
    if not label or not label.isascii():
        return None
    name = map_encoding_to_html5(label.strip().lower(), False)
    return _WIDER.get(name, name) if name else None


def meta_charset(html: bytes) -> str | None:
    """The label that a page gives in a ``<meta>`` of its first 4 KiB, comments aside."""
    match = _META.search(_COMMENT.sub(b"", html[:META_SCAN]))
    return match[1].decode("ascii", "ignore") if match else None


def decode(data: bytes, transport: str | None = None) -> str:
    """The text of ``data`` by the rules of this module, without NUL and lone surrogates; never raises."""
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
        text = _best(data, _candidates(data, declared))
    return scrub(text)


def scrub(text: str) -> str:
    """``text`` without NUL, and with U+FFFD in place of each lone surrogate, so that it can be written as UTF-8."""
    return _SURROGATE.sub("\ufffd", text.replace("\0", ""))


def _declared(data: bytes, transport: str | None) -> list[str]:
    return [codec for label in (transport, meta_charset(data)) if (codec := codec_of(label))]


def _shows(codec: str, data: bytes) -> bool:
    """Whether ``data`` carries the bytes without which it cannot be in an encoding that looks like ASCII."""
    if codec.startswith("utf-16"):
        return data.count(b"\0") * 4 > len(data)
    return codec.startswith("iso2022") and b"\x1b" in data


def _candidates(data: bytes, declared: list[str]) -> list[str]:
    detected = codec_of(detect_encoding(data)) or "cp1252"
    chosen = [codec for codec in declared if codec != "cp1252"]
    guessed = [detected, "cp1252"] if _OTHER_SCRIPT.match(detected) or "cp1252" not in declared else ["cp1252"]
    return [*chosen, *guessed]


def _best(data: bytes, candidates: list[str]) -> str:
    """The first decoding with a tolerable number of faults (replacement and C1 control characters), else the best."""
    tolerable = len(_HIGH.findall(data)) * TOLERATED
    texts = [data.decode(codec, "replace") for codec in candidates if not codec.startswith("utf-16")]
    faults = [len(_FAULT.findall(text)) for text in texts]
    first = next((i for i, count in enumerate(faults) if count <= tolerable), None)
    return texts[faults.index(min(faults)) if first is None else first]

"""Bytes of a page to text.

Which character set is believed, in this order:

1. a byte order mark;
2. UTF-16, where every other byte is often NUL and stands beside Latin text, as in markup: whatever is declared;
   ISO-2022, which is ASCII with escapes, where it is declared and has them, or is well-formed Japanese;
   UTF-8, if the bytes are valid UTF-8: text in another charset is so by chance only;
3. UTF-8 with faults, if ``MOSTLY`` well-formed multi-byte characters stand against each malformed byte (on 2,000 real
   pages: 15 and more where it is UTF-8, 1 and less where not);
4. the first of these that decodes with at most ``TOLERATED`` faults a non-ASCII byte, else the one with the fewest: the
   transport's charset, the page's own (``<meta>`` in its first 4 KiB), the detected one. windows-1252 is declared
   unasked by servers and editors, and fits nearly any bytes: declared, it comes after any other declared charset, and
   after a detected one of another script.

The WHATWG standard lets the transport overrule all but the byte order mark. Of 2,000 real pages 43 are valid multi-byte
UTF-8 and declare something else. ``benchmarks/charset.py`` encodes news pages in Greek, Polish, Russian, Chinese and
English and Japanese texts in their old charsets, in UTF-8 and in UTF-16 without a mark, with right, wrong and missing
declarations. Recovered to the character:

- UTF-8 and UTF-16, whatever is declared: 100 %;
- an old charset, named rightly by the page, or by the transport and not otherwise by the page: 100 %;
- none declared, or UTF-8 wrongly: 97 %; windows-1252 wrongly: 84 % (Polish is read as declared).
"""

from __future__ import annotations

import codecs
import re

import numpy as np
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

MOSTLY = 4
TOLERATED = 0.05
META_SCAN = 4096
UTF_16_SCAN = 4096
UTF_16_NULS = 0.05
"""Least share of NULs in the first 4 KiB of UTF-16; pages in Chinese and Japanese have 0.11 and more."""
UTF_16_LEAST = 8
UTF_16_ASIDE = 0.2
"""Largest share of these NULs that may stand on the wrong side (the most frequent character of Chinese is U+4E00), or
beside what is no text of Latin-1."""

_META = re.compile(rb"""<meta\s[^>]{0,1000}?charset\s*=\s*["']?\s*([\w:.+-]{1,40})""", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--.*?(?:-->|$)", re.DOTALL)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_LATIN_1_TEXT = frozenset((*b"\t\n\r", *range(0x20, 0x7F), *range(0xA0, 0x100)))
_CP1253_ALPHA, _ISO8859_7_ALPHA = (
    re.compile(rb"(?<![\xb8-\xfe])%b(?=[\xb8-\xfe])" % one) for one in (b"\xa2", b"\xb6")
)

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
            return _without_nul(data[len(mark) :].decode(codec, "replace"))
    special = _utf_16(data) or _iso_2022(data, transport)
    if special:
        return _without_nul(data.decode(special, "replace"))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        faults = text.count("\ufffd")
        if _not_ascii(text) - faults < MOSTLY * faults:
            text = _best(data, _candidates(data, _declared(data, transport)))
    return _without_nul(text) if b"\0" in data else text


def scrub(text: str) -> str:
    """``text`` without NUL, and with U+FFFD in place of each lone surrogate, so that it can be written as UTF-8."""
    text = _without_nul(text)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text


def _without_nul(text: str) -> str:
    return text.replace("\0", "")


def _declared(data: bytes, transport: str | None) -> list[str]:
    return [codec for label in (transport, meta_charset(data)) if (codec := codec_of(label))]


def _utf_16(data: bytes) -> str | None:
    """UTF-16 with its byte order, where the first 4 KiB show it: see ``UTF_16_NULS``."""
    sample = data[:UTF_16_SCAN]
    nuls = sample.count(0)
    if nuls < UTF_16_LEAST or nuls < UTF_16_NULS * len(sample):
        return None
    for codec, high, low in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        beside = sum(byte == 0 and other in _LATIN_1_TEXT for byte, other in zip(high, low, strict=False))
        if nuls - beside <= UTF_16_ASIDE * nuls:
            return codec
    return None


def _iso_2022(data: bytes, transport: str | None) -> str | None:
    """ISO-2022 where it is declared and has its escapes; undeclared, the Japanese one where all is well-formed."""
    if b"\x1b" not in data:
        return None
    named = next((codec for codec in _declared(data, transport) if codec.startswith("iso2022")), None)
    if named is None and b"\x1b$" in data and data.isascii():
        try:
            data.decode("iso2022_jp")
        except UnicodeDecodeError:
            return None
        return "iso2022_jp"
    return named


def _detected(data: bytes) -> str:
    """The charset that is detected; of the two of Greek, the one that has an Ά where a word begins with it."""
    codec = codec_of(detect_encoding(data)) or "cp1252"
    if codec in ("cp1253", "iso8859-7"):
        windows, iso = len(_CP1253_ALPHA.findall(data)), len(_ISO8859_7_ALPHA.findall(data))
        codec = codec if windows == iso else "cp1253" if windows > iso else "iso8859-7"
    return codec


def _candidates(data: bytes, declared: list[str]) -> list[str]:
    detected = _detected(data)
    chosen = [codec for codec in declared if codec != "cp1252"]
    guessed = [detected, "cp1252"] if _OTHER_SCRIPT.match(detected) or "cp1252" not in declared else ["cp1252"]
    return [*chosen, *guessed]


def _best(data: bytes, candidates: list[str]) -> str:
    """The first decoding with a tolerable number of faults (replacement and C1 control characters), else the best."""
    tolerable = int(np.count_nonzero(np.frombuffer(data, np.uint8) >= 0x80)) * TOLERATED
    texts = [data.decode(codec, "replace") for codec in candidates if not codec.startswith("utf-16")]
    faults = [_faults(text) for text in texts]
    first = next((i for i, count in enumerate(faults) if count <= tolerable), None)
    return texts[faults.index(min(faults)) if first is None else first]


def _faults(text: str) -> int:
    """How many replacement and C1 control characters there are."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return int(np.count_nonzero((codes - 0x80 <= 0x1F) | (codes == 0xFFFD)))


def _not_ascii(text: str) -> int:
    """How many characters are not ASCII: the first bytes of their UTF-8."""
    return int(np.count_nonzero(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8) >= 0xC0))

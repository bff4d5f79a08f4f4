"""Decodes the bytes of a page to text.

The character set is chosen in this order:

1. a byte order mark;
2. whatever is declared: UTF-16, if every other byte is often NUL next to Latin text, as in markup;
   ISO-2022, which is ASCII with escape sequences, if it is declared and has them, or if it is well-formed Japanese;
   UTF-8, if the bytes are valid UTF-8, which text in another charset is only by chance;
3. UTF-8 with errors, if there are at least ``MIN_VALID_PER_ERROR`` well-formed multi-byte characters for each malformed
   byte (on 2,000 real pages: 15 or more in UTF-8 pages, 1 or less in others);
4. the first of these that decodes with at most ``MAX_ERROR_RATE`` errors per non-ASCII byte, or else the one with the
   fewest: the transport's charset, the page's own (``<meta>`` in its first 4 KiB), the detected one. Servers and
   editors declare windows-1252 by default, and it fits nearly any bytes; so it comes after any other declared charset,
   and after a detected charset of another script.

The WHATWG standard lets the transport override all but the byte order mark. Of 2,000 real pages 43 are valid multi-byte
UTF-8 and declare something else. ``benchmarks/quality/charset.py`` encodes news pages in Greek, Polish, Russian,
Chinese and English and Japanese texts in their legacy charsets, in UTF-8 and in UTF-16 without a mark, with correct,
wrong and missing declarations. Shares of pages recovered to the character:

- UTF-8 and UTF-16, whatever is declared: 100 %;
- a legacy charset, declared correctly by the page, or by the transport if the page does not contradict it: 100 %;
- none declared, or UTF-8 wrongly: 97 %; windows-1252 wrongly: 84 % (Polish is read as declared).
"""

from __future__ import annotations

import codecs
import re

import numpy as np
from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

MIN_VALID_PER_ERROR = 4
MAX_ERROR_RATE = 0.05
META_SCAN = 4096
UTF_16_SCAN = 4096
UTF_16_MIN_NUL_SHARE = 0.05
"""Minimum share of NULs in the first 4 KiB of UTF-16; pages in Chinese and Japanese have 0.11 and more."""
UTF_16_MIN_NULS = 8
UTF_16_MAX_MISPLACED = 0.2
"""Maximum share of these NULs in the wrong byte of a pair (the most frequent character of Chinese is U+4E00), or next
to a byte that is not Latin-1 text."""

_META = re.compile(rb"""<meta\s[^>]{0,1000}?charset\s*=\s*["']?\s*([\w:.+-]{1,40})""", re.IGNORECASE)
_COMMENT = re.compile(rb"<!--(?:-?>|.*?(?:--!?>|\Z))", re.DOTALL)
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_LATIN_1_TEXT = frozenset((*b"\t\n\r", *range(0x20, 0x7F), *range(0xA0, 0x100)))
_CP1253_ALPHA, _ISO8859_7_ALPHA = (
    re.compile(rb"(?<![\xb8-\xfe])%b(?=[\xb8-\xfe])" % letter) for letter in (b"\xa2", b"\xb6")
)

# Supersets that the WHATWG encoding standard uses for these labels.
CHARSET_SUPERSETS = {
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "euc_kr": "cp949",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "iso8859-11": "cp874",
}


_OTHER_SCRIPT = re.compile("cp125[1356]|cp87[48]|cp9|koi8|gb|big5|euc|iso2022|iso8859[-_][5678]|mac-cyr")


def codec_of(label: str | None) -> str | None:
    """Python's codec for a charset label of the WHATWG encoding standard; None for any other label."""
    if not label or not label.isascii():
        return None
    name = map_encoding_to_html5(label.strip().lower(), False)
    return CHARSET_SUPERSETS.get(name, name) if name else None


def meta_charset(html: bytes) -> str | None:
    """The charset label in a ``<meta>`` tag in a page's first 4 KiB, outside comments."""
    match = _META.search(_COMMENT.sub(b"", html[:META_SCAN]))
    return match[1].decode("ascii", "ignore") if match else None


def decode(data: bytes, transport: str | None = None) -> str:
    """Decodes ``data`` by the rules of this module; removes NUL and lone surrogates. Never raises."""
    for mark, codec in _MARKS:
        if data.startswith(mark):
            return _without_nul(data[len(mark) :].decode(codec, "replace"))
    special = utf_16_codec(data) or _iso_2022(data, transport)
    if special:
        return _without_nul(data.decode(special, "replace"))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = data.decode("utf-8", "replace")
        errors = text.count("\ufffd")
        if _count_non_ascii(text) - errors < MIN_VALID_PER_ERROR * errors:
            text = _best(data, _candidates(data, _declared(data, transport)))
    return _without_nul(text) if b"\0" in data else text


def remove_unencodable(text: str) -> str:
    """``text`` without NUL and with each lone surrogate replaced by U+FFFD, so that it can be encoded as UTF-8."""
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


def utf_16_codec(data: bytes) -> str | None:
    """The UTF-16 codec, if the first 4 KiB are UTF-16 without a byte order mark: see ``UTF_16_MIN_NUL_SHARE``."""
    sample = data[:UTF_16_SCAN]
    nuls = sample.count(0)
    if nuls < UTF_16_MIN_NULS or nuls < UTF_16_MIN_NUL_SHARE * len(sample):
        return None
    for codec, high, low in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        next_to_text = sum(byte == 0 and other in _LATIN_1_TEXT for byte, other in zip(high, low, strict=False))
        if nuls - next_to_text <= UTF_16_MAX_MISPLACED * nuls:
            return codec
    return None


def _iso_2022(data: bytes, transport: str | None) -> str | None:
    """A declared ISO-2022 codec if there are escape sequences; undeclared, the Japanese one if all is well-formed."""
    if b"\x1b" not in data:
        return None
    declared = next((codec for codec in _declared(data, transport) if codec.startswith("iso2022")), None)
    if declared is None and b"\x1b$" in data and data.isascii():
        try:
            data.decode("iso2022_jp")
        except UnicodeDecodeError:
            return None
        return "iso2022_jp"
    return declared


def _detected(data: bytes) -> str:
    """The detected charset; of the two Greek ones, the one in which more words begin with Ά."""
    codec = codec_of(detect_encoding(data)) or "cp1252"
    if codec in ("cp1253", "iso8859-7"):
        windows, iso = len(_CP1253_ALPHA.findall(data)), len(_ISO8859_7_ALPHA.findall(data))
        codec = codec if windows == iso else "cp1253" if windows > iso else "iso8859-7"
    return codec


def _candidates(data: bytes, declared: list[str]) -> list[str]:
    detected = _detected(data)
    trusted = [codec for codec in declared if codec != "cp1252"]
    fallbacks = [detected, "cp1252"] if _OTHER_SCRIPT.match(detected) or "cp1252" not in declared else ["cp1252"]
    return [*trusted, *fallbacks]


def _best(data: bytes, candidates: list[str]) -> str:
    """The first decoding with few enough errors (replacement and C1 control characters), or else the best one."""
    max_errors = int(np.count_nonzero(np.frombuffer(data, np.uint8) >= 0x80)) * MAX_ERROR_RATE
    texts = [data.decode(codec, "replace") for codec in candidates if not codec.startswith("utf-16")]
    errors = [_count_errors(text) for text in texts]
    first = next((i for i, count in enumerate(errors) if count <= max_errors), None)
    return texts[errors.index(min(errors)) if first is None else first]


def _count_errors(text: str) -> int:
    """The number of replacement and C1 control characters."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    return int(np.count_nonzero((codes - 0x80 <= 0x1F) | (codes == 0xFFFD)))


def _count_non_ascii(text: str) -> int:
    """The number of non-ASCII characters, by the first bytes of their UTF-8."""
    return int(np.count_nonzero(np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8) >= 0xC0))

"""What a payload is, by its first bytes, whatever its headers say (after the WHATWG MIME sniffing standard).

Servers label all kinds of files text/html, and archives hold pages without a Content-Type.
"""

from __future__ import annotations

import codecs
import re

from gristmill.extraction.charset_decoding import utf_16_codec

SNIFFED_BYTES = 2048
"""The beginning of a payload by which its type is judged."""

MAX_CONTROL_SHARE = 0.02
"""Maximum share of control characters in text; in compressed data it is 0.1."""

UNKNOWN_BINARY = "application/octet-stream"

SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, rb"\s{0,64}%PDF-\d", "application/pdf"),
    (0, rb"%!PS-Adobe-", "application/postscript"),
    (0, rb"\{\\rtf1?", "application/rtf"),
    (0, rb"d\d+:(?:announce|created by|comment)", "application/x-bittorrent"),
    (0, rb"\x89PNG\r\n\x1a\n", "image/png"),
    (0, rb"GIF8[79]a", "image/gif"),
    (0, rb"\xff\xd8\xff", "image/jpeg"),
    (0, rb"RIFF....WEBP", "image/webp"),
    (0, rb"BM....\0\0\0\0", "image/bmp"),
    (0, rb"II\*\0|MM\0\*", "image/tiff"),
    (0, rb"\0\0[\x01\x02]\0[^\0]\0", "image/x-icon"),
    (0, rb"8BPS\0[\x01\x02]", "image/vnd.adobe.photoshop"),
    (0, rb"AT&TFORM....DJV", "image/vnd.djvu"),
    (0, rb"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, rb"\0\0\0\x0cJXL \r\n\x87\n|\xff\x0a[^\s<]", "image/jxl"),
    (4, rb"ftyp(?:avif|avis)", "image/avif"),
    (4, rb"ftyp(?:heic|heix|mif1|msf1)", "image/heic"),
    (4, rb"ftypM4[AB] ", "audio/mp4"),
    (4, rb"ftypqt  |moov|mdat[^<]", "video/quicktime"),
    (4, rb"ftyp", "video/mp4"),
    (0, rb"\x1aE\xdf\xa3", "video/webm"),
    (0, rb"FLV\x01", "video/x-flv"),
    (0, rb"RIFF....AVI ", "video/x-msvideo"),
    (0, rb"\0\0\x01[\xb3\xba]", "video/mpeg"),
    (0, rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "video/x-ms-asf"),
    (0, rb"OggS\0", "application/ogg"),
    (0, rb"fLaC\0", "audio/flac"),
    (0, rb"ID3[\x02-\x04]|\xff[\xfb\xf3\xf2\xfa][\x10-\xef]", "audio/mpeg"),
    (0, rb"RIFF....WAVE", "audio/wav"),
    (0, rb"FORM....AIF[FC]", "audio/aiff"),
    (0, rb"MThd\0\0\0\x06", "audio/midi"),
    (0, rb"[FCZ]WS[\x01-\x40]", "application/x-shockwave-flash"),
    (0, rb"wOFF(?:\0\x01\0\0|OTTO|true)", "font/woff"),
    (0, rb"wOF2(?:\0\x01\0\0|OTTO|true)", "font/woff2"),
    (0, rb"\0\x01\0\0\0[\x04-\x40]", "font/ttf"),
    (0, rb"OTTO\0", "font/otf"),
    (0, rb"ttcf\0", "font/collection"),
    (8, rb"[\x01\x02]\0\x02\0.{22}LP", "application/vnd.ms-fontobject"),
    (0, rb"PK\x03\x04.{26}mimetypeapplication/epub\+zip", "application/epub+zip"),
    (0, rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis\.opendocument", "application/vnd.oasis.opendocument"),
    (0, rb"PK\x03\x04.*?(?<!\w)word/", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (0, rb"PK\x03\x04.*?(?<!\w)xl/", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    (0, rb"PK\x03\x04.*?(?<!\w)ppt/", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    (0, rb"PK\x03\x04.*?META-INF/MANIFEST\.MF", "application/java-archive"),
    (0, rb"PK(?:\x03\x04|\x05\x06|\x07\x08)", "application/zip"),
    (0, rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, rb"\x1f\x8b\x08", "application/gzip"),
    (0, rb"\x28\xb5\x2f\xfd", "application/zstd"),
    (0, rb"\xfd7zXZ\0", "application/x-xz"),
    (0, rb"BZh[1-9]1AY&SY", "application/x-bzip2"),
    (0, rb"\x04\x22\x4d\x18", "application/x-lz4"),
    (0, rb"\x1f[\x9d\xa0]", "application/x-compress"),
    (0, rb"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, rb"Rar!\x1a\x07", "application/vnd.rar"),
    (0, rb"MSCF\0\0\0\0", "application/vnd.ms-cab-compressed"),
    (257, rb"ustar[\0 ]", "application/x-tar"),
    (0, rb"!<arch>\ndebian", "application/vnd.debian.binary-package"),
    (0, rb"\xed\xab\xee\xdb", "application/x-rpm"),
    (0, rb"\0asm[\x01-\x0f]\0", "application/wasm"),
    (0, rb"\xca\xfe\xba\xbe", "application/java-vm"),
    (0, rb"\x7fELF", "application/x-elf"),
    (0, rb"MZ.[\0-\x01]", "application/vnd.microsoft.portable-executable"),
    (0, rb"[\xfe\xcf\xce]\xfa\xed\xfe|\xfe\xed\xfa[\xce\xcf]", "application/x-mach-binary"),
    (0, rb"SQLite format 3\0", "application/vnd.sqlite3"),
    (0, rb"PAR1[\0-\x1f\x80-\xff]", "application/vnd.apache.parquet"),
)
"""Offset, pattern and type of binary formats; the first match counts."""

_PATTERNS = tuple((offset, re.compile(pattern, re.DOTALL), kind) for offset, pattern, kind in SIGNATURES)

_WITHOUT_CONTROLS = frozenset(
    {"application/pdf", "application/postscript", "application/rtf", "application/x-bittorrent"}
)
"""Formats that may begin with a long text. All others have control characters, and a text may begin like them."""

_CONTROLS = bytes(byte for byte in range(0x20) if byte not in b"\0\t\n\f\r\x0e\x0f\x1b")
"""Control characters that no charset uses: ISO-2022 has escape, shift in and shift out."""

_UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

_PROLOG = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?(?:\s+|<!--.*?--!?>|<\?.*?>)*", re.DOTALL)
_PAGE = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|title|meta|link|base|script|noscript|style|iframe|frameset|h[1-6]|div|span|p|a"
    rb"|b|i|br|hr|img|center|font|table|tr|td|ul|ol|li|dl|pre|form|article|section|main|header|footer|nav)(?=[\s/>])"
    rb"|<!--",
    re.IGNORECASE,
)
_FEED = re.compile(rb"<(rss|feed)[\s>]")
_XML = re.compile(rb"<(?:!doctype\s+)?([a-z][\w.-]*(?::[a-z][\w.-]*)?)", re.IGNORECASE)

XML_TYPES = {
    "rss": "application/rss+xml",
    "feed": "application/atom+xml",
    "rdf:rdf": "application/rdf+xml",
    "svg": "image/svg+xml",
    "opml": "text/x-opml",
    "urlset": "application/xml",
    "sitemapindex": "application/xml",
}
"""The media types of XML documents that are no pages, by their root element."""


def begins_like_page(body: bytes) -> bool:
    """Return whether the first tag is one of HTML; comments and an XML declaration may precede it."""
    head = body[:SNIFFED_BYTES].replace(b"\0", b"")  # UTF-16
    prolog = _PROLOG.match(head)
    return _PAGE.match(head, prolog.end() if prolog else 0) is not None


def binary_type(body: bytes) -> str | None:
    """Return the media type of a binary format; ``UNKNOWN_BINARY`` if it is none of these; None for text."""
    head = body[:SNIFFED_BYTES]
    if begins_like_page(head):
        return None
    has_controls = len(head.translate(None, _CONTROLS + b"\0")) < len(head)
    for offset, pattern, kind in _PATTERNS:
        if (has_controls or kind in _WITHOUT_CONTROLS) and pattern.match(head, offset):
            return kind
    if not is_binary(head) or head.startswith(_UTF_16_MARKS) or utf_16_codec(head):
        return None
    return UNKNOWN_BINARY


def is_binary(body: bytes) -> bool:
    """Return whether a payload has more control characters than text in a charset of single bytes or in UTF-8."""
    head = body[:SNIFFED_BYTES]
    controls = len(head) - len(head.translate(None, _CONTROLS + b"\0"))
    return controls > MAX_CONTROL_SHARE * len(head)


def feed_or_image_type(body: bytes) -> str | None:
    """Return the media type of a feed, a sitemap or an SVG image; None for anything else.

    A page may begin with an ``<svg>`` element; it is an image only behind an XML declaration or a document type.
    """
    head = body[:SNIFFED_BYTES].replace(b"\0", b"")
    prolog = _PROLOG.match(head)
    start = prolog.end() if prolog else 0
    is_xml = b"<?xml" in head[:start] or head[start : start + 9].lower() == b"<!doctype"
    match = (_XML if is_xml else _FEED).match(head, start)
    return XML_TYPES.get(match[1].decode().lower()) if match else None

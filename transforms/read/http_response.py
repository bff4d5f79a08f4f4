"""HTTP responses as archived: status, media type, and body without transfer and content encodings.

Archives often hold bodies that were decoded already but whose headers still declare the encoding. So a body that cannot
be decoded is used as it is if it evidently is text.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from fastwarc.stream_io import BrotliReader, ZstdReader

from gristmill.transforms.read.content_stream import EMPTY_LINE
from gristmill.transforms.read.warc_records import Headers, parse_fields

_STATUS = re.compile(rb"HTTP/\d+(?:\.\d+)?[ \t]+(\d{3})(?!\d)", re.IGNORECASE)
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';,]+)""", re.IGNORECASE)
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)


class BadContentEncodingError(ValueError):
    """The body neither has its declared Content-Encoding nor is text."""


class HttpResponse(NamedTuple):
    """A response; ``status`` is None if there is no status line, and ``body`` is as stored."""

    status: int | None
    headers: Headers
    body: bytes


def parse_response(block: bytes) -> HttpResponse:
    """Split an ``application/http`` block into status, headers and body."""
    match = _STATUS.match(block)
    if match is None:
        return HttpResponse(None, {}, block)
    first = block.find(b"\n") + 1 or len(block)
    empty = EMPTY_LINE.search(block, first - 1)
    head, body = (block[first:], b"") if empty is None else (block[first : empty.start() + 1], block[empty.end() :])
    return HttpResponse(int(match[1]), parse_fields(head), body)


def media_type(content_type: str, body: bytes) -> str:
    """Return the lower-case type without parameters; if none is declared, text/html if the body begins like a page."""
    declared = re.split("[;,]", content_type, maxsplit=1)[0].strip().lower()
    return declared or ("text/html" if _HTML.match(body[:1024]) else "")


def charset(content_type: str) -> str | None:
    """Return the charset parameter of a Content-Type, as declared."""
    match = _CHARSET.search(content_type)
    return match[1] if match else None


def decode_body(response: HttpResponse, limit: int) -> bytes:
    """Return the body without its encodings, cut off after ``limit + 1`` bytes. Raises BadContentEncodingError.

    No encoding is decoded to more than that, and a body that was cut off is not decoded further: it is too large.
    """
    body = response.body
    if "chunked" in response.headers.get("transfer-encoding", "").lower():
        body = _dechunk(body)
    for encoding in reversed(response.headers.get("content-encoding", "").lower().split(",")):
        decode = _DECODERS.get(encoding.strip())
        if decode is not None and body:
            body = _decode_or_keep(decode, encoding.strip(), body, limit + 1)
            if len(body) > limit:
                break
    return body


def _dechunk(body: bytes) -> bytes:
    """Join the chunks; from the first invalid chunk on, the body is used as it is (RFC 9112, section 7.1)."""
    parts: list[bytes] = []
    position = 0
    while match := _CHUNK.match(body, position):
        size = int(match[1], 16)
        if not size:
            return b"".join(parts)
        parts.append(body[match.end() : match.end() + size])
        position = match.end() + size
        if body.startswith(b"\r\n", position):
            position += 2
        elif body.startswith(b"\n", position):
            position += 1
    return b"".join((*parts, body[position:]))


def _decode_or_keep(decode: Callable[[bytes, int], bytes], encoding: str, body: bytes, limit: int) -> bytes:
    try:
        return decode(body, limit)
    except (OSError, zlib.error, ValueError):
        pass
    try:
        if "\0" not in body.decode():
            return body
    except UnicodeDecodeError:
        pass
    if _HTML.match(body[:1024]):
        return body
    raise BadContentEncodingError(f"the body is not {encoding}")


def _stream_decoder(reader: Callable[[io.BytesIO], Any]) -> Callable[[bytes, int], bytes]:
    def decode(body: bytes, limit: int) -> bytes:
        source = reader(io.BytesIO(body))
        parts: list[bytes] = []
        while limit > 0 and (part := source.read(min(limit, 2**20))):
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)

    return decode


def _gunzip(body: bytes, limit: int) -> bytes:
    """Decompress all members (RFC 1952, section 2.2); other bytes behind them are ignored."""
    data = b""
    while len(data) < limit and (not data or body.startswith(b"\x1f\x8b")):
        decoder = zlib.decompressobj(31)
        data += decoder.decompress(body, limit - len(data))
        if not data or not decoder.eof:
            break
        body = decoder.unused_data
    return data


def _undeflate(body: bytes, limit: int) -> bytes:
    """Decompress ``deflate``: zlib by RFC 9110, section 8.4.1.2, but raw DEFLATE from some servers."""
    try:
        return _inflate(zlib.decompressobj(15), body, limit)
    except zlib.error:
        return _inflate(zlib.decompressobj(-15), body, limit)


def _inflate(decoder: Any, body: bytes, limit: int) -> bytes:
    data: bytes = decoder.decompress(body, limit)
    return data


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _undeflate,
    "br": _stream_decoder(BrotliReader),
    "zstd": _stream_decoder(ZstdReader),
}

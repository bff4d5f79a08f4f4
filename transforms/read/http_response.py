"""An HTTP response as archived: its status, its media type, and its body without transfer and content encodings.

Archives often hold bodies that were decoded already under headers that still announce the encoding, so a body is
decoded where it can be and taken as it is where it evidently is text.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

from fastwarc.stream_io import BrotliReader, ZstdReader

from gristmill.transforms.read.content_stream import EMPTY_LINE
from gristmill.transforms.read.warc_records import Headers, fields

_STATUS = re.compile(rb"HTTP/\d+(?:\.\d+)?[ \t]+(\d{3})(?!\d)", re.IGNORECASE)
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?\r?\n")
_CHARSET = re.compile(r"""charset\s*=\s*["']?\s*([^\s"';,]+)""", re.IGNORECASE)
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)


class BadContentEncodingError(ValueError):
    """The body is not what its Content-Encoding says, nor text."""


class Response(NamedTuple):
    """``status`` is None where there is no status line; ``body`` is as stored."""

    status: int | None
    headers: Headers
    body: bytes


def parse_response(block: bytes) -> Response:
    """Status line, header and the rest of an ``application/http`` block."""
    match = _STATUS.match(block)
    if match is None:
        return Response(None, {}, block)
    first = block.find(b"\n") + 1 or len(block)
    empty = EMPTY_LINE.search(block, first - 1)
    head, body = (block[first:], b"") if empty is None else (block[first : empty.start() + 1], block[empty.end() :])
    return Response(int(match[1]), fields(head), body)


def media_type(content_type: str, body: bytes) -> str:
    """Lower-case type without parameters; of an undeclared body, text/html where it begins like a page."""
    declared = re.split("[;,]", content_type, maxsplit=1)[0].strip().lower()
    return declared or ("text/html" if _HTML.match(body[:1024]) else "")


def charset(content_type: str) -> str | None:
    """The charset parameter of a Content-Type, as declared."""
    match = _CHARSET.search(content_type)
    return match[1] if match else None


def decode_body(response: Response, limit: int) -> bytes:
    """The body without its encodings, cut off behind ``limit + 1`` bytes. Raises BadContentEncodingError.

    No encoding gives more than that, and what was cut off is not decoded further: it is too large already.
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
    """The chunks put together; from the first wrong one on, the body as it is (RFC 9112, section 7.1)."""
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


def _reader(reader: Callable[[io.BytesIO], Any]) -> Callable[[bytes, int], bytes]:
    def decode(body: bytes, limit: int) -> bytes:
        source = reader(io.BytesIO(body))
        parts: list[bytes] = []
        while limit > 0 and (part := source.read(min(limit, 2**20))):
            parts.append(part)
            limit -= len(part)
        return b"".join(parts)

    return decode


def _gunzip(body: bytes, limit: int) -> bytes:
    """All members, as RFC 1952 has it (section 2.2); what follows them and is none is left out."""
    data = b""
    while len(data) < limit and (not data or body.startswith(b"\x1f\x8b")):
        decoder = zlib.decompressobj(31)
        data += decoder.decompress(body, limit - len(data))
        if not data or not decoder.eof:
            break
        body = decoder.unused_data
    return data


def _undeflate(body: bytes, limit: int) -> bytes:
    """``deflate`` is zlib by RFC 9110, section 8.4.1.2, and raw DEFLATE by some servers."""
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
    "br": _reader(BrotliReader),
    "zstd": _reader(ZstdReader),
}

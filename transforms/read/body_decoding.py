"""Removes transfer and content encodings from bodies: what is declared says less than the bytes.

Archives hold bodies that were decoded already although their headers still declare the encoding, and bodies still
encoded whose headers have lost it; some servers compress twice and declare it once. So every layer that can be
recognised by its bytes (chunks, gzip, zstd, bzip2, xz) is removed, declared or not. Brotli and DEFLATE have no
signature: they are removed if they are declared, or if a page comes out.
"""

from __future__ import annotations

import bz2
import codecs
import io
import lzma
import re
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import zstandard
from fastwarc.stream_io import BrotliReader

from gristmill.transforms.read.payload_types import (
    SNIFFED_BYTES,
    UNKNOWN_BINARY,
    begins_like_page,
    binary_type,
    is_binary,
)
from gristmill.transforms.read.warc_records import MAX_HEAD_BYTES

MAX_UNDECLARED_LAYERS = 4
"""Layers that are removed beyond those declared."""

MAX_DECLARED_LAYERS = 8
"""Declared layers that are removed, the outermost ones. Of longer lists, most entries are not true."""

_XZ_MEMORY = 2**27
"""Bytes of memory that a body in xz may ask for: enough for every preset of xz but the largest dictionaries."""

_MIN_TEXT = 256
"""Bytes without control characters that are text in some charset; in fewer, compressed data may have none by chance."""

_MAX_MEMBERS = 2**14
"""Members of a body that are decompressed; of more, none is, since each takes time even if it is empty."""

_FIRST_STEP = 2**10
_STEP = 2**20
_ERRORS = (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstandard.ZstdError)
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?(\r?\n)")
_LINE_END = re.compile(rb"\r?\n")
_START_OF_CHUNK = re.compile(rb"(?:[ \t]*[0-9A-Fa-f]{1,15}[ \t]*)?\r?")
_TRAILERS = re.compile(rb"(?:[!-9;-~]+:[^\r\n]*\r?\n)*\s*\Z")


_Magic: TypeAlias = bytes | tuple[bytes, ...]


class BadContentEncodingError(ValueError):
    """The body neither has its declared encoding, or is damaged in it, nor is text."""


class _Decoded(NamedTuple):
    """Data, at least one byte unless it is complete; ``complete`` if the encoded data had its end."""

    data: bytes
    complete: bool


def decode_layers(body: bytes, declared: list[str], limit: int) -> bytes:
    """Return the body without its encodings, cut off after ``limit + 1`` bytes. Raises BadContentEncodingError.

    No encoding is decoded to more than that, and a body that was cut off is not decoded further: it is too large.
    Of a truncated body, what can be decoded is returned.

    Args:
        body: The body as stored.
        declared: The encodings in the order in which they were applied.
        limit: Maximum size in bytes.
    """
    unrecognised = ""
    for encoding in (*reversed(declared[-MAX_DECLARED_LAYERS:]), *("",) * MAX_UNDECLARED_LAYERS):
        decoded = _without_chunks(body, encoding == "chunked")
        if decoded is None:
            decoded = _decompress(body, encoding, limit + 1)
        if decoded is not None:
            body = decoded
        elif encoding:
            unrecognised = unrecognised or encoding * (encoding in _ENCODINGS)
        else:
            break
        if len(body) > limit:
            return body
    if unrecognised and not _may_be_used(body):
        raise BadContentEncodingError(f"the body is not {unrecognised}")
    return body


def _decompress(body: bytes, encoding: str, limit: int) -> bytes | None:
    """Return the body without its outermost compression; None if it has none that can be recognised."""
    for name, magic, decode in _WITH_MAGIC:
        if body.startswith(magic):
            try:
                return decode(body, limit).data
            except _ERRORS:
                raise BadContentEncodingError(f"the body begins like {name} but cannot be decoded") from None
    if not body or _is_text(body):
        return None
    for name, decode in _WITHOUT_MAGIC:
        is_declared = name == encoding
        try:
            data, complete = decode(body, limit if is_declared else SNIFFED_BYTES)
            if begins_like_page(data) or (is_declared and (complete or _is_text(data))):
                return data if is_declared else decode(body, limit).data
        except _ERRORS:
            pass
    return None


def _may_be_used(body: bytes) -> bool:
    """Return whether a body that does not have its declared encoding is text or a binary format with a name."""
    if not body or _is_text(body) or binary_type(body) not in (None, UNKNOWN_BINARY):
        return True
    try:
        return "\0" not in body.decode()
    except UnicodeDecodeError:
        return False


def _is_text(body: bytes) -> bool:
    """Return whether the first bytes cannot be compressed data."""
    head = body[:SNIFFED_BYTES]
    if begins_like_page(head):
        return True
    if is_binary(head):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return len(head) >= _MIN_TEXT
    return True


def _without_chunks(body: bytes, declared: bool) -> bytes | None:
    """Join the chunks of a chunked body (RFC 9112, section 7.1); return None for a body that has none.

    A text may begin with a number. If chunks are declared, the first one must be framed correctly, and from the first
    invalid chunk on, the body is used as it is. If not, all of them must be, and there must be a last chunk, or the
    body is cut off and its content begins like a page or like compressed data.
    """
    first = _CHUNK.match(body)
    if first is None:
        return None
    is_crlf = len(first[2]) == 2
    parts, rest, ended, is_framed = _read_chunks(body)
    content = b"".join(parts)
    is_cut = not ended and _START_OF_CHUNK.fullmatch(rest) is not None
    has_end = ended and len(rest) <= MAX_HEAD_BYTES and _TRAILERS.match(rest) is not None
    if declared:
        is_chunked = has_end or (bool(parts) and (ended or (is_crlf and (is_cut or is_framed))))
        return content if is_chunked and (ended or is_cut) else content + rest if is_chunked else None
    begins_well = begins_like_page(content) or any(content.startswith(magic) for _, magic, _ in _WITH_MAGIC)
    return content if is_crlf and parts and (has_end or (is_cut and begins_well)) else None


def _read_chunks(body: bytes) -> tuple[list[bytes], bytes, bool, bool]:
    """Return the chunks, what is behind them, whether the last chunk was there, and whether the first was framed."""
    parts: list[bytes] = []
    position = 0
    is_framed = False
    while match := _CHUNK.match(body, position):
        size = int(match[1], 16)
        if not size:
            return parts, body[match.end() :], True, is_framed
        parts.append(body[match.end() : match.end() + size])
        position = match.end() + size
        line_end = _LINE_END.match(body, position)
        if line_end is None:
            break
        is_framed = True
        position = line_end.end()
    return parts, body[position:], False, is_framed


def _decompress_members(new_decoder: Callable[[], Any], magic: _Magic, body: bytes, limit: int) -> _Decoded:
    """Decompress all members (RFC 1952, section 2.2); other bytes behind them are ignored."""
    parts: list[bytes] = []
    size = position = members = 0
    complete = False
    while size < limit and (not complete or body.startswith(magic, position)):
        members += 1
        if members > _MAX_MEMBERS:
            raise ValueError
        decoder, step = new_decoder(), _FIRST_STEP
        while not decoder.eof and size < limit and (data := body[position : position + step]):
            parts.append(decoder.decompress(data, limit - size))
            size += len(parts[-1])
            position += len(data) - len(decoder.unused_data)
            step = min(2 * step, _STEP)
        complete = decoder.eof
        if not complete:
            break
    if not size and not complete:
        raise EOFError
    return _Decoded(b"".join(parts), complete)


def _inflate(wbits: int, body: bytes, limit: int) -> _Decoded:
    decoder = zlib.decompressobj(wbits)
    data = decoder.decompress(body, limit)
    if not data and not decoder.eof:
        raise EOFError
    return _Decoded(data, (decoder.eof and not decoder.unused_data) or len(data) == limit)


def _decompress_zstd(body: bytes, limit: int) -> _Decoded:
    reader = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body), read_across_frames=True)
    parts: list[bytes] = []
    while limit > 0 and (part := reader.read(min(limit, _STEP))):
        parts.append(part)
        limit -= len(part)
    if not parts:
        raise EOFError
    return _Decoded(b"".join(parts), True)


def _decompress_brotli(body: bytes, limit: int) -> _Decoded:
    """Decompress as far as possible: byte by byte where data ends early, since the reader drops what it holds there."""
    sizes: list[int] = []
    reader = BrotliReader(io.BytesIO(body))
    parts: list[bytes] = []
    try:
        while limit > 0 and (part := reader.read(min(limit, 2**16))):
            parts.append(part)
            sizes.append(len(part))
            limit -= len(part)
        return _Decoded(b"".join(parts), True)
    except OSError:
        pass
    reader = BrotliReader(io.BytesIO(body))
    parts = [reader.read(size) for size in sizes]
    try:
        while limit > 0 and (part := reader.read(1)):
            parts.append(part)
            limit -= 1
    except OSError:
        if not parts:
            raise
    return _Decoded(b"".join(parts), False)


_Decoder = Callable[[bytes, int], _Decoded]
_GZIP, _ZSTD, _XZ = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ\0"
_BZIP2 = tuple(b"BZh%d1AY&SY" % level for level in range(1, 10))
_WITH_MAGIC: tuple[tuple[str, _Magic, _Decoder], ...] = (
    ("gzip", _GZIP, partial(_decompress_members, partial(zlib.decompressobj, 31), _GZIP)),
    ("zstd", _ZSTD, _decompress_zstd),
    ("xz", _XZ, partial(_decompress_members, partial(lzma.LZMADecompressor, lzma.FORMAT_XZ, _XZ_MEMORY), _XZ)),
    ("bzip2", _BZIP2, partial(_decompress_members, bz2.BZ2Decompressor, _BZIP2)),
)
_WITHOUT_MAGIC: tuple[tuple[str, _Decoder], ...] = (
    ("deflate", partial(_inflate, 15)),
    ("br", _decompress_brotli),
    ("deflate", partial(_inflate, -15)),
)
_ENCODINGS = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd"})

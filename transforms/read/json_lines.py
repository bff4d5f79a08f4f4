"""JSON Lines: one record a line, plain or compressed."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from typing import Any

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.archive_reader import Span
from gristmill.transforms.read.content_stream import Content, dropping
from gristmill.transforms.read.member_codecs import Chunks, End, codec_of, members, plain_chunks
from gristmill.transforms.read.parquet_rows import row_of
from gristmill.transforms.read.source_section import Fields
from gristmill.transforms.read.stored_file import Stored

_BOM = b"\xef\xbb\xbf"


def read_lines(
    stored: Stored, source: str, file: str, fields: Fields, max_bytes: int
) -> Generator[Raw | Dropped | Failed, None, Span]:
    """Lines in order; offset and length are those of the decompressed line. Covers the stored file.

    Failures: bad_json, missing_text; truncated or corrupt for what follows damaged compression.
    """
    codec = codec_of(stored, file, lambda head: head.lstrip(_BOM)[:1] in (b"{", b"["))

    def reopen(position: int) -> Chunks:
        if codec is None:
            return plain_chunks(stored, position)
        return dropping(members(codec, stored, 0, lambda offset: True), position)

    content = Content(reopen)
    spanned = 0
    for offset, length, line in _lines(content, max_bytes):
        if content.end is not None and content.end.damage and not (line or b"").endswith(b"\n"):
            break
        spanned += length
        origin = Origin(source, file, offset, length)
        if line is None:
            yield Dropped(origin, "too_large", detail=str(length))
        elif line.strip():
            yield _record(origin, line, fields)
    end = content.end or End(0)
    gap = Origin(source, file, spanned, content.size - spanned)
    if end.damage:
        detail = f"stored bytes from {end.offset} up to {stored.size} cannot be decompressed"
        yield Failed(gap, end.damage, detail)
        spanned = content.size
    elif end.offset < stored.size:
        yield Failed(gap, "garbage", f"stored bytes from {end.offset} up to {stored.size} are not compressed")
    return Span(stored.size if spanned == content.size else 0, stored.size)


def _lines(content: Content, max_bytes: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Offset, length and bytes of each line; None for one that is longer than ``max_bytes``."""
    while not content.at_end():
        content.release()
        offset = content.position
        line: bytes | None = content.line(max_bytes + 1)
        if line is not None and len(line) > max_bytes and not line.endswith(b"\n"):
            line = None
            while (rest := content.line(2**16)) and not rest.endswith(b"\n"):
                content.release()
        content.peek(1)
        yield offset, content.position - offset, line


def _record(origin: Origin, line: bytes, fields: Fields) -> Raw | Dropped | Failed:
    try:
        record: Any = json.loads(line.decode("utf-8-sig" if origin.offset == 0 else "utf-8"))
    except (ValueError, RecursionError) as error:
        return Failed(origin, "bad_json", str(error))
    if not isinstance(record, dict):
        return Failed(origin, "bad_json", "not an object")
    return row_of(origin, record, fields)

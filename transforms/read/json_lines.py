"""The format ``jsonl``: one JSON object per line, plain or compressed."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.content_stream import ContentStream, drop_prefix
from gristmill.transforms.read.member_codecs import Chunks, MemberEnd, detect_codec, plain_chunks, read_members
from gristmill.transforms.read.row_items import item_from_row
from gristmill.transforms.read.source_format import Coverage, Items, SourceFormat
from gristmill.transforms.read.source_unit import SourceUnit
from gristmill.transforms.read.stored_file import StoredFile, open_planned
from gristmill.transforms.read.unit_division import one_unit_per_file

if TYPE_CHECKING:
    from gristmill.transforms.read.source_section import SourceSection

_BOM = b"\xef\xbb\xbf"


def read_json_lines(unit: SourceUnit, source: SourceSection, max_bytes: int) -> Items:
    """Yield the lines of a file in order. Coverage is in stored bytes.

    The offset and length of an item are those of its line in the decompressed file. Failures: bad_json, missing_text;
    truncated or corrupt for everything after damaged compression.
    """
    (file,) = unit.files
    with open_planned(source.root, file) as opened:
        stored = StoredFile(opened, file.size)
        content = _content(stored, file.path)
        spanned = 0
        for offset, length, line in _lines(content, max_bytes):
            if content.end is not None and content.end.damage and not (line or b"").endswith(b"\n"):
                break
            spanned += length
            origin = Origin(unit.source, file.path, offset, length)
            if line is None:
                yield Dropped(origin, "too_large", detail=str(length))
            elif line.strip():
                yield _item_from_line(origin, line, source)
        end = content.end or MemberEnd(0)
        gap = Origin(unit.source, file.path, spanned, content.size - spanned)
        if end.damage:
            yield Failed(gap, end.damage, end.describe_damage(stored.size))
            spanned = content.size
        elif end.offset < stored.size:
            yield Failed(gap, "garbage", f"stored bytes from {end.offset} up to {stored.size} are not compressed")
        return Coverage(stored.size if spanned == content.size else 0, stored.size)


def read_rows(unit: SourceUnit, source: SourceSection, max_bytes: int) -> Generator[dict[str, Any] | None, None, None]:
    """Yield the object on each line of a file in order; None for a line that holds none."""
    (file,) = unit.files
    with open_planned(source.root, file) as opened:
        for offset, _, line in _lines(_content(StoredFile(opened, file.size), file.path), max_bytes):
            row = None
            with suppress(ValueError, RecursionError):
                row = _parse(offset, line or b"")
            yield row if isinstance(row, dict) else None


def _content(stored: StoredFile, path: str) -> ContentStream:
    codec = detect_codec(stored, path, lambda head: head.lstrip(_BOM)[:1] in (b"{", b"["))

    def reopen(position: int) -> Chunks:
        if codec is None:
            return plain_chunks(stored, position)
        return drop_prefix(read_members(codec, stored, 0, lambda offset: True), position)

    return ContentStream(reopen)


def _lines(content: ContentStream, max_bytes: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Yield the offset, length and bytes of each line; None instead of more than ``max_bytes`` bytes.

    Blank lines behind a blank line count as one with it.
    """
    while not content.at_end():
        content.release()
        offset = content.position
        line: bytes | None = content.line(max_bytes + 1)
        if line is not None and len(line) > max_bytes and not line.endswith(b"\n"):
            line = None
            while (rest := content.line(2**16)) and not rest.endswith(b"\n"):
                content.release()
        elif line is not None and not line.strip():
            content.skip_blank_lines()
        content.peek(1)
        yield offset, content.position - offset, line


def _parse(offset: int, line: bytes) -> Any:
    return json.loads(line.decode("utf-8-sig" if offset == 0 else "utf-8"))


def _item_from_line(origin: Origin, line: bytes, source: SourceSection) -> Raw | Dropped | Failed:
    try:
        record = _parse(origin.offset, line)
    except (ValueError, RecursionError) as error:
        return Failed(origin, "bad_json", str(error))
    if not isinstance(record, dict):
        return Failed(origin, "bad_json", "not an object")
    return item_from_row(origin, record, source)


JSONL = SourceFormat(
    name="jsonl",
    description="one JSON object per line: plain, gzip, zstd, xz or bzip2",
    plan=one_unit_per_file,
    read=read_json_lines,
    keys=frozenset({"fields", "keep_columns"}),
    core_megabytes_per_second=0.5,
)

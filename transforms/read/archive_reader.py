"""Reads a range of a WARC or ARC file, compressed or not, such that every stored byte is accounted for.

The stored file is a sequence of *runs*. A run is a gzip member (or zstd or LZ4 frame) and the members behind it that
continue its last record. In a file compressed record by record, each run is one record; a file compressed as a whole is
one run, or a few. Garbage between runs and damage in a run extend to the next member that begins a record. Each of them
is a gap, and every gap is a failure with a name. A member without content is padding, as line ends between records are:
its bytes are covered, and it is no record.

A range of a file consists of the runs between two *boundaries*. The payload of a record may itself hold an archive,
whose members are stored verbatim because they cannot be compressed again, and those look like members of this file. But
they end where a block of the enclosing compression ends. So a boundary is a member that begins a record and is followed
by an unbroken sequence of members that is longer than any verbatim block can be. An uncompressed archive has no
boundaries except its ends: an archive in a payload may have any length and may lead to the next record just as true
records do, and only reading from the beginning can tell them apart.

The offset and length of a record are those of its run, if it is the only record there. The offset of one of several
records in a run is the run's offset plus the record's offset in the run's decompressed bytes: for a file compressed as
a whole, that is the offset in the decompressed file.
"""

from __future__ import annotations

from collections.abc import Iterator

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Failed
from gristmill.transforms.read.content_stream import ContentStream, drop_prefix
from gristmill.transforms.read.dates import normalise_date
from gristmill.transforms.read.member_codecs import Chunks, Codec, MemberEnd, detect_codec, plain_chunks, read_members
from gristmill.transforms.read.page_selection import select_page
from gristmill.transforms.read.source_format import Coverage, Items
from gristmill.transforms.read.stored_file import StoredFile, StoredPrefix
from gristmill.transforms.read.warc_records import MAX_HEAD_BYTES, Entry, begins_record, read_entries

_PEEK_BYTES = 256
_SCAN_BYTES = 2**16
_MAX_CHECKED_BYTES = 2**24


def read_archive(stored: StoredFile, source: str, file: str, start: int, end: int, max_bytes: int) -> Items:
    """Yield the records of the runs that begin in ``[start, end)``. Raises OSError if storage fails, and nothing else.

    Args:
        stored: The file.
        source: Name of the source, for the origins of the records.
        file: Path of the file below the source's root, likewise.
        start: First byte of the range. 0 is always a boundary.
        end: End of the range.
        max_bytes: Maximum size of a payload; a larger one is dropped.
    """
    codec = detect_codec(stored, file, begins_record)
    first, stop = find_boundary(stored, codec, start), find_boundary(stored, codec, end)
    covered, position = 0, first
    while position < stop:
        if codec is not None and not codec.begins_at(stored, position):
            after = _next_record(stored, codec, position + 1)
            gap = Origin(source, file, position, after - position)
            yield Failed(gap, "garbage", "no compressed member begins here")
            covered += after - position
        else:
            run = _Run(stored, codec, position)
            for entry, offset, length in run.locate_entries(max_bytes + MAX_HEAD_BYTES):
                yield select_page(entry, _origin(source, file, entry, offset, length), max_bytes)
            after = run.after
            covered += after - position if run.spanned == run.content.size else 0
        position = after
    return Coverage(covered, stop - first)


def find_boundary(stored: StoredFile, codec: Codec | None, offset: int, before: int | None = None) -> int:
    """Return the first boundary at or behind ``offset`` and before ``before``, else the end of the file.

    0 is a boundary.
    """
    if offset <= 0:
        return 0
    while codec is not None and (start := _next_record(stored, codec, offset, before)) < stored.size:
        break_offset = _first_break(stored, codec, start)
        if break_offset is None:
            return start
        offset = max(break_offset, start + 1)
    return stored.size


def is_splittable(stored: StoredFile, file: str, before: int) -> bool:
    """Return whether a file has a boundary in its first ``before`` bytes, and so can be read in ranges."""
    codec = detect_codec(stored, file, begins_record)
    return find_boundary(stored, codec, 1, before) < stored.size


def _next_record(stored: StoredFile, codec: Codec | None, offset: int, before: int | None = None) -> int:
    """Return the first member from ``offset`` on and before ``before`` that begins a record, else the file's end."""
    before = stored.size if before is None else before
    while codec is not None and offset < before:
        window = stored.read_at(offset, _SCAN_BYTES)
        candidates = [index for magic in codec.magics if (index := window.find(magic)) >= 0]
        if not candidates:
            offset += max(1, len(window) - 5)
        elif offset + min(candidates) >= before:
            break
        elif _member_begins_record(stored, codec, offset + min(candidates)):
            return offset + min(candidates)
        else:
            offset += min(candidates) + 1
    return stored.size


def _first_break(stored: StoredFile, codec: Codec, offset: int) -> int | None:
    """Return where the sequence of intact members from ``offset`` breaks.

    Returns None if the sequence is longer than ``codec.max_verbatim`` or reaches the end of the file. Checks at most
    ``_MAX_CHECKED_BYTES`` of a member: a break at the end of a block shows before that.
    """
    position = offset
    while position - offset <= codec.max_verbatim and position < stored.size:
        if not codec.begins_at(stored, position):
            return position
        checked_end = position + _MAX_CHECKED_BYTES
        end, is_intact = codec.check_member(StoredPrefix(stored, checked_end), position)
        if end.damage and is_intact and checked_end < stored.size:
            return None
        if end.damage:
            return position
        position = end.offset
    return None


def _member_begins_record(stored: StoredFile, codec: Codec, offset: int) -> bool:
    head = b""
    if codec.head_bytes:
        stored = StoredPrefix(stored, offset + codec.head_bytes)
    for chunk in codec.read_member(stored, offset, _PEEK_BYTES):
        head = (head + chunk).lstrip(b"\r\n")
        if b"\n" in head or len(head) > MAX_HEAD_BYTES:
            break
    return begins_record(head)


class _Run:
    """The run that begins at ``offset``.

    Attributes:
        content: The run's decompressed bytes.
        after: Where the next run or gap begins, once all entries have been read.
        spanned: Decompressed bytes that the entries span, once all have been read.
    """

    def __init__(self, stored: StoredFile, codec: Codec | None, offset: int) -> None:
        self._stored, self._codec, self._offset = stored, codec, offset
        self._last_member = offset
        self.content = ContentStream(self._chunks)
        self.after = stored.size
        self.spanned = 0

    def locate_entries(self, max_block_bytes: int) -> Iterator[tuple[Entry, int, int]]:
        """Yield the entries with the offset and length of each. All that damage affects is one entry, the last one.

        In a corrupt run, a record counts as read if another record begins behind it.
        """
        pending: list[Entry] = []
        for entry in read_entries(self.content, max_block_bytes):
            self.spanned += entry.end - entry.start
            if entry.fault == "padding":
                continue
            if entry.fault != "garbage":
                yield from self._locate(pending)
                pending.clear()
            pending.append(entry)
        end = self.content.end or MemberEnd(self._stored.size)
        self.after = _next_record(self._stored, self._codec, end.offset + 1) if end.damage else end.offset
        if end.damage:
            pending = [self._lost_entry(pending, end)]
        yield from self._locate(pending)

    def _locate(self, pending: list[Entry]) -> Iterator[tuple[Entry, int, int]]:
        for entry in pending:
            is_whole_run = (
                self._codec is not None and entry.start == 0 and entry.end == self.content.size and self.content.end
            )
            length = self.after - self._offset if is_whole_run else entry.end - entry.start
            yield entry, self._offset + entry.start, length

    def _lost_entry(self, pending: list[Entry], end: MemberEnd) -> Entry:
        """Return one entry for the unreliable end of a damaged run."""
        start, headers = (pending[0].start, pending[0].headers) if pending else (self.content.size, {})
        cause = end.damage if self.after == self._stored.size else "corrupt"
        return Entry(start, self.content.size, headers, fault=cause, detail=end.describe_damage(self.after))

    def _chunks(self, position: int) -> Chunks:
        if self._codec is None:
            return plain_chunks(self._stored, self._offset + position)
        return drop_prefix(read_members(self._codec, self._stored, self._offset, self._continues), position)

    def _continues(self, offset: int) -> bool:
        """Return whether the member at ``offset`` belongs to the run, also when the content is read again."""
        assert self._codec is not None
        if (
            offset > self._last_member
            and self.content.inside_record
            and not _member_begins_record(self._stored, self._codec, offset)
        ):
            self._last_member = offset
        return offset <= self._last_member


def _origin(source: str, file: str, entry: Entry, offset: int, length: int) -> Origin:
    headers = entry.headers
    return Origin(
        source,
        file,
        offset,
        length,
        headers.get("warc-record-id", "").strip("<> ") or None,
        headers.get("warc-target-uri", "").strip("<> ") or None,
        normalise_date(headers.get("warc-date", "")),
    )

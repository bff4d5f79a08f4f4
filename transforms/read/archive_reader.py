"""Reading a range of a WARC or ARC file, compressed or not, so that every stored byte is accounted for.

The stored file is walked in *runs*: a run is a gzip member (zstd or LZ4 frame), with those behind it into which its
last record goes on. In a file compressed record by record each run is one record; a file compressed as a whole is one
run, or a few. Between runs there may be garbage, a run may be damaged: either is a gap up to the next member that
begins a record, and a gap is a named failure.

A range of a file takes the runs between two *boundaries*: members that begin a record and lead on, member by member,
further than another archive's members could that lie in a record's payload, stored there as they are because they
cannot be compressed again. Such a payload looks like members that begin records, for as long as its block lasts. An
uncompressed archive has no boundaries but its ends: in a payload a whole archive may lie, of any length, that leads on
to the next record as true ones do, and nothing but the way from the beginning tells the one from the other.

Where does a record lie? One that is alone in its run, at the stored bytes of the run. One of several in a run at the
run's offset plus its place in the run's decompressed bytes: for a file compressed as a whole, its place in the
decompressed file.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.content_stream import Content, dropping
from gristmill.transforms.read.dates import normalise_date
from gristmill.transforms.read.member_codecs import Chunks, Codec, End, codec_of, members, plain_chunks
from gristmill.transforms.read.page_record import page
from gristmill.transforms.read.stored_file import Part, Stored
from gristmill.transforms.read.warc_records import MAX_HEAD, Entry, begins_record, entries

_PEEK = 256
_SCAN = 2**16
_FAR = 2**24


class Span(NamedTuple):
    """Bytes or rows that records and named gaps span, and those that were to be read."""

    covered: int
    expected: int


def read_archive(
    stored: Stored, source: str, file: str, start: int, end: int, max_bytes: int
) -> Generator[Raw | Dropped | Failed, None, Span]:
    """The records of the runs that begin in ``[start, end)``. Raises OSError where storage fails, and nothing else."""
    codec = codec_of(stored, file, begins_record)
    first, stop = boundary(stored, codec, start), boundary(stored, codec, end)
    covered, position = 0, first
    while position < stop:
        if codec is not None and not codec.at(stored, position):
            after = _next_record(stored, codec, position + 1)
            gap = Origin(source, file, position, after - position)
            yield Failed(gap, "garbage", "no compressed member begins here")
            covered += after - position
        else:
            run = _Run(stored, codec, position)
            for entry, offset, length in run.places(max_bytes + MAX_HEAD):
                yield page(entry, _origin(source, file, entry, offset, length), max_bytes)
            after = run.after
            covered += after - position if run.spanned == run.content.size else 0
        position = after
    return Span(covered, stop - first)


def boundary(stored: Stored, codec: Codec | None, offset: int, before: int | None = None) -> int:
    """The first boundary at or behind ``offset`` and before ``before``, else the file's end. 0 is a boundary."""
    if offset <= 0:
        return 0
    while codec is not None and (found := _next_record(stored, codec, offset, before)) < stored.size:
        broken = _broken(stored, codec, found)
        if broken is None:
            return found
        offset = max(broken, found + 1)
    return stored.size


def splittable(stored: Stored, file: str, before: int) -> bool:
    """Whether a file has a boundary in its first ``before`` bytes, and so may be read in ranges."""
    codec = codec_of(stored, file, begins_record)
    return boundary(stored, codec, 1, before) < stored.size


def _next_record(stored: Stored, codec: Codec | None, offset: int, before: int | None = None) -> int:
    """The first member at or behind ``offset`` that begins a record, and before ``before``; else the file's end."""
    before = stored.size if before is None else before
    while codec is not None and offset < before:
        window = stored.at(offset, _SCAN)
        found = [at for magic in codec.magics if (at := window.find(magic)) >= 0]
        if not found:
            offset += max(1, len(window) - 5)
        elif offset + min(found) >= before:
            break
        elif _member_begins_record(stored, codec, offset + min(found)):
            return offset + min(found)
        else:
            offset += min(found) + 1
    return stored.size


def _broken(stored: Stored, codec: Codec, offset: int) -> int | None:
    """Where the row of sound members from ``offset`` breaks; None where it goes on for longer than ``codec.verbatim``,
    or to the very end.

    No more than ``_FAR`` bytes of a member are looked at: what breaks at a block's edge has shown by then.
    """
    at = offset
    while at - offset <= codec.verbatim and at < stored.size:
        if not codec.at(stored, at):
            return at
        end, sound = codec.walk(Part(stored, at + _FAR), at)
        if end.damage and sound and at + _FAR < stored.size:
            return None
        if end.damage:
            return at
        at = end.offset
    return None


def _member_begins_record(stored: Stored, codec: Codec, offset: int) -> bool:
    head = b""
    for chunk in codec.member(stored, offset, _PEEK):
        head = (head + chunk).lstrip(b"\r\n")
        if b"\n" in head or len(head) > MAX_HEAD:
            break
    return begins_record(head)


class _Run:
    """A run that begins at ``offset``. ``after`` and ``spanned`` hold once ``places`` is through."""

    def __init__(self, stored: Stored, codec: Codec | None, offset: int) -> None:
        self._stored, self._codec, self._offset = stored, codec, offset
        self._last_member = offset
        self.content = Content(self._chunks)
        self.after = stored.size
        self.spanned = 0

    def places(self, hold: int) -> Iterator[tuple[Entry, int, int]]:
        """Entries with the offset and length of each. What damage hit is one entry, the last, with a fault.

        In a corrupt run a record counts as read when another one begins behind it.
        """
        pending: list[Entry] = []
        for entry in entries(self.content, hold):
            self.spanned += entry.end - entry.start
            if entry.fault == "padding":
                continue
            if entry.fault != "garbage":
                yield from self._placed(pending)
                pending.clear()
            pending.append(entry)
        end = self.content.end or End(self._stored.size)
        self.after = _next_record(self._stored, self._codec, end.offset + 1) if end.damage else end.offset
        if end.damage or not self.spanned:
            pending = [self._lost(pending, end)]
        yield from self._placed(pending)

    def _placed(self, pending: list[Entry]) -> Iterator[tuple[Entry, int, int]]:
        for entry in pending:
            alone = self._codec is not None and entry.start == 0 and entry.end == self.content.size and self.content.end
            length = self.after - self._offset if alone else entry.end - entry.start
            yield entry, self._offset + entry.start, length

    def _lost(self, pending: list[Entry], end: End) -> Entry:
        """One entry for what cannot be trusted at the end of a damaged run, or for a run without content."""
        start, headers = (pending[0].start, pending[0].headers) if pending else (self.content.size, {})
        cause = end.damage if self.after == self._stored.size else "corrupt"
        detail = f"stored bytes from {end.offset} up to {self.after} cannot be decompressed"
        if not end.damage:
            cause, detail = "garbage", "a compressed member without content"
        return Entry(start, self.content.size, headers, fault=cause, detail=detail)

    def _chunks(self, position: int) -> Chunks:
        if self._codec is None:
            return plain_chunks(self._stored, self._offset + position)
        return dropping(members(self._codec, self._stored, self._offset, self._goes_on), position)

    def _goes_on(self, offset: int) -> bool:
        """Whether the run takes in the member at ``offset``; again, when the content is read again."""
        assert self._codec is not None
        if (
            offset > self._last_member
            and self.content.wanted
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

"""Parses a stream of WARC or ARC bytes into records (ISO 28500; ARC 1.0 and 2.0, Burner and Kahle 1996).

Archives are broken in every possible way, so nothing here raises: consecutive entries span the whole content. Bytes
that are not a record become an entry with a fault, up to the next line that begins a record. A record whose declared
length cannot be right ends where the next record begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from gristmill.transforms.read.content_stream import ContentStream

Headers: TypeAlias = dict[str, str]
"""Header fields by lower-case name. Of a WARC field that repeats, the first one counts (the only one that may repeat,
``WARC-Concurrent-To``, is not used here); HTTP fields that repeat are joined."""

MAX_HEAD_BYTES = 2**16
"""Maximum length of a line, and of a record's head, in bytes."""

_WARC = re.compile(rb"WARC/\d+\.\d+[ \t\r]*\n", re.IGNORECASE)
_FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
_URL = rb"(?P<url>[A-Za-z][A-Za-z0-9+.-]*:\S.*?)"
_ARC_DATE = rb"(?P<date>\d{8,20})"
_ARC = tuple(
    re.compile(pattern + rb"[ \t\r]*\n")
    for pattern in (
        _URL + rb" (?P<ip>\S+) " + _ARC_DATE + rb" (?P<type>\S+) (?:\d{3}|-) \S+ \S+ (?:\d+|-) \S+ (?P<length>-?\w+)",
        _URL + rb" (?P<ip>\S+) " + _ARC_DATE + rb" (?P<type>\S+) (?P<length>-?\w+)",
        rb"(?P<url>filedesc:.*) (?P<length>-?\w+)",
    )
)
_ARC_STARTS = (
    (re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{0,63}:\S"), 9),
    (re.compile(rb"[A-Za-z][A-Za-z0-9+.-]{0,63}:\S"), 4),
    (re.compile(rb"filedesc:"), 1),
)
"""For each pattern of ``_ARC``: how its URL begins, and the number of fields behind the URL."""

_NEWLINES = b"\r\n"

_MAX_READ_AGAIN = 2**24
"""Bytes that may be read again because lengths are wrong, besides four times the content so far."""


class Entry(NamedTuple):
    """Bytes ``[start, end)`` of the content: a record, or bytes that could not be read as one.

    Attributes:
        start: Offset in the content.
        end: Offset behind the entry.
        headers: Header fields, as far as they could be read.
        block: The record's block, or its beginning if the block is longer than the limit.
        length: Length of the whole block.
        fault: Empty for a record, else garbage (no record), truncated, bad_header (no valid length) or padding (only
            line ends).
        detail: Explanation of the fault.
    """

    start: int
    end: int
    headers: Headers
    block: bytes = b""
    length: int = 0
    fault: str = ""
    detail: str = ""


class _Head(NamedTuple):
    headers: Headers
    length: int | None
    complete: bool


def begins_record(head: bytes) -> bool:
    """Return whether content with the first bytes ``head`` begins with a WARC or ARC record."""
    head = head.lstrip(_NEWLINES)
    return _WARC.match(head) is not None or any(pattern.match(head) for pattern in _ARC)


def read_entries(content: ContentStream, max_block_bytes: int) -> Iterator[Entry]:
    """Yield the content's entries in order; blocks are cut off after ``max_block_bytes``."""
    arc = False
    while True:
        content.inside_record = False
        content.release()
        start = content.position
        if not content.skip_newlines():
            if start < content.position:
                yield Entry(start, content.position, {}, fault="padding")
            return
        content.inside_record = True
        line = content.line(MAX_HEAD_BYTES)
        line_end = content.position
        arc = arc or (start == 0 and _arc_match(line) is not None)
        head = _warc_head(content) if _WARC.match(line) else _arc_head(line) if arc else None
        if head is None:
            content.inside_record = False
            content.rewind(line_end - len(line))
            _find_record(content, arc)
            yield Entry(start, content.position, {}, fault="garbage", detail="no record begins here")
        elif not head.complete:
            yield Entry(start, content.position, head.headers, fault="truncated", detail="the header ends early")
        elif head.length is None:
            content.inside_record = False
            _find_record(content, arc)
            yield Entry(start, content.position, head.headers, fault="bad_header", detail="no valid length")
        else:
            yield _read_record(content, start, head.headers, head.length, max_block_bytes, arc)


def _read_record(
    content: ContentStream, start: int, headers: Headers, length: int, max_block_bytes: int, arc: bool
) -> Entry:
    """Return the record whose block begins at the position, including the line ends behind it."""
    body = content.position
    if content.read_again > _MAX_READ_AGAIN + 4 * body:
        return _read_to_next_record(content, start, headers, length, max_block_bytes, arc)
    block = content.take(min(length, max_block_bytes))
    found = len(block) + content.skip(length - len(block))
    fault, detail = "", ""
    content.inside_record = False
    if found < length or not _record_may_end(content, arc):
        declared_end = content.position
        content.rewind(body)
        _find_record(content, arc, stop=declared_end)
        if content.position < declared_end:
            length = content.position - body
            block = block[:length]
        elif found < length:
            fault, detail = "truncated", _missing_bytes(found, length)
    content.skip_newlines()
    return Entry(start, content.position, headers, block, length, fault, detail)


def _read_to_next_record(
    content: ContentStream, start: int, headers: Headers, length: int, max_block_bytes: int, arc: bool
) -> Entry:
    """Return the record whose block begins at the position and ends where the next one begins, if not before.

    This reads once what is read again and again where the lengths of many records are wrong.
    """
    body = content.position
    content.inside_record = False
    block = _find_record(content, arc, stop=body + length, keep=min(length, max_block_bytes))
    found = content.position - body
    fault, detail = "", ""
    if found < length and content.at_end():
        fault, detail = "truncated", _missing_bytes(found, length)
    else:
        length = found
    content.skip_newlines()
    return Entry(start, content.position, headers, block, length, fault, detail)


def _missing_bytes(found: int, length: int) -> str:
    return f"{found} bytes of the {length} that the header announces"


def _record_may_end(content: ContentStream, arc: bool) -> bool:
    """Return whether what follows can follow a record."""
    following = content.peek(1)
    return not following or following in _NEWLINES or _record_at(content, arc)


def _record_at(content: ContentStream, arc: bool) -> bool:
    """Return whether a record begins at the position."""
    start = content.position
    line = content.line(MAX_HEAD_BYTES)
    begins = _WARC.match(line) is not None or (arc and _arc_match(line) is not None)
    content.rewind(start)
    return begins


def _find_record(content: ContentStream, arc: bool, stop: int | None = None, keep: int = 0) -> bytes:
    """Move to the next beginning of a record before ``stop``, else to ``stop`` or the end of the content.

    Returns the first ``keep`` bytes that are passed.
    """
    passed = bytearray()
    while stop is None or content.position < stop:
        content.release()
        start = content.position
        line = content.line(MAX_HEAD_BYTES)
        if not line:
            return bytes(passed[:keep])
        index = _arc_start(line) if arc else _warc_start(line)
        if index is not None and (stop is None or start + index < stop) and (arc or _FIELD.match(content.peek(256))):
            content.rewind(start + index)
            return bytes((passed + line[:index])[:keep])
        if len(passed) < keep:
            passed += line
    if stop is not None:
        content.rewind(stop)
    return bytes(passed[:keep])


def _warc_start(line: bytes) -> int | None:
    """Return where in a line a WARC record begins."""
    match = _WARC.search(line)
    return match.start() if match else None


def _arc_start(line: bytes) -> int | None:
    """Return where in a line the header line of an ARC record begins.

    The fields are counted from the end: a search that began at each of many URLs would take quadratic time.
    """
    fields = line.rstrip(b" \t\r\n")
    for pattern, (url_start, count) in zip(_ARC, _ARC_STARTS, strict=True):
        url, *rest = fields.rsplit(b" ", count)
        start = url_start.search(url) if len(rest) == count else None
        if start and pattern.match(line, start.start()):
            return start.start()
    return None


def _warc_head(content: ContentStream) -> _Head:
    """Read the fields up to the empty line. A line that begins with white space continues the previous one."""
    head = content.head(MAX_HEAD_BYTES)
    if head is not None:
        headers = parse_fields(head)
        return _Head(headers, _length(headers.get("content-length", "")), True)
    headers, name, size = {}, "", 0
    while line := content.line(MAX_HEAD_BYTES):
        size += len(line)
        if not line.strip(_NEWLINES):
            return _Head(headers, _length(headers.get("content-length", "")), True)
        if size > MAX_HEAD_BYTES:
            return _Head(headers, None, True)
        name = _add_field(headers, decode_header(line), name)
    return _Head(headers, None, False)


def parse_fields(head: bytes, join: bool = False) -> Headers:
    """Parse the fields in the lines of a head. If a name repeats, its values are joined, or the first counts."""
    headers: Headers = {}
    name = ""
    try:
        lines = head.decode().split("\n")
    except UnicodeDecodeError:
        lines = [decode_header(line) for line in head.split(b"\n")]
    for line in lines:
        name = _add_field(headers, line, name, join)
    return headers


def _add_field(headers: Headers, line: str, last: str, join: bool = False) -> str:
    """Add a line to ``headers``; ``last`` is the name in the previous line. Returns the name in this line."""
    if line[:1] in (" ", "\t") and last:
        headers[last] = f"{headers[last]} {line.strip()}"
        return last
    name, colon, value = line.partition(":")
    if not colon:
        return last
    key = name.strip().lower()
    if join and key in headers:
        headers[key] = f"{headers[key]}, {value.strip()}"
    else:
        headers.setdefault(key, value.strip())
    return key


def _arc_head(line: bytes) -> _Head | None:
    """Parse the header line of an ARC record into the fields that a WARC record would have."""
    match = _arc_match(line)
    if match is None:
        return None
    fields = {name: decode_header(value) for name, value in match.groupdict().items() if value is not None}
    url = fields["url"]
    headers = {
        "warc-type": "filedesc" if url.startswith("filedesc:") else "response",
        "warc-target-uri": url,
        "warc-date": fields.get("date", ""),
        "content-type": "application/http" if url.lower().startswith("http") else fields.get("type", ""),
        "arc-type": fields.get("type", ""),
    }
    return _Head(headers, _length(fields["length"]), True)


def _arc_match(line: bytes) -> re.Match[bytes] | None:
    return next((match for pattern in _ARC if (match := pattern.match(line))), None)


def _length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def decode_header(value: bytes) -> str:
    """Decode a header: as UTF-8, else as Latin-1; never to a lone surrogate."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")

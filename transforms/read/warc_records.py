"""The records in a stream of WARC or ARC bytes (ISO 28500; ARC 1.0 and 2.0, Burner and Kahle 1996).

Archives in the wild are broken in every way, so nothing here raises: consecutive entries span the whole content. Where
what should be a record is none, an entry with a fault spans it, and reading goes on at the next line that begins one.
A record whose declared length cannot be right ends where the next record begins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

from gristmill.transforms.read.content_stream import Content

Headers: TypeAlias = dict[str, str]
"""Header fields by lower-case name; of repeated ones the first."""

MAX_HEAD = 2**16
"""Longest line, and longest head of a record, in bytes."""

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
_NEWLINES = b"\r\n"


class Entry(NamedTuple):
    """Bytes ``[start, end)`` of the content: a record, or with a ``fault`` what could not be read as one.

    Faults: garbage (no record), truncated, bad_header (no valid length); padding is nothing but line ends.

    ``block`` is the record's block, or as much of its beginning as was to be held; ``length`` is that of all of it.
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
    """Whether content that begins with ``head`` begins with a WARC or ARC record."""
    head = head.lstrip(_NEWLINES)
    return _WARC.match(head) is not None or any(pattern.match(head) for pattern in _ARC)


def entries(content: Content, hold: int) -> Iterator[Entry]:
    """The content's entries in order; of a block longer than ``hold`` bytes only the first ``hold`` are kept."""
    arc = False
    while True:
        content.wanted = False
        content.release()
        start = content.position
        if not content.newlines():
            if start < content.position:
                yield Entry(start, content.position, {}, fault="padding")
            return
        content.wanted = True
        line = content.line(MAX_HEAD)
        at = content.position
        arc = arc or (start == 0 and _arc_match(line) is not None)
        head = _warc_head(content) if _WARC.match(line) else _arc_head(line) if arc else None
        if head is None:
            content.wanted = False
            content.rewind(at - len(line))
            _find_record(content, arc)
            yield Entry(start, content.position, {}, fault="garbage", detail="no record begins here")
        elif not head.complete:
            yield Entry(start, content.position, head.headers, fault="truncated", detail="the header ends early")
        elif head.length is None:
            content.wanted = False
            _find_record(content, arc)
            yield Entry(start, content.position, head.headers, fault="bad_header", detail="no valid length")
        else:
            yield _record(content, start, head.headers, head.length, hold, arc)


def _record(content: Content, start: int, headers: Headers, length: int, hold: int, arc: bool) -> Entry:
    """The record whose block begins here, up to and with the line ends behind it."""
    body = content.position
    block = content.take(min(length, hold))
    found = len(block) + content.skip(length - len(block))
    fault, detail = "", ""
    content.wanted = False
    if found < length or not _record_may_end(content, arc):
        declared_end = content.position
        content.rewind(body)
        _find_record(content, arc, stop=declared_end)
        if content.position < declared_end:
            length = content.position - body
            block = block[:length]
        elif found < length:
            fault, detail = "truncated", f"{found} bytes of the {length} that the header announces"
    content.newlines()
    return Entry(start, content.position, headers, block, length, fault, detail)


def _record_may_end(content: Content, arc: bool) -> bool:
    following = content.peek(1)
    return not following or following in _NEWLINES or _record_at(content, arc)


def _record_at(content: Content, arc: bool) -> bool:
    """Whether a record begins right here."""
    at = content.position
    line = content.line(MAX_HEAD)
    begins = _WARC.match(line) is not None or (arc and _arc_match(line) is not None)
    content.rewind(at)
    return begins


def _find_record(content: Content, arc: bool, stop: int | None = None) -> None:
    """Go to the next beginning of a record before ``stop``, else to ``stop`` or the content's end."""
    while stop is None or content.position < stop:
        content.release()
        at = content.position
        line = content.line(MAX_HEAD)
        if not line:
            return
        match = next((m for p in _ARC if (m := p.search(line))), None) if arc else _WARC.search(line)
        if match and (stop is None or at + match.start() < stop) and (arc or _FIELD.match(content.peek(256))):
            content.rewind(at + match.start())
            return
    if stop is not None:
        content.rewind(stop)


def _warc_head(content: Content) -> _Head:
    """The fields up to the empty line. A line that begins with white space goes on with the one before it."""
    head = content.head(MAX_HEAD)
    if head is not None:
        headers = fields(head)
        return _Head(headers, _length(headers.get("content-length", "")), True)
    headers, name, size = {}, "", 0
    while line := content.line(MAX_HEAD):
        size += len(line)
        if not line.strip(_NEWLINES):
            return _Head(headers, _length(headers.get("content-length", "")), True)
        if size > MAX_HEAD:
            return _Head(headers, None, True)
        name = _add_field(headers, decoded(line), name)
    return _Head(headers, None, False)


def fields(head: bytes) -> Headers:
    """The fields in the lines of a head."""
    headers: Headers = {}
    name = ""
    try:
        lines = head.decode().split("\n")
    except UnicodeDecodeError:
        lines = [decoded(line) for line in head.split(b"\n")]
    for line in lines:
        name = _add_field(headers, line, name)
    return headers


def _add_field(headers: Headers, line: str, last: str) -> str:
    """Add a line to ``headers``; ``last`` is the name before it, the result the name of this one."""
    if line[:1] in (" ", "\t") and last:
        headers[last] = f"{headers[last]} {line.strip()}"
        return last
    name, colon, value = line.partition(":")
    if not colon:
        return last
    key = name.strip().lower()
    headers.setdefault(key, value.strip())
    return key


def _arc_head(line: bytes) -> _Head | None:
    """An ARC record's line, told as the fields that a WARC record would have."""
    match = _arc_match(line)
    if match is None:
        return None
    fields = {name: decoded(value) for name, value in match.groupdict().items() if value is not None}
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


def decoded(value: bytes) -> str:
    """Text of a header: UTF-8, else Latin-1; never a lone surrogate."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")

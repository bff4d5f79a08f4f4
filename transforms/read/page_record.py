"""What becomes of an archive's record before anyone looks at its text: a page, dropped for a reason, or failed."""

from __future__ import annotations

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.http_response import (
    BadContentEncodingError,
    charset,
    decode_body,
    media_type,
    parse_response,
)
from gristmill.transforms.read.warc_records import Entry

MEDIA_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain"})
"""What text can be extracted from."""

_COUNTED = frozenset({"warcinfo", "request", "metadata", "revisit", "continuation", "filedesc"})
"""Types of records without a text of their own (ISO 28500, section 6; filedesc is ARC's), each counted by itself."""


def page(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    """Drop reasons in the order in which they are looked at: record_type, http_status, media_type, too_large, empty.

    A record's type stands behind the reason: ``record_type:request``, ``record_type:other`` for a type of nobody's.
    Failures: the entry's own fault, bad_http (no status line), bad_content_encoding.
    """
    if entry.fault:
        return Failed(origin, entry.fault, entry.detail)
    record_type = entry.headers.get("warc-type", "").lower()
    if record_type == "conversion":
        return _text(entry, origin, max_bytes)
    if record_type == "resource" or (record_type == "response" and not _is_http(entry)):
        return _resource(entry, origin, max_bytes)
    if record_type == "response":
        return _response(entry, origin, max_bytes)
    return Dropped(origin, f"record_type:{record_type if record_type in _COUNTED else 'other'}", detail=record_type)


def _is_http(entry: Entry) -> bool:
    declared = entry.headers.get("content-type", "").lower()
    return declared.startswith("application/http") or entry.block[:5].upper() == b"HTTP/"


def _text(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    """The text of a WET record: UTF-8 by its nature, faulty bytes replaced."""
    declared = media_type(entry.headers.get("content-type", ""), entry.block) or "text/plain"
    if declared != "text/plain":
        return Dropped(origin, "media_type", detail=declared)
    if entry.length > max_bytes:
        return Dropped(origin, "too_large", detail=str(entry.length))
    text = entry.block.decode("utf-8", "replace")
    return Raw(origin, declared, text) if text.strip() else Dropped(origin, "empty")


def _resource(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    declared = entry.headers.get("content-type", "")
    return _payload(origin, declared, entry.block, entry.length, max_bytes)


def _response(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    response = parse_response(entry.block)
    if response.status is None:
        return Failed(origin, "bad_http", "no HTTP status line")
    if response.status != 200:
        return Dropped(origin, "http_status", detail=str(response.status))
    declared = response.headers.get("content-type", "") or entry.headers.get("arc-type", "")
    stored = entry.length - len(entry.block) + len(response.body)
    if stored > max_bytes or _unwanted(declared):
        return _payload(origin, declared, response.body, stored, max_bytes)
    try:
        body = decode_body(response, max_bytes)
    except BadContentEncodingError as error:
        return Failed(origin, "bad_content_encoding", str(error))
    return _payload(origin, declared, body, len(body), max_bytes)


def _unwanted(content_type: str) -> bool:
    declared = media_type(content_type, b"")
    return bool(declared) and declared not in MEDIA_TYPES


def _payload(origin: Origin, content_type: str, body: bytes, length: int, max_bytes: int) -> Raw | Dropped:
    """``length`` is that of the whole body, of which ``body`` may be the beginning."""
    found = media_type(content_type, body)
    if found not in MEDIA_TYPES and (found or length):
        return Dropped(origin, "media_type", detail=found or "unknown")
    if not length:
        return Dropped(origin, "empty")
    if length > max_bytes:
        return Dropped(origin, "too_large", detail=str(length))
    return Raw(origin, found, body, charset(content_type))

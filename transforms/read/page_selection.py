"""Selects pages among an archive's records, by record type, HTTP status, media type and size."""

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
"""Media types from which text can be extracted."""

_TYPES_WITHOUT_TEXT = frozenset({"warcinfo", "request", "metadata", "revisit", "continuation", "filedesc"})
"""Types of records without text (ISO 28500, section 6; filedesc is ARC's), each with its own drop reason."""


def select_page(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    """Return the page in a record, or why there is none.

    Drop reasons in the order of the checks: record_type, http_status, media_type, too_large, empty. The first one has
    the type as a suffix: ``record_type:request``, or ``record_type:other`` for an unknown type. Failures: the entry's
    fault, bad_http (no status line), bad_content_encoding.
    """
    if entry.fault:
        return Failed(origin, entry.fault, entry.detail)
    record_type = entry.headers.get("warc-type", "").lower()
    if record_type == "conversion":
        return _select_text(entry, origin, max_bytes)
    if record_type == "resource" or (record_type == "response" and not _is_http(entry)):
        return _select_resource(entry, origin, max_bytes)
    if record_type == "response":
        return _select_response(entry, origin, max_bytes)
    return Dropped(
        origin, f"record_type:{record_type if record_type in _TYPES_WITHOUT_TEXT else 'other'}", detail=record_type
    )


def _is_http(entry: Entry) -> bool:
    declared = entry.headers.get("content-type", "").lower()
    return declared.startswith("application/http") or entry.block[:5].upper() == b"HTTP/"


def _select_text(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    """Return the text of a WET record, which is UTF-8; invalid bytes are replaced."""
    declared = media_type(entry.headers.get("content-type", ""), entry.block) or "text/plain"
    if declared != "text/plain":
        return Dropped(origin, "media_type", detail=declared)
    if entry.length > max_bytes:
        return Dropped(origin, "too_large", detail=str(entry.length))
    text = entry.block.decode("utf-8", "replace")
    return Raw(origin, declared, text) if text.strip() else Dropped(origin, "empty")


def _select_resource(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    declared = entry.headers.get("content-type", "")
    return _select_payload(origin, declared, entry.block, entry.length, max_bytes)


def _select_response(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    response = parse_response(entry.block)
    if response.status is None:
        return Failed(origin, "bad_http", "no HTTP status line")
    if response.status != 200:
        return Dropped(origin, "http_status", detail=str(response.status))
    declared = response.headers.get("content-type", "") or entry.headers.get("arc-type", "")
    stored = entry.length - len(entry.block) + len(response.body)
    if stored > max_bytes or _has_other_media_type(declared):
        return _select_payload(origin, declared, response.body, stored, max_bytes)
    try:
        body = decode_body(response, max_bytes)
    except BadContentEncodingError as error:
        return Failed(origin, "bad_content_encoding", str(error))
    return _select_payload(origin, declared, body, len(body), max_bytes)


def _has_other_media_type(content_type: str) -> bool:
    declared = media_type(content_type, b"")
    return bool(declared) and declared not in MEDIA_TYPES


def _select_payload(origin: Origin, content_type: str, body: bytes, length: int, max_bytes: int) -> Raw | Dropped:
    """Check a payload of ``length`` bytes, of which ``body`` may be only the beginning."""
    found = media_type(content_type, body)
    if found not in MEDIA_TYPES and (found or length):
        return Dropped(origin, "media_type", detail=found or "unknown")
    if not length:
        return Dropped(origin, "empty")
    if length > max_bytes:
        return Dropped(origin, "too_large", detail=str(length))
    return Raw(origin, found, body, charset(content_type))

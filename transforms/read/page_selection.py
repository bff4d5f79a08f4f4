"""Selects pages among an archive's records, by record type, HTTP status, media type, content and size."""

from __future__ import annotations

import re

from gristmill.corpus.document import Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.transforms.read.body_decoding import BadContentEncodingError
from gristmill.transforms.read.http_response import (
    HttpResponse,
    charset,
    decode_body,
    media_type,
    parse_response,
)
from gristmill.transforms.read.payload_types import begins_like_page, binary_type, feed_or_image_type
from gristmill.transforms.read.warc_records import Entry

MEDIA_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain"})
"""Media types from which text can be extracted."""

_TYPES_WITHOUT_TEXT = frozenset({"warcinfo", "request", "metadata", "revisit", "continuation", "filedesc"})
"""Types of records without text (ISO 28500, section 6; filedesc is ARC's), each with its own drop reason."""

_CRAWL_METADATA = re.compile(r"metadata:|urn:x-wpull:|[a-z][a-z0-9+.-]*:(?:[a-z][a-z0-9+.-]*:)?https?:", re.IGNORECASE)
"""Target URIs of records that a crawler wrote about its work: its arguments, logs and reports (wget, Heritrix,
NetarchiveSuite: ``metadata://``), and what Browsertrix and brozzler derive from a page whose response is archived as
well (``urn:text:https://…``, ``urn:pageinfo:…``, ``screenshot:…``)."""


def select_page(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    """Return the page in a record, or why there is none.

    Drop reasons in the order of the checks: record_type, http_status, media_type, binary, too_large, empty.
    record_type has the type as a suffix: ``record_type:request``, or ``record_type:other`` for an unknown type. A
    record that a crawler wrote about its work is ``record_type:metadata``, whatever its type. The suffix of binary is
    what a body is that was declared to be text, or was not declared: ``binary:application/pdf``. Failures: the entry's
    fault, bad_http (neither a status line nor a page), bad_content_encoding.
    """
    if entry.fault:
        return Failed(origin, entry.fault, entry.detail)
    record_type = entry.headers.get("warc-type", "").lower()
    if record_type in ("conversion", "resource", "response"):
        if (derived := _CRAWL_METADATA.match(origin.url or "")) is not None:
            return Dropped(origin, "record_type:metadata", detail=f"{record_type} {derived[0]}")
        if record_type == "response" and _is_http(entry):
            return _select_response(entry, origin, max_bytes)
        declared = entry.headers.get("content-type", "") or ("text/plain" if record_type == "conversion" else "")
        return select_body(origin, declared, HttpResponse(None, {}, entry.block), entry.length, max_bytes)
    return Dropped(
        origin, f"record_type:{record_type if record_type in _TYPES_WITHOUT_TEXT else 'other'}", detail=record_type
    )


def _is_http(entry: Entry) -> bool:
    declared = entry.headers.get("content-type", "").lower()
    return declared.startswith("application/http") or entry.block[:5].upper() == b"HTTP/"


def _select_response(entry: Entry, origin: Origin, max_bytes: int) -> Raw | Dropped | Failed:
    response = parse_response(entry.block)
    if response.status is None and not begins_like_page(response.body):  # a page without headers is HTTP/0.9
        return Failed(origin, "bad_http", "no HTTP status line")
    if response.status not in (200, None):
        return Dropped(origin, "http_status", detail=str(response.status))
    declared = response.headers.get("content-type", "") or entry.headers.get("arc-type", "")
    stored = entry.length - len(entry.block) + len(response.body)
    return select_body(origin, declared, response, stored, max_bytes)


def select_body(
    origin: Origin, content_type: str, response: HttpResponse, stored: int, max_bytes: int
) -> Raw | Dropped | Failed:
    """Return the page in the body of a response, or why there is none.

    Args:
        origin: Where the record is from.
        content_type: As declared.
        response: The response. Its body may be only the beginning of what is stored.
        stored: Length of the whole body as stored.
        max_bytes: Maximum length of a body, both as stored and decoded.
    """
    declared = media_type(content_type, b"")
    if declared and declared not in MEDIA_TYPES:
        return Dropped(origin, "media_type", detail=declared)
    body, length = response.body, stored
    if stored <= max_bytes:
        try:
            body = decode_body(response, max_bytes)
        except BadContentEncodingError as error:
            return Failed(origin, "bad_content_encoding", str(error))
        length = len(body)
        if kind := binary_type(body):
            return Dropped(origin, f"binary:{kind}", detail=kind)
    found = declared or media_type("", body)
    if found != "text/plain" and (kind := feed_or_image_type(body)):
        found = kind
    if found not in MEDIA_TYPES and (found or length):
        return Dropped(origin, "media_type", detail=found or "unknown")
    if length > max_bytes:
        return Dropped(origin, "too_large", detail=str(length))
    if not body or body.isspace():
        return Dropped(origin, "empty")
    return Raw(origin, found, body, charset(content_type))

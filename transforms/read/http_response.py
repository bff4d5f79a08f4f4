"""HTTP responses as archived: status, media type, charset, and body without transfer and content encodings.

Fields that are repeated are joined in their order, as RFC 9110 (section 5.3) allows: several encodings were applied one
after the other, and of several media types the last valid one counts, as in browsers (Fetch standard, "extract a MIME
type").
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gristmill.transforms.read.body_decoding import decode_layers
from gristmill.transforms.read.content_stream import EMPTY_LINE
from gristmill.transforms.read.payload_types import begins_like_page
from gristmill.transforms.read.warc_records import MAX_HEAD_BYTES, Headers, parse_fields

_STATUS = re.compile(rb"HTTP(?:/\d+(?:\.\d+)?)?[ \t]+(\d{3})(?!\d)", re.IGNORECASE)
_NEWLINES = re.compile(rb"[\r\n]*")
_CHARSET = re.compile(r"""charset\s*=\s*(?:["']\s*)?([^\s"';,]+)""", re.IGNORECASE)
_MEDIA_TYPE = re.compile(r"""(?:^|,)[\s"']*([\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+)((?:"[^"]*"|[^,])*)""", re.ASCII)
_UNKNOWN_TYPES = frozenset({"*/*", "unknown/unknown", "application/unknown"})


class HttpResponse(NamedTuple):
    """A response; ``status`` is None if there is no status line, and ``body`` is as stored."""

    status: int | None
    headers: Headers
    body: bytes


def parse_response(block: bytes) -> HttpResponse:
    """Split an ``application/http`` block into status, headers and body. Interim responses (1xx) are skipped.

    Of a head longer than ``MAX_HEAD_BYTES``, only the fields in its beginning count.
    """
    start = 0
    while True:
        found = _NEWLINES.match(block, start)
        start = found.end() if found else start
        match = _STATUS.match(block, start)
        if match is None:
            return HttpResponse(None, {}, block[start:])
        first = block.find(b"\n", start) + 1 or len(block)
        empty = EMPTY_LINE.search(block, first - 1)
        end, body = (len(block), len(block)) if empty is None else (empty.start() + 1, empty.end())
        if not (match[1].startswith(b"1") and _STATUS.match(block, body)):
            head = block[first : min(end, first + MAX_HEAD_BYTES)]
            return HttpResponse(int(match[1]), parse_fields(head, join=True), block[body:])
        start = body


def media_type(content_type: str, body: bytes) -> str:
    """Return the lower-case type without parameters; if none is declared, text/html if the body begins like a page."""
    declared, _ = _effective_type(content_type)
    return declared or ("text/html" if begins_like_page(body) else "")


def charset(content_type: str) -> str | None:
    """Return the charset that is declared for the type that counts."""
    return _effective_type(content_type)[1]


def _effective_type(content_type: str) -> tuple[str, str | None]:
    """Return the last valid type, and the charset that it or its equals before it declare."""
    kind, found = "", None
    for name, parameters in _MEDIA_TYPE.findall(content_type):
        if name.lower() in _UNKNOWN_TYPES:
            continue
        declared = _CHARSET.search(parameters)
        found = declared[1] if declared else found if name.lower() == kind else None
        kind = name.lower()
    return kind, found


def decode_body(response: HttpResponse, limit: int) -> bytes:
    """Return the body without its encodings, as ``decode_layers`` does."""
    fields = (response.headers.get(name, "") for name in ("content-encoding", "transfer-encoding"))
    declared = [encoding.strip() for field in fields for encoding in field.lower().split(",") if encoding.strip()]
    return decode_layers(response.body, declared, limit)

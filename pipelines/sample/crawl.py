"""Write HTTP exchanges as WARC 1.0 in Common Crawl's layout: warcinfo, then request, response and metadata of each.

Every record is a separate gzip member. Dates are those of the pages and ids are derived from the URLs, so the same
content gives the same bytes with the same zlib.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit
from uuid import NAMESPACE_URL, uuid5

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

AGENT = "gristmill-sample/1.0 (+https://crawler.example/)"
CHUNK = 1000
DAMAGE = bytes(64)
"""Overwrites the second half of a damaged gzip member: its WARC header is readable, its end is not."""


@dataclass(frozen=True)
class Exchange:
    """A response of a server, with its body as transferred. ``time`` is RFC 3339 in UTC."""

    url: str
    time: str
    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    charset: str
    damaged: bool = False


def write_crawl(path: Path, exchanges: Iterable[Exchange]) -> None:
    """Write ``exchanges`` to a WARC.gz."""
    with path.open("wb") as file:
        writer = WARCWriter(file, gzip=True, warc_version="1.0")
        _write_info(writer, path.name)
        for exchange in exchanges:
            _write_request(writer, exchange)
            file.write(_response(exchange))
            _write_metadata(writer, exchange)


def gzipped(body: bytes) -> bytes:
    """``body`` compressed by gzip, without a timestamp."""
    return gzip.compress(body, mtime=0)


def chunked(body: bytes) -> bytes:
    """The body in HTTP/1.1 chunks (RFC 9112, section 7.1)."""
    parts = [body[start : start + CHUNK] for start in range(0, len(body), CHUNK)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])


def _write_info(writer: WARCWriter, name: str) -> None:
    fields = {
        "software": AGENT,
        "format": "WARC File Format 1.0",
        "isPartOf": "GRISTMILL-SAMPLE-2026-03",
        "description": "A small invented web, bundled with Gristmill",
    }
    headers = {**_identity("warcinfo", name, "2026-01-01T00:00:00Z"), "WARC-Filename": name}
    _write(writer, "", "warcinfo", _fields(fields), headers, "application/warc-fields")


def _write_request(writer: WARCWriter, exchange: Exchange) -> None:
    place = urlsplit(exchange.url)
    target = (place.path or "/") + (f"?{place.query}" if place.query else "")
    headers = [("Host", place.netloc), ("User-Agent", AGENT), ("Accept-Encoding", "gzip")]
    http = StatusAndHeaders(f"GET {target} HTTP/1.1", headers, is_http_request=True)
    _write(writer, exchange.url, "request", b"", _identity("request", exchange.url, exchange.time), http=http)


def _response(exchange: Exchange) -> bytes:
    """The gzip member of the response, damaged if the exchange says so."""
    member = BytesIO()
    http = StatusAndHeaders(exchange.status, list(exchange.headers), protocol="HTTP/1.1")
    headers = {
        **_identity("response", exchange.url, exchange.time),
        "WARC-Concurrent-To": _record_id("request", exchange.url),
        "WARC-IP-Address": "192.0.2.80",
    }
    writer = WARCWriter(member, gzip=True, warc_version="1.0")
    _write(writer, exchange.url, "response", exchange.body, headers, http=http)
    data = bytearray(member.getvalue())
    if exchange.damaged:
        middle = len(data) // 2
        data[middle : middle + len(DAMAGE)] = DAMAGE
    return bytes(data)


def _write_metadata(writer: WARCWriter, exchange: Exchange) -> None:
    headers = {
        **_identity("metadata", exchange.url, exchange.time),
        "WARC-Concurrent-To": _record_id("response", exchange.url),
    }
    fields = _fields({"fetchTimeMs": str(len(exchange.body) // 100), "charset-detected": exchange.charset})
    _write(writer, exchange.url, "metadata", fields, headers, "application/warc-fields")


def _write(
    writer: WARCWriter,
    url: str,
    kind: str,
    payload: bytes,
    headers: dict[str, str],
    content_type: str = "",
    http: StatusAndHeaders | None = None,
) -> None:
    record = writer.create_warc_record(
        url, kind, BytesIO(payload), len(payload), content_type, headers, http_headers=http
    )
    writer.write_record(record)


def _record_id(kind: str, name: str) -> str:
    """The WARC-Record-ID of the record of ``kind`` for a URL (or a file name), derived from both."""
    return f"<urn:uuid:{uuid5(NAMESPACE_URL, f'{kind} {name}')}>"


def _identity(kind: str, name: str, time: str) -> dict[str, str]:
    return {"WARC-Record-ID": _record_id(kind, name), "WARC-Date": time}


def _fields(fields: dict[str, str]) -> bytes:
    return "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()

"""Archives: every record is read once and every stored byte is accounted for, whatever the damage."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import zstandard
from fastwarc.warc import ArchiveIterator as FastIterator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator as WarcioIterator
from warcio.exceptions import ArchiveLoadFailed
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter
from zlib_ng import zlib_ng

from gristmill.corpus.record import Dropped, Failed, Raw, UnitSummary
from gristmill.extraction.charset_decoding import decode
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit
from tests.transforms.read.packing import lz4

properties = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PAGE = b"<html><body>page</body></html>"


class Reading(NamedTuple):
    items: list[Raw | Dropped | Failed]
    ends: list[UnitSummary]

    def payloads(self) -> list[bytes | str]:
        return [item.payload for item in self.items if isinstance(item, Raw)]

    def failed(self) -> list[tuple[str, int, int]]:
        return [(i.cause, i.origin.offset, i.origin.length) for i in self.items if isinstance(i, Failed)]


def read(folder: Path, *names: str, unit_size: int = 2**28, max_bytes: int = 2**24, format: str = "warc") -> Reading:
    """Read all units of a source in the order of the stored file; the counts of each must balance."""
    source = SourceSection(name="s", format=format, root=str(folder), paths=names)
    items: list[Raw | Dropped | Failed] = []
    ends = []
    units = sorted(plan_units(source, unit_size), key=lambda unit: (unit.files, unit.start))
    for unit in units:
        *read_items, end = read_unit(unit, source, ReadLimits(max_bytes=max_bytes))
        assert isinstance(end, UnitSummary)
        assert end.records == len(read_items)
        assert end.covered == end.expected
        items += read_items
        ends.append(end)
    assert sum(end.expected for end in ends) == sum(file.size for file in {f for unit in units for f in unit.files})
    return Reading(items, ends)


def record(
    body: bytes, n: int = 0, head: bytes = b"Content-Type: text/html\r\n", kind: str = "response", **extra: str
) -> bytes:
    """Return an uncompressed WARC record as warcio writes it."""
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=False)
    http = None
    if kind == "response":
        lines = [tuple(line.split(": ", 1)) for line in head.decode("latin-1").splitlines()]
        http = StatusAndHeaders(extra.pop("status", "200 OK"), lines, protocol="HTTP/1.1")
    headers = {"WARC-Record-ID": f"<urn:uuid:{n}>", "WARC-Date": "2020-01-02T03:04:05Z"} | {
        name.replace("_", "-"): value for name, value in extra.items()
    }
    writer.write_record(
        writer.create_warc_record(
            f"http://x.example/{n}", kind, payload=io.BytesIO(body), http_headers=http, warc_headers_dict=headers
        )
    )
    return out.getvalue()


def member(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def write(folder: Path, data: bytes, name: str = "a.warc.gz") -> Reading:
    (folder / name).write_bytes(data)
    return read(folder, name)


bodies = st.lists(st.binary(max_size=300).map(lambda data: PAGE + data), min_size=1, max_size=12)


def records_of(contents: list[bytes]) -> list[bytes]:
    return [record(body, n) for n, body in enumerate(contents)]


# -- layouts ----------------------------------------------------------------------------------------------------------


LAYOUTS = {
    "plain": lambda records: b"".join(records),
    "member per record": lambda records: b"".join(map(member, records)),
    "one member": lambda records: member(b"".join(records)),
    "members across records": lambda records: b"".join(
        member(b"".join(records)[at : at + 500]) for at in range(0, len(b"".join(records)), 500)
    ),
    "zstd": lambda records: b"".join(map(zstandard.ZstdCompressor().compress, records)),
    "lz4": lambda records: b"".join(map(lz4, records)),
    "one lz4 frame": lambda records: lz4(b"".join(records)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@properties
@given(contents=bodies)
def test_every_layout_yields_every_record(tmp_path: Path, layout: str, contents: list[bytes]) -> None:
    reading = write(tmp_path, LAYOUTS[layout](records_of(contents)), "a.warc")
    assert reading.payloads() == contents
    assert [item.origin.record_id for item in reading.items] == [f"urn:uuid:{n}" for n in range(len(contents))]
    assert len({item.origin.offset for item in reading.items}) == len(contents)


@pytest.mark.parametrize("layout", ["plain", "member per record", "zstd", "lz4"])
def test_offset_and_length_are_those_of_the_stored_record(tmp_path: Path, layout: str) -> None:
    records = records_of([PAGE, PAGE + b"2", PAGE + b"33"])
    stored = [LAYOUTS[layout]([data]) for data in records]
    reading = write(tmp_path, b"".join(stored), "a.warc")
    data = b"".join(stored)
    assert [data[i.origin.offset :][: i.origin.length] for i in reading.items] == stored


def test_offsets_in_one_member_are_those_of_the_decompressed_file(tmp_path: Path) -> None:
    records = records_of([PAGE, PAGE + b"2"])
    reading = write(tmp_path, member(b"".join(records)))
    data = b"".join(records)
    assert [data[i.origin.offset :][: i.origin.length] for i in reading.items] == records


def test_zstd_with_a_dictionary_in_the_file(tmp_path: Path) -> None:
    records = records_of([PAGE + bytes([n]) * 50 for n in range(65, 91)])
    dictionary = zstandard.ZstdCompressionDict(b"".join(records)[:4000])
    compressor = zstandard.ZstdCompressor(dict_data=dictionary)
    raw = dictionary.as_bytes()
    head = b"\x5d\x2a\x4d\x18" + len(raw).to_bytes(4, "little") + raw
    reading = write(tmp_path, head + b"".join(map(compressor.compress, records)), "a.warc.zst")
    assert len(reading.payloads()) == len(records)


# -- ranges -----------------------------------------------------------------------------------------------------------


@properties
@given(contents=bodies, unit_size=st.integers(300, 3000))
def test_units_of_any_size_yield_every_record_once(tmp_path: Path, contents: list[bytes], unit_size: int) -> None:
    whole = write(tmp_path, b"".join(map(member, records_of(contents))))
    parts = read(tmp_path, "a.warc.gz", unit_size=unit_size)
    assert parts.items == whole.items
    assert parts.payloads() == contents


@properties
@given(contents=bodies, unit_size=st.integers(300, 3000), data=st.data())
def test_units_of_any_size_agree_on_damage(
    tmp_path: Path, contents: list[bytes], unit_size: int, data: st.DataObject
) -> None:
    stored = bytearray(b"".join(map(member, records_of(contents))))
    for _ in range(data.draw(st.integers(1, 4))):
        stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
    whole = write(tmp_path, bytes(stored))
    parts = read(tmp_path, "a.warc.gz", unit_size=unit_size)
    assert parts.payloads() == whole.payloads()


def test_a_file_of_one_member_is_one_unit(tmp_path: Path) -> None:
    (tmp_path / "a.warc.gz").write_bytes(member(b"".join(records_of([PAGE + bytes(range(256))] * 40))))
    assert len(read(tmp_path, "a.warc.gz", unit_size=300).ends) == 1


# -- damage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("layout", LAYOUTS)
@properties
@given(contents=bodies, data=st.data())
def test_truncation_is_a_failure_and_loses_only_the_last_record(
    tmp_path: Path, layout: str, contents: list[bytes], data: st.DataObject
) -> None:
    whole = LAYOUTS[layout](records_of(contents))
    cut = data.draw(st.integers(1, len(whole) - 1))
    reading = write(tmp_path, whole[:cut], "a.warc")
    assert reading.payloads() == contents[: len(reading.payloads())]
    assert all(cause in ("truncated", "garbage") for cause, _, _ in reading.failed())
    if layout in ("plain", "member per record", "zstd", "lz4"):
        ends, at = [], 0
        for data_of_record in records_of(contents):
            ends.append(at := at + len(LAYOUTS[layout]([data_of_record])))
        padding = 4 if layout == "plain" else 0  # a record is complete without the line ends behind it
        assert len(reading.payloads()) == sum(end - padding <= cut for end in ends)


@pytest.mark.parametrize("layout", LAYOUTS)
@properties
@given(contents=bodies, data=st.data())
def test_corruption_never_raises_and_is_accounted_for(
    tmp_path: Path, layout: str, contents: list[bytes], data: st.DataObject
) -> None:
    stored = bytearray(LAYOUTS[layout](records_of(contents)))
    for _ in range(data.draw(st.integers(1, 5))):
        stored[data.draw(st.integers(0, len(stored) - 1))] = data.draw(st.integers(0, 255))
    write(tmp_path, bytes(stored), "a.warc")  # read() checks that it balances


@properties
@given(contents=bodies, data=st.data())
def test_a_damaged_member_loses_one_record(tmp_path: Path, contents: list[bytes], data: st.DataObject) -> None:
    stored = [bytearray(member(data_of_record)) for data_of_record in records_of(contents)]
    hit = data.draw(st.integers(0, len(stored) - 1))
    at = data.draw(st.integers(10, len(stored[hit]) - 1))
    stored[hit][at] ^= data.draw(st.integers(1, 255))
    reading = write(tmp_path, b"".join(stored))
    others = contents[:hit] + contents[hit + 1 :]
    # The gzip trailer's size field is checked like the checksum: any flipped bit behind the header is found.
    assert reading.payloads() == others
    (failure,) = reading.failed()
    assert failure[1:] == (sum(map(len, stored[:hit])), len(stored[hit]))
    assert failure[0] == ("corrupt" if hit < len(stored) - 1 else failure[0])


@properties
@given(contents=bodies, step=st.sampled_from([1, 7, 100, 8192]), data=st.data())
def test_members_are_inflated_as_by_zlib(contents: list[bytes], step: int, data: st.DataObject) -> None:
    """The fast decoder yields the same bytes up to the same damage."""
    stored = bytearray(member(b"".join(contents)) + b"behind")
    at = data.draw(st.integers(0, len(stored) - 7))
    stored[at] ^= data.draw(st.integers(0, 255))

    def inflated(new: Callable[[int], Any], error: Any) -> tuple[list[bytes], bytes]:
        decoder, chunks, position = new(31), [], 0
        try:
            while not decoder.eof and position < len(stored):
                chunks.append(decoder.decompress(bytes(stored[position : position + step])))
                position += step
        except error:
            return chunks, b"damaged"
        return chunks, decoder.unused_data

    assert inflated(zlib_ng.decompressobj, zlib_ng.error) == inflated(zlib.decompressobj, zlib.error)


MAGICS = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18", b"\x04\x22\x4d\x18", b"\xfd7zXZ", b"BZh")
garbage = st.binary(min_size=1, max_size=200).filter(
    lambda data: data.strip(b"\r\n") and not any(magic in data for magic in MAGICS)
)


@properties
@given(contents=bodies, junk=garbage, data=st.data())
def test_garbage_between_members_is_one_gap(
    tmp_path: Path, contents: list[bytes], junk: bytes, data: st.DataObject
) -> None:
    stored = list(map(member, records_of(contents)))
    at = data.draw(st.integers(0, len(stored)))
    reading = write(tmp_path, b"".join([*stored[:at], junk, *stored[at:]]))
    assert reading.payloads() == contents
    assert reading.failed() == [("garbage", sum(map(len, stored[:at])), len(junk))]


@properties
@given(contents=bodies, junk=garbage, data=st.data())
def test_garbage_between_plain_records_loses_no_record(
    tmp_path: Path, contents: list[bytes], junk: bytes, data: st.DataObject
) -> None:
    records = records_of(contents)
    at = data.draw(st.integers(1, len(records)))
    junk = junk.strip(b"\r\n")
    reading = write(tmp_path, b"".join([*records[:at], junk, *records[at:]]), "a.warc")
    assert reading.payloads() == contents
    assert reading.failed() == [("garbage", sum(map(len, records[:at])), len(junk))]


@pytest.mark.parametrize("length", ["5", "29", "99999", "999999999999", "-1", "many", ""])
def test_a_wrong_content_length_loses_no_other_record(tmp_path: Path, length: str) -> None:
    first, second, third = records_of([PAGE, PAGE + b"two", PAGE + b"three"])
    declared = b"Content-Length: %d" % (len(first.split(b"\r\n\r\n", 1)[1]) - 4)
    assert declared in first
    wrong = first.replace(declared, b"Content-Length: " + length.encode())
    reading = write(tmp_path, wrong + second + third, "a.warc")
    assert reading.payloads()[-2:] == [PAGE + b"two", PAGE + b"three"]


def test_a_record_with_too_long_a_length_ends_at_the_next_record(tmp_path: Path) -> None:
    first, second = records_of([PAGE, PAGE + b"two"])
    declared = b"Content-Length: %d" % (len(first.split(b"\r\n\r\n", 1)[1]) - 4)
    reading = write(tmp_path, first.replace(declared, b"Content-Length: 99999") + second, "a.warc")
    assert [payload.strip() for payload in reading.payloads()] == [PAGE, PAGE + b"two"]
    assert reading.failed() == []


def test_the_failure_of_a_truncated_file_has_the_id_of_the_lost_record(tmp_path: Path) -> None:
    first, second = map(member, records_of([PAGE, PAGE * 50]))
    reading = write(tmp_path, first + second[:-30])
    assert reading.failed() == [("truncated", len(first), len(second) - 30)]
    assert reading.items[1].origin.record_id == "urn:uuid:1"


def test_an_empty_file_has_no_records(tmp_path: Path) -> None:
    assert write(tmp_path, b"").items == []


def test_a_file_that_is_no_archive_is_one_failure(tmp_path: Path) -> None:
    assert write(tmp_path, b"\x89PNG" * 1000, "a.warc").failed() == [("garbage", 0, 4000)]


# -- items of records -------------------------------------------------------------------------------------------------

GZIPPED = b"Content-Type: text/html\r\nContent-Encoding: gzip\r\n"
CASES = [
    (record(b"GET / HTTP/1.1\r\n\r\n", kind="request"), Dropped, "record_type:request"),
    (record(b"x", kind="metadata"), Dropped, "record_type:metadata"),
    (record(b"", kind="revisit"), Dropped, "record_type:revisit"),
    (record(b"x", kind="continuation"), Dropped, "record_type:continuation"),
    (record(b"x: y", kind="warcinfo"), Dropped, "record_type:warcinfo"),
    (record(b"x", kind="novelty"), Dropped, "record_type:other"),
    (record(b"x", kind="metadata").replace(b"WARC-Type: metadata", b"Type: x"), Dropped, "record_type:other"),
    (record(b"words", kind="conversion", Content_Type="text/plain"), Raw, "text/plain"),
    (record(b"{}", kind="conversion", Content_Type="application/json"), Dropped, "media_type"),
    (record(b" ", kind="conversion", Content_Type="text/plain"), Dropped, "empty"),
    (record(PAGE).replace(b"HTTP/1.1 200 OK", b"HTTP/2 200\r\nX:1"), Raw, "text/html"),
    (record(PAGE).replace(b"HTTP/1.1 200", b"HTTP/2.0 200"), Raw, "text/html"),
    (record(PAGE).replace(b"HTTP/1.1 200", b"http/3   200"), Raw, "text/html"),
    (record(PAGE).replace(b"HTTP/1.1 200 OK", b"HTTP/3 404\r\nX:1"), Dropped, "http_status"),
    (record(PAGE).replace(b"HTTP/1.1 200 OK", b"HTTP/1.1 2000 O"), Failed, "bad_http"),
    (record(PAGE, status="404 Not Found"), Dropped, "http_status"),
    (record(PAGE, status="206 Partial"), Dropped, "http_status"),
    (record(PAGE, status="200"), Raw, "text/html"),
    (record(PAGE, head=b"Content-Type: Text/HTML; charset=x\r\n"), Raw, "text/html"),
    (record(PAGE, head=b"Content-Type: application/xhtml+xml\r\n"), Raw, "application/xhtml+xml"),
    (record(PAGE, head=b"Content-Type: text/plain\r\n"), Raw, "text/plain"),
    (record(PAGE, head=b"Content-Type: image/png\r\n"), Dropped, "media_type"),
    (record(PAGE, head=b"Server: x\r\n"), Raw, "text/html"),
    (record(b" \n<!DOCTYPE html><p>", head=b"Server: x\r\n"), Raw, "text/html"),
    (record(b"plain words", head=b"Server: x\r\n"), Dropped, "media_type"),
    (record(b""), Dropped, "empty"),
    (record(PAGE, kind="resource", Content_Type="text/html"), Raw, "text/html"),
    (record(PAGE, kind="resource", Content_Type="text/dns"), Dropped, "media_type"),
    (record(b"a" * 2000), Raw, "text/html"),
    (record(b"a" * 2001), Dropped, "too_large"),
    (record(b"a" * 2001, head=b"Content-Type: video/mp4\r\n"), Dropped, "media_type"),
    (
        record(gzip.compress(b"a" * 2000), head=GZIPPED),
        Raw,
        "text/html",
    ),
    (
        record(gzip.compress(b"a" * 2001), head=GZIPPED),
        Dropped,
        "too_large",
    ),
    (
        record(b"\xff\xfe\0", head=GZIPPED),
        Failed,
        "bad_content_encoding",
    ),
    (record(PAGE).replace(b"HTTP/1.1 200", b"HTTQ/1.1 200"), Failed, "bad_http"),
    (record(PAGE).replace(b"HTTP/1.1 200 OK", b"HTTP 200 Okay!!"), Raw, "text/html"),
    (record(b"<head><title>x", head=b"Server: x\r\n"), Raw, "text/html"),
    (record(PAGE, head=b"Content-Type: none\r\n"), Raw, "text/html"),
    (record(PAGE, head=b"Content-Type: image/png\r\nContent-Type: text/html\r\n"), Raw, "text/html"),
    (record(PAGE, head=b"Content-Type: text/html\r\nContent-Type: image/png\r\n"), Dropped, "media_type"),
    (
        record(PAGE, kind="resource", Content_Type="application/http").replace(b"Type: resource", b"Type: response"),
        Raw,
        "text/html",
    ),
    # Binary formats and feeds under a false name.
    (record(b"%PDF-1.4\n1 0 obj"), Dropped, "binary:application/pdf"),
    (record(b"\x89PNG\r\n\x1a\n"), Dropped, "binary:image/png"),
    (record(b"\x89PNG\r\n\x1a\n", head=b"Server: x\r\n"), Dropped, "binary:image/png"),
    (record(b"GIF89a\1\0\1\0", head=b"Content-Type: text/plain\r\n"), Dropped, "binary:image/gif"),
    (record(gzip.compress(b"PK\3\4" + bytes(30)), head=GZIPPED), Dropped, "binary:application/zip"),
    (record(b"PK\3\4" + bytes(30), head=GZIPPED), Dropped, "binary:application/zip"),
    (record(bytes(range(256))), Dropped, "binary:application/octet-stream"),
    (record(b"<?xml version='1.0'?><rss version='2.0'>"), Dropped, "media_type"),
    (record(b"%PDF-1.4", kind="conversion", Content_Type="text/plain"), Dropped, "binary:application/pdf"),
    (record(b"%PDF-1.4", kind="resource", Content_Type="text/html"), Dropped, "binary:application/pdf"),
    (record(b"%PDF-1.4", head=b"Content-Type: application/pdf\r\n"), Dropped, "media_type"),
    (record(gzip.compress(PAGE), kind="resource", Content_Type="text/html"), Raw, "text/html"),
    (record(gzip.compress(PAGE)[:-9] + b"\0" * 9), Failed, "bad_content_encoding"),
]


@pytest.mark.parametrize(("stored", "kind", "expected"), CASES)
def test_items_of_records(tmp_path: Path, stored: bytes, kind: type, expected: str) -> None:
    (tmp_path / "a.warc").write_bytes(stored)
    (item,) = read(tmp_path, "a.warc", max_bytes=2000).items
    assert type(item) is kind
    assert expected == (
        item.media_type if isinstance(item, Raw) else item.reason if isinstance(item, Dropped) else item.cause
    )


def test_wet_records_are_texts(tmp_path: Path) -> None:
    (tmp_path / "a.wet.gz").write_bytes(member(record("Grüße".encode(), kind="conversion", Content_Type="text/plain")))
    (item,) = read(tmp_path, "a.wet.gz", format="wet").items
    assert isinstance(item, Raw)
    assert (item.media_type, item.payload, item.origin.url) == ("text/plain", "Grüße".encode(), "http://x.example/0")


@pytest.mark.parametrize(
    ("content_type", "encoding", "text"),
    [
        ("text/plain; charset=windows-1251", "cp1251", "Съешь ещё этих мягких булок"),
        ("text/plain", "cp1252", "Die Straßen sind schön, sagte der Müller."),
        ("text/plain; charset=utf-16", "utf-16", "Die Straßen sind schön."),
        ("text/plain; charset=windows-1251", "utf-8", "Съешь ещё"),
    ],
)
def test_wet_records_in_another_charset(tmp_path: Path, content_type: str, encoding: str, text: str) -> None:
    stored = member(record(text.encode(encoding), kind="conversion", Content_Type=content_type))
    (item,) = write(tmp_path, stored).items
    assert isinstance(item, Raw)
    assert isinstance(item.payload, bytes)
    assert decode(item.payload, item.charset) == text


@pytest.mark.parametrize(
    ("url", "kind", "reason"),
    [
        ("metadata://gnu.org/software/wget/warc/wget.log", "resource", "record_type:metadata"),
        ("metadata://netarkivet.dk/crawl/reports/crawl-report.txt", "response", "record_type:metadata"),
        ("metadata://netarkivet.dk/crawl/logs/crawl.log", "conversion", "record_type:metadata"),
        ("urn:text:https://x.example/a", "resource", "record_type:metadata"),
        ("urn:pageinfo:https://x.example/a", "resource", "record_type:metadata"),
        ("urn:X-wpull:log", "resource", "record_type:metadata"),
        ("screenshot:http://x.example/", "resource", "record_type:metadata"),
        ("urn:nbn:de:101:1-2", "resource", ""),
        ("file:///srv/www/a.html", "resource", ""),
        ("http://x.example/?u=urn:text:https://y.example", "resource", ""),
        ("http://x.example/metadata://", "conversion", ""),
    ],
)
def test_what_a_crawler_writes_about_its_work_is_no_page(tmp_path: Path, url: str, kind: str, reason: str) -> None:
    stored = record(b"words", kind="resource", Content_Type="text/plain")
    stored = stored.replace(b"WARC-Type: resource", b"WARC-Type: " + kind.encode()).replace(
        b"WARC-Target-URI: http://x.example/0", b"WARC-Target-URI: " + url.encode()
    )
    (item,) = write(tmp_path, stored, "a.warc").items
    assert item.origin.url == url
    assert getattr(item, "reason", "") == reason


EMPTY_MEMBERS = {
    "gzip": member(b""),
    "zstd": zstandard.compress(b""),
    "zstd, skippable": b"\x50\x2a\x4d\x18\3\0\0\0abc",
}


@pytest.mark.parametrize("name", EMPTY_MEMBERS)
@pytest.mark.parametrize("at", [0, 1, 2])
def test_a_member_without_content_is_no_record(tmp_path: Path, name: str, at: int) -> None:
    pack = member if name == "gzip" else zstandard.compress
    stored = list(map(pack, records_of([PAGE, PAGE + b"2"])))
    reading = write(tmp_path, b"".join([*stored[:at], EMPTY_MEMBERS[name], *stored[at:]]), "a.warc")
    assert reading.payloads() == [PAGE, PAGE + b"2"]
    assert reading.failed() == []


def test_a_file_without_content_has_no_records(tmp_path: Path) -> None:
    assert write(tmp_path, member(b"") * 3).items == []


def test_provenance(tmp_path: Path) -> None:
    (item,) = write(
        tmp_path, record(PAGE, 7, head=b'Content-Type: text/html; charset="ISO-8859-2"\r\n'), "a.warc"
    ).items
    assert isinstance(item, Raw)
    assert item.origin[4:7] == ("urn:uuid:7", "http://x.example/7", "2020-01-02T03:04:05Z")
    assert item.charset == "ISO-8859-2"


def test_header_values_can_always_be_written_as_utf8(tmp_path: Path) -> None:
    (item,) = write(tmp_path, record(PAGE).replace(b"x.example/0", b"x.example/\xe9\xff\x80"), "a.warc").items
    assert item.origin.url == "http://x.example/éÿ\x80"
    item.origin.url.encode()


def test_repeated_record_ids_are_made_distinct(tmp_path: Path) -> None:
    stored = [member(record(PAGE, 1)), member(record(PAGE, 2)), member(record(PAGE, 1))]
    reading = write(tmp_path, b"".join(stored))
    last = len(stored[0]) + len(stored[1])
    assert [i.origin.record_id for i in reading.items] == ["urn:uuid:1", "urn:uuid:2", f"a.warc.gz#{last}"]
    assert len({item.origin.id for item in reading.items}) == 3


def test_a_record_larger_than_the_limit_is_skipped_in_little_memory(tmp_path: Path) -> None:
    stored = [member(record(bytes(50_000_000))), member(record(PAGE, 1))]
    (tmp_path / "a.warc.gz").write_bytes(b"".join(stored))
    import tracemalloc

    tracemalloc.start()
    try:
        reading = read(tmp_path, "a.warc.gz", max_bytes=2**20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [getattr(item, "reason", "") for item in reading.items] == ["too_large", ""]
    assert peak < 40_000_000


ARC_BLOCK = b"1 0 X\nURL IP-address Archive-date Content-type Archive-length\n\n"
ARC = b"filedesc://a.arc 0.0.0.0 20200101000000 text/plain %d\n" % len(ARC_BLOCK) + ARC_BLOCK


def arc_record(body: bytes, url: bytes = b"http://x.example/a b") -> bytes:
    block = b"HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n" + body
    return url + b" 1.2.3.4 20200102030405 text/html %d\n" % len(block) + block + b"\n"


@pytest.mark.parametrize("pack", [lambda parts: b"".join(parts), lambda parts: b"".join(map(member, parts))])
def test_arc(tmp_path: Path, pack: object) -> None:
    reading = write(tmp_path, pack([ARC, arc_record(PAGE), arc_record(PAGE + b"2")]), "a.arc")  # type: ignore[operator]
    assert reading.payloads() == [PAGE, PAGE + b"2"]
    assert reading.items[1].origin[5:7] == ("http://x.example/a b", "2020-01-02T03:04:05Z")


def test_garbage_in_an_arc(tmp_path: Path) -> None:
    reading = write(tmp_path, ARC + arc_record(PAGE) + b"junk\n" + arc_record(PAGE + b"2"), "a.arc")
    assert reading.payloads() == [PAGE, PAGE + b"2"]
    assert [cause for cause, _, _ in reading.failed()] == ["garbage"]


# -- real archives ----------------------------------------------------------------------------------------------------


ALLOWED = {
    "common-crawl": {},
    "odd": {  # warcio mistakes the garbage behind the only record for a record
        "netarchivesuite+jwat__jwat-warc__src__test__resources__invalid-warcfile-record-then-garbage.warc": (1, 2)
    },
}


def count_of_other_libraries(path: Path) -> int:
    """Return the number of records that FastWARC or warcio finds in an archive, whichever is larger."""
    counts = Counter({"fastwarc": 0, "warcio": 0})
    try:
        for record in FastIterator(path.open("rb"), quirks_mode=True):
            counts["fastwarc"] += 1
            record.reader.read()
    except OSError:
        pass
    try:
        for record in WarcioIterator(path.open("rb"), arc2warc=True):
            counts["warcio"] += 1
            record.content_stream().read()
    except ArchiveLoadFailed:
        pass
    return max(counts.values())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", ["odd", "common-crawl"])
def test_real_archives_have_as_many_records_as_for_other_libraries(shared_data: Path, folder: str) -> None:
    fewer = {}
    paths = sorted((shared_data / "warc" / folder).iterdir())
    for path in paths:
        reading = read(path.parent, path.name.replace("[", "[[]"))
        count = sum(not isinstance(item, Failed) or item.cause != "garbage" for item in reading.items)
        if count < count_of_other_libraries(path):
            fewer[path.name] = (count, count_of_other_libraries(path))
    assert len(paths) > 10
    assert fewer == ALLOWED[folder]


def test_real_pages_in_ranges(shared_data: Path) -> None:
    whole = read(shared_data / "warc", "pages-1.warc.gz")
    parts = read(shared_data / "warc", "pages-1.warc.gz", unit_size=2**22)
    assert len(parts.ends) == 8
    assert parts.items == whole.items
    assert len(whole.payloads()) == 1000

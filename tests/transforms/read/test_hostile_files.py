"""Small files that ask for much memory or time: each costs one record. The benchmark ``bombs`` has more of them."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gristmill.corpus.record import Dropped, Failed, Raw, UnitSummary
from gristmill.transforms.read import warc_records
from gristmill.transforms.read.content_stream import ContentStream
from gristmill.transforms.read.json_values import is_longer, json_text, json_value
from gristmill.transforms.read.member_codecs import Chunks, MemberEnd
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit

OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"
PAGE = b"<p>a page"
BEFORE, BEHIND = b'{"text": "before"}\n', b'{"text": "behind"}\n'


def warc(http: bytes, length: int | None = None, uri: bytes = b"http://a/") -> bytes:
    head = b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: " + uri + b"\r\nContent-Type: application/http\r\n"
    return head + b"Content-Length: %d\r\n\r\n" % (len(http) if length is None else length) + http + b"\r\n\r\n"


SMALL = warc(OK + b"\r\n" + PAGE)


def between(http: bytes) -> bytes:
    return SMALL + warc(http) + SMALL


def zstd_frame(content: bytes, window_log: int) -> bytes:
    """Return a frame of one raw block (RFC 8878, section 3.1.1) that asks for a window."""
    block = (len(content) << 3 | 1).to_bytes(3, "little") + content
    return b"\x28\xb5\x2f\xfd\0" + bytes([window_log - 10 << 3]) + block


def xz_stream(content: bytes, dictionary: int) -> bytes:
    """Return a stream that asks for a dictionary (.xz file format 1.1, section 5.3.1)."""
    data = bytearray(lzma.compress(content))
    size = (data[12] + 1) * 4
    data[16] = dictionary
    data[12 + size - 4 : 12 + size] = zlib.crc32(data[12 : 12 + size - 4]).to_bytes(4, "little")
    return bytes(data)


def arc(lines: bytes) -> bytes:
    record = b"http://a/ 0.0.0.0 20200101000000 text/html %d\n" % len(PAGE) + PAGE + b"\n"
    return b"filedesc://a.arc 0.0.0.0 20200101000000 text/plain 4\nabc\n\n" + lines + record


CASES: dict[str, tuple[str, bytes, list[str], dict[str, Any]]] = {
    "deep JSON": ("a.jsonl", BEFORE + b"[" * 100_000 + b"\n" + BEHIND, ["read", "bad_json", "read"], {}),
    "a number of 100,000 digits": (
        "a.jsonl",
        BEFORE + b'{"text": "a", "n": ' + b"9" * 100_000 + b"}\n" + BEHIND,
        ["read", "bad_json", "read"],
        {"keep_columns": ["n"]},
    ),
    "500,000 empty arrays, kept": (
        "a.jsonl",
        BEFORE + b'{"text": "a", "n": [' + b"[]," * 500_000 + b"[]]}\n" + BEHIND,
        ["read", "too_long: keep_columns: 'n' is longer than 65536 bytes", "read"],
        {"keep_columns": ["n"]},
    ),
    "empty lines in gzip": (
        "a.jsonl.gz",
        gzip.compress(BEFORE + b"\n" * 10_000_000 + BEHIND),
        ["read", "read"],
        {},
    ),
    "a line in bzip2": (
        "a.jsonl.bz2",
        bz2.compress(BEFORE + b"0" * 20_000_000 + b"\n" + BEHIND),
        ["read", "too_large: 20000001", "read"],
        {},
    ),
    "zstd, a window of 1 GB": ("a.jsonl.zst", zstd_frame(BEFORE, 30), ["read"], {}),
    "zstd, a window of 2 GB": (
        "a.jsonl.zst",
        zstd_frame(BEFORE, 31),
        [
            "corrupt: stored bytes from 0 up to 28 cannot be decompressed: a zstd window is larger than 1 GiB;"
            " compress the file with a smaller one"
        ],
        {},
    ),
    "xz, a dictionary of 768 MB": ("a.jsonl.xz", xz_stream(BEFORE, 35), ["read"], {}),
    "xz, a dictionary of 4 GB": (
        "a.jsonl.xz",
        xz_stream(BEFORE, 40),
        [
            "corrupt: stored bytes from 0 up to 76 cannot be decompressed: xz needs more than 1 GiB of memory;"
            " compress the file with a smaller one"
        ],
        {},
    ),
    "a head of 1 MB": ("a.warc", between(OK + b"x: a\r\n" * 200_000 + b"\r\n" + PAGE), ["read"] * 3, {}),
    "a media type behind 64 KiB of fields": (
        "a.warc",
        between(b"HTTP/1.1 200 OK\r\n" + b"x: a\r\n" * 20_000 + b"Content-Type: image/png\r\n\r\n" + PAGE),
        ["read"] * 3,
        {},
    ),
    "10,000 declared encodings": (
        "a.warc",
        between(OK + b"Content-Encoding: " + b"br, " * 10_000 + b"\r\n\r\n" + PAGE),
        ["read"] * 3,
        {},
    ),
    "20,000 gzip members in a body": (
        "a.warc",
        between(OK + b"\r\n" + gzip.compress(b"<p>") * 20_000),
        ["read", "bad_content_encoding: the body begins like gzip but cannot be decoded", "read"],
        {},
    ),
    "10,000 gzip members in a body": (
        "a.warc",
        between(OK + b"\r\n" + gzip.compress(b"<p>") * 10_000),
        ["read"] * 3,
        {},
    ),
    "a URL of 60,000 bytes": (
        "a.warc",
        SMALL + warc(OK + b"\r\n" + PAGE, uri=b"http://a/" + b"a" * 60_000) + SMALL,
        ["read", "too_long: url: 60009 bytes", "read"],
        {},
    ),
    "ARC, lines of URLs": (
        "a.arc",
        arc((b"a:b " * 16_000 + b"\n") * 5),
        ["record_type:filedesc: filedesc", "garbage: no record begins here", "read"],
        {},
    ),
    "ARC, a record behind letters": (
        "a.arc",
        arc(b"a" * 60_000 + b" "),
        ["record_type:filedesc: filedesc", "garbage: no record begins here", "read"],
        {},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_file_costs_one_record(tmp_path: Path, case: str) -> None:
    name, data, expected, more = CASES[case]
    (tmp_path / name).write_bytes(data)
    format = "jsonl" if "jsonl" in name else "warc"
    source = SourceSection.model_validate({"name": "s", "format": format, "root": str(tmp_path), **more})
    (unit,) = plan_units(source, 2**28)
    *items, end = read_unit(unit, source, ReadLimits())
    assert [outcome(item) for item in items] == expected
    assert isinstance(end, UnitSummary)
    assert (end.records, end.covered) == (len(expected), end.expected)


def outcome(item: object) -> str:
    if isinstance(item, Dropped):
        return f"{item.reason}: {item.detail}"
    if isinstance(item, Failed):
        return item.cause if item.cause == "bad_json" else f"{item.cause}: {item.detail}"
    assert isinstance(item, Raw)
    return "read"


def test_rows_behind_blank_lines_keep_their_offsets(tmp_path: Path) -> None:
    data = BEFORE + b"\n \r\n\t\n\n" + BEHIND + b" \n\n"
    (tmp_path / "a.jsonl").write_bytes(data)
    source = SourceSection(name="s", format="jsonl", root=str(tmp_path))
    (unit,) = plan_units(source, 2**28)
    before, behind, end = read_unit(unit, source, ReadLimits())
    assert isinstance(before, Raw)
    assert isinstance(behind, Raw)
    assert (behind.origin.offset, behind.origin.length) == (data.index(BEHIND), len(BEHIND))
    assert end == UnitSummary(2, len(data), len(data))


def stream(data: bytes) -> ContentStream:
    def chunks(position: int) -> Chunks:
        for start in range(position, len(data), 1000):
            yield data[start : min(start + 1000, len(data))]
        return MemberEnd(len(data))

    return ContentStream(chunks)


@pytest.mark.parametrize(
    "data",
    [
        (SMALL + warc(PAGE, 10**15)) * 5,
        (SMALL + warc(PAGE, 1500)) * 5 + SMALL,
        warc(PAGE, 30) * 10 + warc(PAGE, 3),
        warc(PAGE, 10**6) * 5 + PAGE * 100,
        arc(b"http://b/ 0.0.0.0 20200101000000 text/html 100000\nabc\n" * 10),
    ],
    ids=range(5),
)
def test_records_with_wrong_lengths_are_the_same_when_read_once(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = list(warc_records.read_entries(stream(data), 10**4))
    monkeypatch.setattr(warc_records, "_MAX_READ_AGAIN", -(10**9))
    assert list(warc_records.read_entries(stream(data), 10**4)) == expected
    assert [entry.start for entry in expected[1:]] == [entry.end for entry in expected[:-1]]


def test_wrong_lengths_are_read_again_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warc_records, "_MAX_READ_AGAIN", 10_000)
    data = warc(PAGE, 10**15) * 1000
    content = stream(data)
    assert len(list(warc_records.read_entries(content, 10**4))) == 1000
    assert len(data) < content.read_again < 12 * len(data)


def values() -> Iterator[Any]:
    yield from (None, True, 0, -1, 9, 10, 99, 100, 1023, 1024, 2**64, 10**4000, 1.5, "", "é" * 40, b"\xff")
    yield from ([], [None], [[]] * 9, {}, {"a": None}, {"a": b"\xff", "": []}, {"k": {"k": [1, "a", {}]}})
    deep: Any = 1
    for _ in range(100):
        deep = {"a": [deep]}
    yield deep


@pytest.mark.parametrize("value", list(values()), ids=lambda value: "")
def test_only_values_with_longer_json_are_longer(value: Any) -> None:
    length = len(json_text(json_value(value)).encode())
    assert not is_longer(value, length)
    assert is_longer([value, "a" * length], length)
    assert json.loads(json_text(json_value(value))) == json_value(value)

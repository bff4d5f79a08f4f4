"""Plans, whole files, dates, and the decoding of HTTP bodies."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from pathlib import Path

import pytest
import zstandard

from gristmill.corpus.record import Failed, Raw, UnitSummary
from gristmill.errors import InputError
from gristmill.transforms.read import unit_planning
from gristmill.transforms.read.dates import normalise_date
from gristmill.transforms.read.http_response import BadContentEncodingError, Response, charset, decode_body, media_type
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.text_files import decode_text
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import Limits, read_unit


def source(root: Path, format: str = "text", *paths: str) -> SourceSection:
    return SourceSection(name="s", format=format, root=str(root), paths=paths or ("**/*",))


# -- plans ------------------------------------------------------------------------------------------------------------


def test_units_do_not_know_where_the_source_is_mounted(tmp_path: Path) -> None:
    identities = []
    for mount in ("here", "there/deeper"):
        root = tmp_path / mount
        (root / "sub").mkdir(parents=True)
        (root / "sub" / "a.txt").write_text("a")
        identities.append([unit.identity() for unit in plan_units(source(root), 2**20)])
    assert identities[0] == identities[1]


@pytest.mark.parametrize("change", ["content", "name", "source"])
def test_identity_changes_with_what_is_read(tmp_path: Path, change: str) -> None:
    (tmp_path / "a.txt").write_text("a")
    section = source(tmp_path)
    (before,) = plan_units(section, 2**20)
    if change == "content":
        (tmp_path / "a.txt").write_text("b")
    elif change == "name":
        (tmp_path / "a.txt").rename(tmp_path / "b.txt")
    else:
        section = section.model_copy(update={"name": "other"})
    (after,) = plan_units(section, 2**20)
    assert before.identity() != after.identity()


def test_one_file_more_changes_one_unit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_plan, "FILES_PER_UNIT", 8)
    for n in range(50):
        (tmp_path / f"{n}.txt").write_text(str(n))
    before = {unit.identity() for unit in plan_units(source(tmp_path), 2**20)}
    (tmp_path / "more.txt").write_text("more")
    after = {unit.identity() for unit in plan_units(source(tmp_path), 2**20)}
    assert len(after) == 8
    assert len(after - before) == 1


@pytest.mark.parametrize(("size", "buckets"), [(100, 1), (50, 2), (34, 4), (25, 4), (24, 8)])
def test_buckets_follow_from_the_total_size(tmp_path: Path, size: int, buckets: int) -> None:
    for n in range(100):
        (tmp_path / f"{n}.txt").write_text("x")
    units = plan_units(source(tmp_path), size)
    assert len(units) == buckets
    assert [unit.size for unit in units] == sorted((unit.size for unit in units), reverse=True)
    assert sorted(file.path for unit in units for file in unit.files) == sorted(f"{n}.txt" for n in range(100))


def test_overlapping_patterns_give_a_file_once(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    assert len(plan_units(source(tmp_path, "jsonl", "*.jsonl", "a.*"), 2**20)) == 1


def test_a_pattern_that_matches_nothing_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(InputError, match=r"source 's': no file below .* matches '\*\.md'; correct"):
        plan_units(source(tmp_path, "text", "*.txt", "*.md"), 2**20)


def test_code_is_told_by_its_extension(tmp_path: Path) -> None:
    for name in ("a.py", "B.PY", "c.png", "README"):
        (tmp_path / name).write_text("x = 1")
    (unit,) = plan_units(source(tmp_path, "code"), 2**20)
    assert [file.path for file in unit.files] == ["B.PY", "a.py"]


def test_a_file_that_changed_since_the_plan_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    section = source(tmp_path)
    (unit,) = plan_units(section, 2**20)
    (tmp_path / "a.txt").write_text("longer")
    with pytest.raises(InputError, match=r"a\.txt has 6 bytes, but had 1 when planned"):
        list(read_unit(unit, section, Limits()))


# -- files ------------------------------------------------------------------------------------------------------------


def test_one_document_a_file(tmp_path: Path) -> None:
    for name, data in {"a.txt": b"text", "b.txt": b"\0\1", "c.txt": b" ", "d.txt": b"x" * 11}.items():
        (tmp_path / name).write_bytes(data)
    section = source(tmp_path)
    (unit,) = plan_units(section, 2**20)
    *items, end = read_unit(unit, section, Limits(max_bytes=10))
    assert end == UnitSummary(4, 18, 18)
    assert isinstance(items[0], Raw)
    assert (items[0].payload, items[0].origin.file, items[0].origin.record_id) == ("text", "a.txt", None)
    assert isinstance(items[1], Failed)
    assert [getattr(i, "cause", "") or getattr(i, "reason", "") for i in items] == [
        "",
        "not_text",
        "empty",
        "too_large",
    ]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("Grüße".encode(), "Grüße"),
        (b"\xef\xbb\xbfa", "a"),
        ("Grüße".encode("utf-16"), "Grüße"),
        (b"\xfe\xff\x00a", "a"),
        (b"\xff\xfea", None),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"\xe9\x1b[0m\t\r\n", "é\x1b[0m\t\r\n"),
        (b"\xe9\x80", None),
        (b"\xe9\x01", None),
        (b"a\0b", None),
        (b"a\x01b", "a\x01b"),
        (b"", ""),
    ],
)
def test_decode_text(data: bytes, text: str | None) -> None:
    assert decode_text(data) == text


# -- dates ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"),
        ("2020-01-02t03:04:05.999z", "2020-01-02T03:04:05Z"),
        ("2020-01-02 03:04:05", "2020-01-02T03:04:05Z"),
        ("2020-01-01T23:04:05-02:00", "2020-01-02T01:04:05Z"),
        ("2020-01-02T01:04:05+0200", "2020-01-01T23:04:05Z"),
        ("2020-01-02", "2020-01-02T00:00:00Z"),
        ("20200102030405", "2020-01-02T03:04:05Z"),
        ("0099-01-02", "0099-01-02T00:00:00Z"),
        ("2020-02-30T00:00:00Z", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("201404010000000000", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_normalise_date(text: str, date: str | None) -> None:
    assert normalise_date(text) == date


# -- HTTP bodies ------------------------------------------------------------------------------------------------------

TEXT = b"<p>" + b"words and more words " * 50

BOMB = 50_000_000
BOMBS = {
    "gzip": gzip.compress(bytes(BOMB), mtime=0),
    "deflate": zlib.compress(bytes(BOMB)),
    "zstd": zstandard.compress(bytes(BOMB)),
    "br": bytes.fromhex(
        "cbffff3ff82700e2b14020f7fe8fffff7ff04f00c4611180eefd1fffffffe09f0088c30200ddfb3ffeffffc13f0110870500baf77ffcffff83"
        "7f02200e0b0074effff20f5e0fff04401c1600e8a0eb01"
    ),
    "gzip, gzip": gzip.compress(gzip.compress(bytes(BOMB), mtime=0), mtime=0),
    "gzip, deflate, zstd": zstandard.compress(zlib.compress(gzip.compress(bytes(BOMB), mtime=0))),
}

BROTLI = bytes.fromhex("1b1c04f8c5636c5d6bc87ba6486ec24a612900090ee1b4bed21bfe1d")
"""TEXT, compressed by Google's brotli 1.2."""


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "stored"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        ("GZip", gzip.compress(TEXT, mtime=0)),
        ("x-gzip", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", raw_deflate(TEXT)),
        ("br", BROTLI),
        ("zstd", zstandard.compress(TEXT)),
        ("deflate, gzip", gzip.compress(zlib.compress(TEXT), mtime=0)),
        ("gzip,br,identity", BROTLI),
        ("zstd, deflate, gzip", gzip.compress(zlib.compress(zstandard.compress(TEXT)), mtime=0)),
        ("gzip", gzip.compress(TEXT[:100], mtime=0) + gzip.compress(TEXT[100:], mtime=0)),
        ("gzip", gzip.compress(TEXT, mtime=0) + b"garbage"),
        ("identity", TEXT),
        ("utf-8", TEXT),
        ("gzip", TEXT),
        ("br", TEXT),
    ],
)
def test_content_encoding(encoding: str, stored: bytes) -> None:
    assert decode_body(Response(200, {"content-encoding": encoding}, stored), 10**6) == TEXT


@pytest.mark.parametrize("encoding", BOMBS)
def test_decoding_stops_behind_the_limit_in_little_memory(encoding: str) -> None:
    limit = 2**20
    tracemalloc.start()
    try:
        body = decode_body(Response(200, {"content-encoding": encoding}, BOMBS[encoding]), limit)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(body) == limit + 1
    assert not any(body)
    assert peak < 4 * limit


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@pytest.mark.parametrize(("limit", "found"), [(len(TEXT) - 1, len(TEXT)), (len(TEXT), len(TEXT)), (10**6, len(TEXT))])
def test_the_limit_counts_decoded_bytes(encoding: str, limit: int, found: int) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstandard.compress}[encoding]
    assert len(decode_body(Response(200, {"content-encoding": encoding}, pack(TEXT)), limit)) == found


def test_a_layer_that_was_cut_off_is_too_large_and_not_decoded_further() -> None:
    """What is left of the outer layer is a little less than the limit when decoded, and would pass for whole."""
    inner = gzip.compress(bytes(range(256)) * 100, compresslevel=0, mtime=0)
    limit = len(inner) - 10
    body = decode_body(Response(200, {"content-encoding": "gzip, gzip"}, gzip.compress(inner, mtime=0)), limit)
    assert len(body) == limit + 1


def test_a_body_that_breaks_off_gives_what_there_is() -> None:
    body = decode_body(Response(200, {"content-encoding": "gzip"}, gzip.compress(TEXT, mtime=0)[:-12]), 10**6)
    assert TEXT.startswith(body)
    assert body


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_what_cannot_be_decoded_and_is_no_text_fails(encoding: str) -> None:
    with pytest.raises(BadContentEncodingError, match=f"the body is not {encoding}"):
        decode_body(Response(200, {"content-encoding": encoding}, b"\xff\xfe\xfd\0" * 9), 10**6)


@pytest.mark.parametrize(
    ("stored", "body"),
    [
        (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
        (b"3;x=y\r\nabc\r\n0\r\n\r\n", b"abc"),
        (b"3\nabc\n0\n\n", b"abc"),
        (b"0\r\n\r\n", b""),
        (b"<html>not chunked", b"<html>not chunked"),
        (b"3\r\nabc\r\nwrong<p>", b"abcwrong<p>"),
        (b"5\r\nab", b"ab"),
        (b"3\r\nabc", b"abc"),
        (b"", b""),
    ],
)
def test_chunks(stored: bytes, body: bytes) -> None:
    assert decode_body(Response(200, {"transfer-encoding": "Chunked"}, stored), 10**6) == body


@pytest.mark.parametrize(
    ("content_type", "body", "found"),
    [
        ("text/html", b"", "text/html"),
        ("Text/HTML ;charset=utf-8", b"", "text/html"),
        ("text/html, text/html", b"", "text/html"),
        ("", b"<HTML lang=de>", "text/html"),
        ("", b"\xef\xbb\xbf\n<!-- x --> <!DOCTYPE html>", "text/html"),
        ("", b"<htmlx>", ""),
        ("", b"<!doctype svg>", ""),
        ("image/png", b"<html>", "image/png"),
    ],
)
def test_media_type(content_type: str, body: bytes, found: str) -> None:
    assert media_type(content_type, body) == found


@pytest.mark.parametrize(
    ("content_type", "found"),
    [
        ("text/html; charset=utf-8", "utf-8"),
        ("text/html;CHARSET='x y", "x"),
        ('text/html; charset = "ISO-8859-1"; a=b', "ISO-8859-1"),
        ("text/html", None),
        ("text/html; charset=", None),
    ],
)
def test_charset(content_type: str, found: str | None) -> None:
    assert charset(content_type) == found

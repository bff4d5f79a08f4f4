"""JSON Lines and Parquet."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import tracemalloc
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gristmill.corpus.record import Dropped, Failed, Raw, UnitSummary
from gristmill.errors import InputError
from gristmill.transforms.read.row_items import Fields
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit

properties = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PACK = {
    ".jsonl": lambda data: data,
    ".jsonl.gz": gzip.compress,
    ".jsonl.zst": zstandard.compress,
    ".jsonl.xz": lzma.compress,
    ".jsonl.bz2": bz2.compress,
}


def read(
    path: Path, format: str, max_bytes: int = 2**24, **fields: str
) -> tuple[list[Raw | Dropped | Failed], UnitSummary]:
    source = SourceSection(name="s", format=format, root=str(path.parent), paths=[path.name], fields=Fields(**fields))
    (unit,) = plan_units(source, 2**28)
    *items, end = read_unit(unit, source, ReadLimits(max_bytes=max_bytes))
    assert isinstance(end, UnitSummary)
    assert end.records == len(items)
    assert end.covered == end.expected
    return items, end


def write_lines(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


texts = st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=20)


@pytest.mark.parametrize("suffix", PACK)
@properties
@given(contents=texts)
def test_every_line_is_read(tmp_path: Path, suffix: str, contents: list[str]) -> None:
    data = b"\n".join(json.dumps({"text": text}).encode() for text in contents)
    path = tmp_path / f"a{suffix}"
    path.write_bytes(PACK[suffix](data))
    items, end = read(path, "jsonl")
    assert [item.payload for item in items if isinstance(item, Raw)] == contents
    assert end.expected == path.stat().st_size
    assert [data[i.origin.offset :][: i.origin.length].rstrip(b"\n") for i in items] == data.split(b"\n")


@pytest.mark.parametrize("suffix", [suffix for suffix in PACK if suffix != ".jsonl"])
@properties
@given(data=st.data())
def test_damaged_compression_is_a_failure(tmp_path: Path, suffix: str, data: st.DataObject) -> None:
    lines = [json.dumps({"text": f"line {n} {'x' * n}"}).encode() for n in range(50)]
    stored = bytearray(PACK[suffix](b"\n".join(lines) + b"\n"))
    path = tmp_path / f"a{suffix}"
    if data.draw(st.booleans()):
        path.write_bytes(stored[: data.draw(st.integers(6, len(stored) - 1))])
        items, _ = read(path, "jsonl")
        assert [item.cause for item in items if isinstance(item, Failed)] == ["truncated"]
        assert [i.payload for i in items[:-1]] == [json.loads(line)["text"] for line in lines[: len(items) - 1]]
    else:
        stored[data.draw(st.integers(0, len(stored) - 1))] ^= data.draw(st.integers(1, 255))
        path.write_bytes(stored)
        read(path, "jsonl")  # checks that it balances


CASES = [
    (b'{"text": "a"}', Raw, "a"),
    (b'  {"text": " a"}', Raw, " a"),
    (b'{"text": "\\ud800x"}', Raw, "\ufffdx"),
    (b'{"text": "\\ud83d\\ude00"}', Raw, "😀"),
    (b'{"text": ""}', Dropped, "empty"),
    (b'{"text": " \\n"}', Dropped, "empty"),
    (b'{"text": null}', Failed, "missing_text"),
    (b'{"text": 3}', Failed, "missing_text"),
    (b'{"body": "a"}', Failed, "missing_text"),
    (b'{"text": "a"', Failed, "bad_json"),
    (b'["a"]', Failed, "bad_json"),
    (b'{"text": "\xff"}', Failed, "bad_json"),
    (b"[" * 100_000, Failed, "bad_json"),
    (b'{"text": "%s"}' % (b"a" * 199_988), Raw, "a" * 199_988),
    (b'{"text": "%s"}' % (b"a" * 199_989), Dropped, "too_large"),
]


@pytest.mark.parametrize(("line", "kind", "expected"), CASES)
def test_items_of_lines(tmp_path: Path, line: bytes, kind: type, expected: str) -> None:
    other = b'{"text": "other"}'
    items, _ = read(write_lines(tmp_path / "a.jsonl", other, line, b"", other), "jsonl", max_bytes=200_000)
    assert [type(item) for item in items] == [Raw, kind, Raw]
    item = items[1]
    assert expected == (
        item.payload if isinstance(item, Raw) else item.reason if isinstance(item, Dropped) else item.cause
    )


def test_columns_of_a_row(tmp_path: Path) -> None:
    line = {"body": "a", "n": 5, "link": "http://x", "day": "2020-01-02", "tongue": "en-US"}
    path = write_lines(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + json.dumps(line).encode())
    (item,), _ = read(path, "jsonl", text="body", id="n", url="link", date="day", lang="tongue")
    assert item.origin[4:] == ("5", "http://x", "2020-01-02T00:00:00Z", "en", None)


def test_repeated_ids_are_made_distinct(tmp_path: Path) -> None:
    line = b'{"text": "a", "id": "same"}'
    items, _ = read(write_lines(tmp_path / "a.jsonl", line, line), "jsonl", id="id")
    assert [item.origin.record_id for item in items] == ["same", "a.jsonl#28"]


def test_a_huge_line_is_skipped_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    with gzip.open(path, "wb", 1) as file:
        file.write(b'{"text": "')
        for _ in range(100):
            file.write(b"a" * 2**20)
        file.write(b'"}\n{"text": "b"}\n')
    tracemalloc.start()
    try:
        items, _ = read(path, "jsonl", max_bytes=2**20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert [getattr(item, "reason", "read") for item in items] == ["too_large", "read"]
    assert peak < 40_000_000


@properties
@given(data=st.binary(max_size=3000))
def test_binary_data_named_jsonl_is_counted_by_line(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jsonl").write_bytes(data)
    items, _ = read(tmp_path / "a.jsonl", "jsonl")
    assert len(items) <= data.count(b"\n") + 2


# -- Parquet ----------------------------------------------------------------------------------------------------------


def test_parquet(tmp_path: Path) -> None:
    zone = timezone(timedelta(hours=2))
    table = pa.table(
        {
            "text": pa.array(["a", "", None, "long" * 50], pa.large_string()),
            "id": [10, 11, 12, 13],
            "when": [datetime(2020, 1, 2, 3, 4, 5, tzinfo=zone)] * 4,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=2)
    items, end = read(tmp_path / "a.parquet", "parquet", max_bytes=100, id="id", date="when")
    assert end.expected == 4
    kinds = [getattr(item, "reason", "") or getattr(item, "cause", "") for item in items]
    assert kinds == ["", "empty", "missing_text", "too_large"]
    assert [(i.origin.offset, i.origin.length, i.origin.record_id) for i in items] == [
        (0, 1, "10"), (1, 1, "11"), (2, 1, "12"), (3, 1, "13"),
    ]  # fmt: skip
    assert items[0].origin.date == "2020-01-02T01:04:05Z"


def bad_utf8(value: bytes, type: pa.DataType) -> pa.Array:
    """Three values, of which the second is not UTF-8: only a writer without checks makes such a file."""
    binary = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.string_view(): pa.binary_view()}
    return pa.array([b"a", value, "é".encode()], binary[type]).view(type)


@pytest.mark.parametrize("type", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("indices", [None, pa.int8(), pa.int32(), pa.int64()], ids=str)
def test_text_that_is_not_utf8_costs_its_row(
    tmp_path: Path, type: pa.DataType, nested: bool, indices: pa.DataType | None
) -> None:
    texts = bad_utf8(b"caf\xe9 noir", type)
    if indices and type != pa.string_view():  # Arrow cannot write a dictionary of views
        texts = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], indices), texts)
    table = {"page": pa.StructArray.from_arrays([texts], ["text"])} if nested else {"text": texts}
    pq.write_table(pa.table(table), tmp_path / "a.parquet")
    items, _ = read(tmp_path / "a.parquet", "parquet", text="page.text" if nested else "text")
    assert [getattr(item, "payload", None) for item in items] == ["a", None, "é"]
    failed = items[1]
    assert isinstance(failed, Failed)
    assert failed.cause == "bad_utf8"
    assert "at byte 3" in failed.detail
    assert (failed.origin.offset, failed.origin.length) == (1, 1)


@pytest.mark.parametrize("type", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_binary_that_is_utf8_is_text(tmp_path: Path, type: pa.DataType) -> None:
    pq.write_table(pa.table({"text": pa.array([b"a", b"\xff", None, b""], type)}), tmp_path / "a.parquet")
    items, _ = read(tmp_path / "a.parquet", "parquet")
    assert [getattr(i, "payload", "") or getattr(i, "cause", "") or i.reason for i in items] == [
        "a", "bad_utf8", "missing_text", "empty",
    ]  # fmt: skip


FIRST_DAY = datetime(2020, 1, 2, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("key", "values", "expected"),
    [
        ("id", bad_utf8(b"\xff", pa.string()), ["a", "a.parquet#1", "é"]),
        ("url", bad_utf8(b"\xff", pa.string()), ["a", None, "é"]),
        ("date", bad_utf8(b"\xff", pa.string()), [None, None, None]),
        ("id", pa.array([1, None, 3], pa.uint8()), ["1", "a.parquet#1", "3"]),
        ("id", pa.nulls(3), ["a.parquet", "a.parquet#1", "a.parquet#2"]),
        ("url", pa.nulls(3), [None] * 3),
        ("url", pa.array(["a", None, "a"]).dictionary_encode(), ["a", None, "a"]),
        ("date", pa.nulls(3), [None] * 3),
        ("date", pa.array([18263, None, 2**31 - 1], pa.date32()), ["2020-01-02T00:00:00Z", None, None]),
        (
            "date",
            pa.array([1577923200 * 10**9 + 1, None, 0], pa.timestamp("ns", "No/Such_Zone")),
            ["2020-01-02T00:00:00Z", None, "1970-01-01T00:00:00Z"],
        ),
        ("lang", bad_utf8(b"\xff", pa.string()), [None, None, None]),
        ("lang", pa.array(["en-GB", "English", "deu"]), ["en", None, "de"]),
        ("lang", pa.nulls(3), [None] * 3),
        ("date", pa.array([1577923200 * 10**6, 2**60, None], pa.timestamp("us")), ["2020-01-02T00:00:00Z", None, None]),
    ],
)
def test_a_bad_id_url_or_date_costs_no_document(
    tmp_path: Path, key: str, values: pa.Array, expected: list[str | None]
) -> None:
    pq.write_table(pa.table({"text": ["x", "y", "z"], key: values}), tmp_path / "a.parquet")
    items, _ = read(tmp_path / "a.parquet", "parquet", **{key: key})
    assert [item.payload for item in items if isinstance(item, Raw)] == ["x", "y", "z"]
    found = [getattr(item.origin, "record_id" if key == "id" else key) for item in items]
    assert [value or f"a.parquet#{n}" if key == "id" else value for n, value in enumerate(found)] == [
        "a.parquet#0" if value == "a.parquet" else value for value in expected
    ]


@pytest.mark.parametrize(
    ("key", "type", "wanted"),
    [
        ("text", pa.int64(), "strings: title or page.body"),
        ("text", pa.list_(pa.string()), "strings: title or page.body"),
        ("text", pa.struct([("a", pa.int8())]), "strings: title or page.body"),
        ("text", pa.null(), "strings: title or page.body"),
        ("text", pa.bool_(), "strings: title or page.body"),
        ("text", pa.float64(), "strings: title or page.body"),
        ("text", pa.date32(), "strings: title or page.body"),
        ("text", pa.dictionary(pa.int32(), pa.int64()), "strings: title or page.body"),
        ("id", pa.float64(), "strings or integers"),
        ("id", pa.bool_(), "strings or integers"),
        ("url", pa.list_(pa.string()), "strings"),
        ("url", pa.int64(), "strings"),
        ("date", pa.int64(), "strings, dates or timestamps"),
        ("lang", pa.list_(pa.string()), "strings"),
    ],
    ids=str,
)
def test_a_column_of_a_wrong_type_is_an_error(tmp_path: Path, key: str, type: pa.DataType, wanted: str) -> None:
    page = pa.array([{"body": "a", "size": 1}])
    table = pa.table({"title": ["a"], "page": page, "column": pa.array([None], pa.int64()).cast(pa.int64())})
    table = table.set_column(2, "column", pa.nulls(1, type))
    pq.write_table(table, tmp_path / "a.parquet")
    fields = {"text": "title", key: "column"}
    shown = re.escape(str(pq.read_schema(tmp_path / "a.parquet").field("column").type))
    message = (
        rf"^a\.parquet: column 'column' has the type {shown}; set `fields\.{key}` to a column of {wanted}, or conv"
    )
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.parquet", "parquet", **fields)


def test_nested_columns_are_named_with_dots(tmp_path: Path) -> None:
    pages = pa.array([{"body": "a", "meta": {"url": "http://x"}}, None, {"body": None, "meta": None}])
    pq.write_table(pa.table({"page": pages, "n": [1, 2, 3]}), tmp_path / "a.parquet")
    items, _ = read(tmp_path / "a.parquet", "parquet", text="page.body", url="page.meta.url", id="n")
    assert [getattr(item, "payload", None) for item in items] == ["a", None, None]
    assert [(item.origin.url, item.origin.record_id) for item in items] == [("http://x", "1"), (None, "2"), (None, "3")]


@pytest.mark.parametrize("format", ["parquet", "jsonl"])
def test_a_column_with_a_dot_in_its_name_comes_first(tmp_path: Path, format: str) -> None:
    rows = [{"page": {"body": "nested", "a.b": "dotted field"}, "page.body": "literal"}]
    path = tmp_path / f"a.{format}"
    if format == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_text(json.dumps(rows[0]))
    for column, expected in (("page.body", "literal"), ("page.a.b", "dotted field")):
        (item,), _ = read(path, format, text=column)
        assert isinstance(item, Raw)
        assert item.payload == expected


def test_a_missing_column_is_an_error_that_lists_the_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"page": [{"body": "a"}], "n": [1], "tags": [["a"]]}), tmp_path / "a.parquet")
    message = r"a\.parquet has no column 'text'; set `fields` to columns among page\.body, n, tags"
    with pytest.raises(InputError, match=message):
        read(tmp_path / "a.parquet", "parquet")


def test_columns_of_the_same_name_are_an_error(tmp_path: Path) -> None:
    pq.write_table(pa.table([["a"], ["b"], [1]], names=["text", "text", "n"]), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet has 2 columns 'text'; rename all but one"):
        read(tmp_path / "a.parquet", "parquet")


def test_a_file_without_rows_has_no_records(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.nulls(0)}), tmp_path / "a.parquet")
    assert read(tmp_path / "a.parquet", "parquet") == ([], UnitSummary(0, 0, 0))


def test_an_encrypted_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PARE" + bytes(100) + b"PARE")
    with pytest.raises(InputError, match=r"a\.parquet is encrypted; decrypt it"):
        read(tmp_path / "a.parquet", "parquet")


@pytest.mark.parametrize("data", [b"PAR1 not really", b""])
def test_a_file_that_is_no_parquet_is_one_failure(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    ((item,), end) = read(tmp_path / "a.parquet", "parquet")
    assert isinstance(item, Failed)
    assert (item.cause, item.origin.length, end.expected) == ("unreadable", len(data), len(data))


def test_every_row_of_a_damaged_row_group_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"text {n}" for n in range(90)]})
    pq.write_table(table, path, row_group_size=30, use_dictionary=False)
    column = pq.read_metadata(path).row_group(1).column(0)
    stored = bytearray(path.read_bytes())
    start = column.data_page_offset
    stored[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(stored)
    items, end = read(path, "parquet")
    assert end.records == 90
    assert [(item.origin.offset, item.origin.length) for item in items] == [(n, 1) for n in range(90)]
    assert [getattr(item, "cause", "") for item in items] == [""] * 30 + ["corrupt"] * 30 + [""] * 30


def test_long_rows_are_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pq.ParquetWriter(path, pa.schema([("text", pa.string())]), use_dictionary=False, write_batch_size=1) as writer:
        writer.write_table(pa.table({"text": [f"{n}".zfill(2**21) for n in range(100)]}))
    before = pa.total_allocated_bytes()
    peak = 0
    source = SourceSection(name="s", format="parquet", root=str(tmp_path))
    (unit,) = plan_units(source, 2**28)
    for _ in read_unit(unit, source, ReadLimits()):
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert peak < 100_000_000  # of 200 MB


@properties
@given(data=st.data())
def test_counts_of_damaged_parquet_balance(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table({"text": [f"text {n}" * 20 for n in range(60)]})
    pq.write_table(table, path, row_group_size=20, compression="zstd", write_page_checksum=True)
    stored = bytearray(path.read_bytes())
    footer = int.from_bytes(stored[-8:-4], "little") + 8  # damage there may rename a column
    for at in data.draw(st.lists(st.integers(0, len(stored) - footer - 1), min_size=1, max_size=3)):
        stored[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(stored)
    read(path, "parquet")

"""JSON Lines and Parquet."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
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
    line = {"body": "a", "n": 5, "link": "http://x", "day": "2020-01-02"}
    path = write_lines(tmp_path / "a.jsonl", b"\xef\xbb\xbf" + json.dumps(line).encode())
    (item,), _ = read(path, "jsonl", text="body", id="n", url="link", date="day")
    assert item.origin[4:] == ("5", "http://x", "2020-01-02T00:00:00Z")


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


def test_a_missing_column_is_an_error_that_lists_the_columns(tmp_path: Path) -> None:
    pq.write_table(pa.table({"body": ["a"], "n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet has no column 'text'; set `fields` to columns among body, n"):
        read(tmp_path / "a.parquet", "parquet")


def test_a_file_that_is_no_parquet_is_one_failure(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not really")
    ((item,), end) = read(tmp_path / "a.parquet", "parquet")
    assert isinstance(item, Failed)
    assert (item.cause, item.origin.length, end.expected) == ("unreadable", 15, 15)


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

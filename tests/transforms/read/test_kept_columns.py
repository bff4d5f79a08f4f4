"""``keep_columns``: columns of JSONL and Parquet that documents keep as JSON."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.corpus.record import Dropped, Failed, Raw, UnitSummary
from gristmill.errors import InputError
from gristmill.transforms.read.json_values import MAX_DEPTH, json_text, json_value
from gristmill.transforms.read.source_format import Item
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import MAX_META_BYTES, MAX_NAME_BYTES, ReadLimits, read_unit


def read(path: Path, *keep: str, **fields: str) -> list[Item]:
    """The items of a file whose format is its suffix."""
    source = SourceSection.model_validate(
        {
            "name": "s",
            "format": path.suffix[1:],
            "root": str(path.parent),
            "paths": [path.name],
            "keep_columns": keep,
            "fields": fields,
        }
    )
    (unit,) = plan_units(source, 2**28)
    return [item for item in read_unit(unit, source, ReadLimits()) if not isinstance(item, UnitSummary)]


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps({"text": "a", **row}) + "\n" for row in rows))
    return path


def parquet(path: Path, column: pa.Array) -> Path:
    pq.write_table(pa.table({"text": ["a"] * len(column), "x": column}), path)
    return path


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("MIT", '"MIT"'),
        ("", '""'),
        ("日本", '"日本"'),
        ("a\ud800b", '"a\ufffdb"'),
        ('"\n', r'"\"\n"'),
        (5, "5"),
        (2**63, "9223372036854775808"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (True, "true"),
        (float("nan"), "null"),
        (float("inf"), "null"),
        (None, "null"),
        (b"caf\xc3\xa9", '"café"'),
        (b"\xff", "null"),
        (Decimal("12.00"), "12"),
        (Decimal("12.50"), "12.5"),
        (Decimal("0.1234567890123456789"), '"0.1234567890123456789"'),
        (Decimal("1E-9"), "1e-09"),
        (Decimal(10**37), str(10**37)),
        (Decimal("NaN"), "null"),
        (date(2020, 1, 2), '"2020-01-02T00:00:00Z"'),
        (datetime(2020, 1, 2, 3, 4, 5, 678), '"2020-01-02T03:04:05Z"'),
        (datetime(2020, 1, 2, 3, tzinfo=timezone(timedelta(hours=4))), '"2020-01-01T23:00:00Z"'),
        (time(3, 4, 5), '"03:04:05"'),
        (timedelta(1), "null"),
        ([1, None, float("nan"), "a"], '[1,null,null,"a"]'),
        ((1, [2]), "[1,[2]]"),
        ({"b": 1, "a": {"d": None, "c": 2}}, '{"a":{"c":2},"b":1}'),
        ({1: "a", b"k": "c", date(2020, 1, 2): "d"}, '{"1":"a","2020-01-02T00:00:00Z":"d","k":"c"}'),
        ({"a": b"\xff", b"\xff": 1, None: 2}, "{}"),
        ([], "[]"),
    ],
    ids=repr,
)
def test_values_as_json(value: Any, expected: str) -> None:
    assert json_text(json_value(value)) == expected


def test_what_is_nested_too_deeply_is_null() -> None:
    value: Any = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    assert json_text(json_value(value)) == "[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH
    assert json_text(json_value([value])) == "[" * MAX_DEPTH + "null" + "]" * MAX_DEPTH


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array(["MIT", None]), ["MIT", None]),
        (pa.array(["MIT", "MIT"]).dictionary_encode(), ["MIT", "MIT"]),
        (pa.array([b"MIT", b"\xff"]), ["MIT", None]),
        (pa.array([b"MIT", b"\xff"]).view(pa.string()), ["MIT", None]),
        (pa.array([5, None], pa.uint8()), [5, None]),
        (pa.array([2**64 - 1, 0], pa.uint64()), [2**64 - 1, 0]),
        (pa.array([0.1, float("nan")], pa.float32()), [0.1, None]),
        (pa.array([0.1, 1e300], pa.float64()), [0.1, 1e300]),
        (pa.array([True, None]), [True, None]),
        (pa.array([Decimal("1.50"), Decimal("2.00")]), [1.5, 2]),
        (pa.array([18263, 2**31 - 1], pa.date32()), ["2020-01-02T00:00:00Z", None]),
        (pa.array([1577923200 * 10**9 + 1, None], pa.timestamp("ns", "No/Such_Zone")), ["2020-01-02T00:00:00Z", None]),
        (pa.array([3723, None], pa.time32("s")), ["01:02:03", None]),
        (pa.array([["b", None, "a"], []]), [["b", None, "a"], []]),
        (pa.array([None, ["a"]], pa.large_list(pa.string())), [None, ["a"]]),
        (pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2)), [[1, 2], [3, 4]]),
        (pa.array([[[1], None], [[]], None]), [[[1], None], [[]], None]),
        (pa.array([{"b": 1, "a": None}, None]), [{"b": 1}, None]),
        (pa.array([{"b": [{"d": 1}, None]}, {"b": []}]), [{"b": [{"d": 1}, None]}, {"b": []}]),
        (
            pa.array([[("b", 1), ("a", None)], None, [("c", 2)]], pa.map_(pa.string(), pa.int8())),
            [{"b": 1}, None, {"c": 2}],
        ),
        (pa.array([[(2, "b"), (1, "a")]], pa.map_(pa.int8(), pa.string())), [{"2": "b", "1": "a"}]),
        (
            pa.array([[({"k": 1}, "b")]], pa.map_(pa.struct([("k", pa.int8())]), pa.string())),
            [[[{"k": 1}, "b"]]],
        ),
        (pa.array([[b"a", b"\xff"]], pa.list_(pa.binary())), [["a", None]]),
        (
            pa.StructArray.from_arrays([pa.array([b"a", b"\xff"]).view(pa.string()), pa.array([1, 2])], ["s", "n"]),
            [{"s": "a", "n": 1}, {"n": 2}],
        ),
        (
            pa.array([[1577923200 * 10**6, 2**60]], pa.list_(pa.timestamp("us", "No/Such_Zone"))),
            [["2020-01-02T00:00:00Z", None]],
        ),
        (pa.nulls(2), [None, None]),
    ],
    ids=lambda value: str(value.type) if isinstance(value, pa.Array) else "",
)
def test_parquet_and_jsonl_give_the_same_json(tmp_path: Path, column: pa.Array, values: list[Any]) -> None:
    tables = read(parquet(tmp_path / "a.parquet", column), "x")
    lines = read(jsonl(tmp_path / "a.jsonl", *({"x": value} for value in values)), "x")
    found = [item.origin.meta for item in tables]
    assert found == [item.origin.meta for item in lines]
    assert [meta and json.loads(meta)["x"] for meta in found] == values


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (("stars",), '{"stars":5}'),
        (("stars", "license"), '{"license":"MIT","stars":5}'),
        (("repo",), '{"repo":{"name":"r","owner":{"id":7}}}'),
        (("repo.owner.id", "repo.name"), '{"repo.name":"r","repo.owner.id":7}'),
        (("repo", "repo.name"), '{"repo":{"name":"r","owner":{"id":7}},"repo.name":"r"}'),
        (("a.b",), '{"a.b":1}'),
        (("none",), None),
        (("none", "stars"), '{"stars":5}'),
        ((), None),
    ],
)
def test_names_of_kept_columns(tmp_path: Path, format: str, keep: tuple[str, ...], expected: str | None) -> None:
    row = {
        "text": "a", "stars": 5, "license": "MIT", "repo": {"owner": {"id": 7}, "name": "r"}, "a.b": 1, "none": None,
    }  # fmt: skip
    path = tmp_path / f"a.{format}"
    if format == "jsonl":
        jsonl(path, row)
    else:
        pq.write_table(pa.Table.from_pylist([row]), path)
    (item,) = read(path, *keep)
    assert isinstance(item, Raw)
    assert item.origin.meta == expected


def test_a_column_of_the_document_may_be_kept_too(tmp_path: Path) -> None:
    (item,) = read(jsonl(tmp_path / "a.jsonl", {"when": "yesterday", "lang": "en-US"}), "when", "lang", date="when")
    assert (item.origin.date, item.origin.meta) == (None, '{"lang":"en-US","when":"yesterday"}')


@pytest.mark.parametrize("column", ["licence", "tags.label", "repo.licence"])
def test_a_missing_column_of_a_table_is_an_error(tmp_path: Path, column: str) -> None:
    rows = [{"text": "a", "license": "MIT", "tags": [{"label": "x"}], "repo": {"name": "r"}}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    with pytest.raises(InputError) as caught:
        read(tmp_path / "a.parquet", column)
    assert str(caught.value) == (
        f"a.parquet has no column {column!r}; set `keep_columns` to columns among text, license, tags, repo.name"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"format": "text", "keep_columns": ["a"]},
            "`keep_columns` has no effect on text files: remove it, or set `format` to jsonl or parquet",
        ),
        (
            {"format": "warc", "fields": {"text": "body"}},
            "`fields` has no effect on warc files: remove it, or set `format` to jsonl or parquet",
        ),
        (
            {"format": "jsonl", "extensions": [".py"]},
            "`extensions` has no effect on jsonl files: remove it, or set `format` to code",
        ),
        (
            {"format": "jsonl", "keep_columns": ["text"]},
            "'text' is the column of the text: remove it from `keep_columns`",
        ),
        (
            {"format": "jsonl", "kind": "code", "fields": {"lang": "lang"}},
            "source code has no language: remove `fields.lang`, or name the column in `keep_columns`",
        ),
    ],
)
def test_keys_without_effect_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SourceSection.model_validate({"name": "s", "root": ".", **options})


LONG = "é" * (MAX_NAME_BYTES // 2)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"url": LONG, "id": LONG}, Raw),
        ({"url": LONG + "a"}, "url: 8193 bytes"),
        ({"id": LONG + "é"}, "id: 8194 bytes"),
        ({"id": "a" * MAX_NAME_BYTES, "url": "a" * 10_000}, "url: 10000 bytes"),
        ({"id": LONG + "a", "url": LONG + "a"}, "id: 8193 bytes; url: 8193 bytes"),
        ({"x": "a" * (MAX_META_BYTES - len('{"x":""}'))}, Raw),
        (
            {"x": "a" * (MAX_META_BYTES - len('{"x":""}') + 1)},
            "keep_columns: 65537 bytes, 'x': 65531 bytes",
        ),
        ({"x": ["é" * 20_000], "y": "a" * 30_000}, "keep_columns: 70017 bytes, 'x': 40004 bytes"),
        ({"x": "a" * 10**6, "text": ""}, "empty"),
        ({"x": "a" * 10**6, "text": 5}, "missing_text"),
    ],
    ids=range(10),
)
def test_what_is_too_long_costs_the_document(tmp_path: Path, row: dict[str, Any], expected: str | type) -> None:
    item, other = read(jsonl(tmp_path / "a.jsonl", row, {"x": 1}), "x", "y", id="id", url="url")
    assert isinstance(other, Raw)
    if isinstance(item, Raw):
        assert expected is Raw
        return
    if isinstance(item, Dropped):
        assert (item.reason, item.also) == (("empty", ("too_long",)) if expected == "empty" else ("too_long", ()))
        assert item.detail == ("" if expected == "empty" else expected)
    else:
        assert isinstance(item, Failed)
        assert item.cause == expected
    assert all(value is None or len(value) <= MAX_NAME_BYTES for value in item.origin[4:6])
    assert item.origin.meta is None


def test_the_url_of_an_archived_page_may_be_too_long(tmp_path: Path) -> None:
    def record(uri: str) -> bytes:
        head = f"WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: {uri}\r\nContent-Type: text/html\r\n"
        return head.encode() + b"Content-Length: 5\r\n\r\n<p>a\n\r\n\r\n"

    (tmp_path / "a.warc").write_bytes(record("http://x/" + "a" * 9000) + record("http://x/"))
    source = SourceSection(name="s", format="warc", root=str(tmp_path))
    (unit,) = plan_units(source, 2**28)
    dropped, kept, end = read_unit(unit, source, ReadLimits())
    assert isinstance(end, UnitSummary)
    assert isinstance(dropped, Dropped)
    assert (dropped.reason, dropped.detail, dropped.origin.url) == ("too_long", "url: 9009 bytes", None)
    assert isinstance(kept, Raw)
    assert (end.records, end.covered) == (2, end.expected)

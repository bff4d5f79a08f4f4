"""Parquet pages: small files that hold many bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.transforms.read import parquet_pages, parquet_rows
from gristmill.transforms.read.parquet_pages import PageHeader, parse_page_header
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit

HEADER = bytes.fromhex("1504 158001 1514 4c 1502 1500 00 00")
"""A dictionary page of 64 bytes, 10 as stored, with one value."""


def test_a_header() -> None:
    assert parse_page_header(HEADER + b"more") == PageHeader(2, 64, 10, 1, 0, len(HEADER))


@pytest.mark.parametrize("end", range(len(HEADER)))
def test_a_header_that_is_cut_off(end: int) -> None:
    assert parse_page_header(HEADER[:end]) is None


@pytest.mark.parametrize("data", [b"\x1c" * 20, b"\x15\x02\x15\x01\x00", b"\x1f", b"\x15" + b"\xff" * 20])
def test_a_malformed_header(data: bytes) -> None:
    with pytest.raises(ValueError, match="the header of a page"):
        parse_page_header(data)


TEXTS = ["short"] * 100 + ["a" * 5000, "b" * 3000] * 300 + ["short"] * 100


def outcomes(folder: Path, **options: Any) -> list[Any]:
    pq.write_table(pa.table({"text": TEXTS}), folder / "a.parquet", **options)
    source = SourceSection.model_validate({"name": "a", "format": "parquet", "root": str(folder), "paths": ["*"]})
    (unit,) = plan_units(source, 2**30)
    return list(read_unit(unit, source, ReadLimits(max_bytes=4000)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"use_dictionary": False},
        {"use_dictionary": False, "column_encoding": {"text": "DELTA_BYTE_ARRAY"}},
        {"use_dictionary": False, "data_page_version": "2.0", "data_page_size": 1000},
    ],
)
def test_small_batches_give_the_same_items(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    expected = outcomes(tmp_path, **options)
    monkeypatch.setattr(parquet_pages, "MAX_BATCH_BYTES", 7_000_000)
    monkeypatch.setattr(parquet_pages, "_LONG_BYTES", 100_000)
    assert outcomes(tmp_path, **options) == expected
    assert len(expected) == len(TEXTS) + 1


def test_the_page_of_a_value_that_is_longer_than_any_page_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_PAGE_BYTES", 1000)
    *items, summary = outcomes(tmp_path, use_dictionary=False)
    assert {item.cause for item in items} == {"corrupt"}
    assert summary.records == summary.covered == summary.expected == len(TEXTS)


@pytest.mark.parametrize(("values", "longest"), [([], 0), (["", "abc", "d"], 3)])
def test_the_longest_value_of_a_dictionary(values: list[str], longest: int) -> None:
    data = b"".join(len(value).to_bytes(4, "little") + value.encode() for value in values)
    assert parquet_pages.longest_value(data, len(values)) == longest
    with pytest.raises(ValueError, match="too short"):
        parquet_pages.longest_value(data, len(values) + 1)


@pytest.mark.parametrize(("field", "limit"), [("_FREE_ROWS", 699), ("_MAX_FOOTER_BYTES", 10)])
def test_a_footer_that_announces_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, limit: int
) -> None:
    monkeypatch.setattr(parquet_rows, field, limit)
    item, summary = outcomes(tmp_path, compression="zstd")
    assert (item.cause, summary.records, summary.covered) == ("unreadable", 1, summary.expected)


def test_a_file_that_expands_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_rows, "_FREE_BYTES", 2**20)
    monkeypatch.setattr(parquet_rows, "_READ_RATIO", 0)
    *items, summary = outcomes(tmp_path)
    assert getattr(items[0], "payload", "") == "short"
    assert getattr(items[-1], "cause", "") == "corrupt"
    assert summary.records == summary.covered == summary.expected == len(TEXTS)


def test_a_schema_that_is_too_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_pages, "MAX_SCHEMA_DEPTH", 0)
    item, _ = outcomes(tmp_path)
    assert item.cause == "unreadable"

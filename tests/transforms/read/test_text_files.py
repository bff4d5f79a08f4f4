"""Texts and source code: one document per file."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gristmill.corpus.record import Failed, Raw, UnitSummary
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.text_files import decode_text
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit

PATHS = {"jsonl": "a.jsonl", "parquet": "a.parquet"}


def test_one_document_per_file(tmp_path: Path) -> None:
    for name, data in {"a.txt": b"text", "b.txt": b"\0\1", "c.txt": b" ", "d.txt": b"x" * 11}.items():
        (tmp_path / name).write_bytes(data)
    section = SourceSection(name="s", format="text", root=str(tmp_path))
    (unit,) = plan_units(section, 2**20)
    *items, end = read_unit(unit, section, ReadLimits(max_bytes=10))
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
    ("format", "kind", "media_type"),
    [
        ("text", None, "text/plain"),
        ("text", "book", "text/plain"),
        ("text", "code", "text/x-code"),
        ("code", None, "text/x-code"),
        ("code", "code", "text/x-code"),
        ("code", "reference", "text/plain"),
        ("jsonl", None, "text/plain"),
        ("jsonl", "dialogue", "text/plain"),
        ("jsonl", "code", "text/x-code"),
        ("parquet", None, "text/plain"),
        ("parquet", "code", "text/x-code"),
    ],
)
def test_texts_of_the_kind_code_are_source_code(tmp_path: Path, format: str, kind: str | None, media_type: str) -> None:
    pq.write_table(pa.table({"text": ["x = 1"]}), tmp_path / "a.parquet")
    (tmp_path / "a.jsonl").write_text('{"text": "x = 1"}\n')
    (tmp_path / "a.py").write_text("x = 1")
    given = {"name": "s", "format": format, "root": str(tmp_path), "paths": [PATHS.get(format, "a.py")]}
    section = SourceSection.model_validate(given if kind is None else {**given, "kind": kind})
    (unit,) = plan_units(section, 2**20)
    item, _ = read_unit(unit, section, ReadLimits())
    assert isinstance(item, Raw)
    assert (item.media_type, item.payload) == (media_type, "x = 1")


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

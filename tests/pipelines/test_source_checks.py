"""Input of the wrong kind is refused before or after ``extract``; a few broken records are not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import InputError
from gristmill.pipelines.stages.source_checks import has_too_many_failures, require_known_languages
from gristmill.pipelines.work_directory import read_ledger
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from tests.pipelines.conftest import run_recipe
from tests.pipelines.small_recipes import recipe, source

WARC = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: 4\r\n\r\n<p>.\r\n\r\n"


def rows(*names: str, count: int = 20) -> bytes:
    return b"".join(json.dumps(dict.fromkeys(names, f"row {row}")).encode() + b"\n" for row in range(count))


@pytest.mark.parametrize(
    ("records", "failed", "max_failed", "refused"),
    [
        (100_000, 5_000, 0.05, False),
        (100_000, 5_001, 0.05, True),
        (1_000, 50, 0.05, False),
        (1_000, 51, 0.05, True),
        (999, 50, 0.05, False),
        (999, 51, 0.05, True),
        (20, 10, 0.05, False),
        (20, 11, 0.05, True),
        (1, 1, 0.05, True),
        (0, 0, 0.05, False),
        (100_000, 1, 0, True),
        (5, 1, 0, True),
        (5, 4, 0.8, False),
        (5, 5, 0.8, True),
        (5, 5, 1, False),
    ],
)
def test_how_many_records_may_fail(records: int, failed: int, max_failed: float, refused: bool) -> None:
    counts = RecordCounts(records, records - failed, {}, {"bad_json": failed}, 1, 1)
    assert has_too_many_failures(counts, max_failed) is refused


@pytest.mark.parametrize(
    ("format", "name", "data", "options", "error"),
    [
        (
            "jsonl",
            "a.warc",
            WARC * 20,
            {},
            "80 of the first 80 records of a.warc failed, most of them with bad_json; the file looks like warc: "
            "correct `format` (jsonl) or `paths`",
        ),
        (
            "jsonl",
            "a.warc.gz",
            gzip.compress(WARC, mtime=0) * 20,
            {},
            "80 of the first 80 records of a.warc.gz failed, most of them with bad_json; the file looks like warc: "
            "correct `format` (jsonl) or `paths`",
        ),
        (
            "jsonl",
            "a.jsonl",
            rows("content", "id"),
            {},
            "20 of the first 20 records of a.jsonl failed, most of them with missing_text; set `fields.text` to the "
            "column of the text (there are content, id)",
        ),
        (
            "warc",
            "a.jsonl",
            rows("text"),
            {},
            "1 of the first 1 records of a.jsonl failed, most of them with garbage; the file looks like jsonl: "
            "correct `format` (warc) or `paths`",
        ),
        (
            "parquet",
            "a.jsonl.gz",
            gzip.compress(rows("text"), mtime=0),
            {},
            "1 of the first 1 records of a.jsonl.gz failed, most of them with unreadable; the file looks like jsonl: "
            "correct `format` (parquet) or `paths`",
        ),
        (
            "text",
            "a.txt",
            b"\x00\xff\xfe" * 99,
            {},
            "1 of 1 records failed, most of them with not_text; correct `format`, `root` or `paths`",
        ),
        (
            "jsonl",
            "a.jsonl",
            rows("text", count=99) + b"{\n",
            {"max_failed": 0},
            "1 of 100 records failed, most of them with bad_json; correct `format`, `root` or `paths`",
        ),
    ],
    ids=[
        "WARC as JSONL",
        "gzipped WARC as JSONL",
        "another key",
        "JSONL as WARC",
        "JSONL as Parquet",
        "binary",
        "none",
    ],
)
def test_input_of_the_wrong_kind_is_refused(
    tmp_path: Path, format: str, name: str, data: bytes, options: dict[str, Any], error: str
) -> None:
    wrong = recipe(source(tmp_path, "wrong", format, {name: data}, **options))
    with pytest.raises(InputError) as caught:
        run_recipe(wrong, tmp_path / "work", until="extract")
    share = options.get("max_failed", 0.05)
    assert str(caught.value) == f"source 'wrong': {error}, or allow it with `max_failed` (now {share})"


def test_a_larger_share_resumes(tmp_path: Path) -> None:
    given = source(tmp_path, "mixed", "jsonl", {"a.jsonl": rows("text", count=30) + b"{\n" * 31})
    with pytest.raises(InputError, match="31 of the first 61 records"):
        run_recipe(recipe(given), tmp_path / "work", until="extract")
    assert not storage.listing(str(tmp_path / "work")).keys() & {"ledger.json"}
    allowed = run_recipe(recipe({**given, "max_failed": 0.6}), tmp_path / "work", until="extract")
    assert allowed.units_processed() == {"extract": 1}
    with pytest.raises(InputError, match="31 of 61 records failed"):
        run_recipe(recipe(given), tmp_path / "work", until="extract")
    assert run_recipe(recipe({**given, "max_failed": 1}), tmp_path / "work", until="extract").units_processed() == {
        "extract": 0
    }
    assert read_ledger(str(tmp_path / "work"))["balanced"]


def test_a_broken_first_file_is_no_wrong_format(tmp_path: Path) -> None:
    files = {"a.jsonl.gz": b"\x1f\x8b broken", "b.jsonl": rows("text")}
    completed = run_recipe(recipe(source(tmp_path, "rows", "jsonl", files)), tmp_path / "work", until="extract")
    (line,) = completed.ledger["stages"]
    assert (line["in"], line["kept"], line["failed"]) == (21, 20, {"corrupt": 1})


@pytest.mark.parametrize(
    ("sections", "key", "language"),
    [
        ({"extract": {"languages": ["en", "english"]}}, "extract.languages", "english"),
        ({"judge": {"languages": ["eng"]}}, "judge.languages", "eng"),
        ({"judge": {"overlays": [{"lang": "EN", "rules": []}]}}, "judge.overlays", "EN"),
    ],
)
def test_unknown_languages_are_named(tmp_path: Path, sections: dict[str, Any], key: str, language: str) -> None:
    with pytest.raises(InputError) as caught:
        require_known_languages(recipe(source(tmp_path, "rows", "jsonl", {}), **sections))
    assert str(caught.value) == (
        f"{key}: the language model knows no language {language!r}; use its codes, such as en, de or zh"
    )


def test_known_languages_pass(tmp_path: Path) -> None:
    sections = {"extract": {"languages": ["en", "und"]}, "judge": {"overlays": [{"lang": "zh", "rules": []}]}}
    require_known_languages(recipe(source(tmp_path, "rows", "jsonl", {}), **sections))

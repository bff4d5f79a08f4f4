"""Input of the wrong kind is refused before or after ``extract``; a few broken records are not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import InputError
from gristmill.pipelines.stages.source_checks import FIRST_RECORDS, has_too_many_failures, require_known_languages
from gristmill.pipelines.work_directory import read_ledger
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from tests.pipelines.conftest import run_recipe
from tests.pipelines.small_recipes import prose, recipe, source

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


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"keep_columns": ["license", "stars"]}, None),
        ({"keep_columns": ["sparse"]}, None),
        ({"keep_columns": ["repo"]}, None),
        ({"keep_columns": ["repo.stars", "a.b"]}, None),
        ({"keep_columns": ["later"]}, None),
        ({"keep_columns": ["licence"]}, ("licence", "keep_columns")),
        ({"keep_columns": ["repo.licence"]}, ("repo.licence", "keep_columns")),
        ({"keep_columns": ["tags.label"]}, ("tags.label", "keep_columns")),
        ({"fields": {"url": "link"}}, ("link", "fields.url")),
        ({"fields": {"id": "uuid"}}, ("uuid", "fields.id")),
        ({"fields": {"date": "day"}}, ("day", "fields.date")),
        ({"fields": {"lang": "language"}}, ("language", "fields.lang")),
        ({"fields": {"date": "stars", "id": "license", "url": "license"}, "keep_columns": ["license"]}, None),
    ],
    ids=str,
)
def test_columns_that_no_row_has_are_named(
    tmp_path: Path, options: dict[str, Any], missing: tuple[str, str] | None
) -> None:
    row = {
        "text": prose(1), "license": None, "stars": 5, "repo": {"stars": 5}, "a.b": 1, "tags": [{"label": "x"}]
    }  # fmt: skip
    rows = [row] * 7 + [{**row, "sparse": 1}]
    files = {"a.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in rows) + b"[]\n{\n"}
    files["b.jsonl"] = json.dumps({"text": prose(2), "later": 1}).encode()
    given = recipe(source(tmp_path, "rows", "jsonl", files, **options))
    completed = run_recipe(given, tmp_path / "work", until="extract")
    assert completed.done["extract"].step.notices == (
        ()
        if missing is None
        else (
            f"source 'rows': none of the first 9 rows has the column {missing[0]!r} that `{missing[1]}` names "
            "(there are text, license, stars, repo.stars, a.b, tags, sparse, later)",
        )
    )


def test_columns_are_looked_for_in_the_first_rows_only(tmp_path: Path) -> None:
    files = {"a.jsonl": rows("text", count=FIRST_RECORDS) + rows("text", "late", count=1)}
    late = recipe(source(tmp_path, "rows", "jsonl", files, keep_columns=["late"]))
    (notice,) = run_recipe(late, tmp_path / "work", until="extract").done["extract"].step.notices
    assert "none of the first 1,000 rows has the column 'late'" in notice


@pytest.mark.parametrize(
    ("before", "after", "units"),
    [
        ({"kind": "web"}, {"kind": "book"}, 0),
        ({}, {"kind": "reference"}, 0),
        ({"kind": "book"}, {"kind": "code"}, 1),
        ({"kind": "code"}, {"kind": "dialogue"}, 1),
        ({"max_failed": 0.1}, {"max_failed": 0.2}, 0),
        ({}, {"keep_columns": ["text2"]}, 1),
        ({}, {"fields": {"lang": "text2"}}, 1),
    ],
)
def test_units_are_read_again_if_they_are_read_otherwise(
    tmp_path: Path, before: dict[str, Any], after: dict[str, Any], units: int
) -> None:
    files = {"a.jsonl": rows("text", "text2")}
    run_recipe(recipe(source(tmp_path, "rows", "jsonl", files, **before)), tmp_path / "work", until="extract")
    again = run_recipe(recipe(source(tmp_path, "rows", "jsonl", files, **after)), tmp_path / "work", until="extract")
    assert again.units_processed() == {"extract": units}


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


def test_declared_languages_may_be_unknown_to_the_model(tmp_path: Path) -> None:
    declaring = source(tmp_path, "rows", "jsonl", {}, fields={"lang": "lang"})
    require_known_languages(recipe(declaring, extract={"languages": ["ha", "haw", "als"]}))
    with pytest.raises(InputError, match="knows no language 'eng'"):
        require_known_languages(recipe(declaring, extract={"languages": ["eng"]}))
    with pytest.raises(InputError, match="knows no language 'ha'"):
        require_known_languages(recipe(source(tmp_path, "others", "jsonl", {}), extract={"languages": ["ha"]}))

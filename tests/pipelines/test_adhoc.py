"""Single steps on files and lines: accepted input, and the errors for everything else."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard

from gristmill.errors import InputError
from gristmill.pipelines.adhoc import extract_files, judge_files, redact_files

Step = Callable[..., Iterator[dict[str, Any]]]


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Returns a function that sets the lines of standard input."""

    def set_lines(*lines: bytes | dict[str, Any]) -> None:
        data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))

    return set_lines


def fault(step: Step, *names: str) -> str:
    with pytest.raises(InputError) as caught:
        list(step(names, []))
    return str(caught.value)


@pytest.mark.parametrize(
    ("step", "line", "message"),
    [
        (redact_files, b"{", "not valid JSON; give one JSON object per line"),
        (redact_files, b"\xff\xfe\x01", "not valid JSON; give one JSON object per line"),
        (redact_files, b'["text"]', "the object has no string 'text'; add it"),
        (redact_files, {"text": None}, "the object has no string 'text'; add it"),
        (judge_files, {"txt": "a"}, "the object has no string 'text'; add it"),
        (judge_files, {"text": "a", "lang": ["en"]}, "'lang' is not a string; correct or remove it"),
        (
            judge_files,
            {"text": "a", "lang": "en", "lang_score": "1"},
            "'lang_score' is not a number; correct or remove it",
        ),
        (judge_files, {"text": "a", "source": {}}, "'source' is not a string; correct or remove it"),
        (extract_files, {"text": "a"}, "the object has no string 'html'; add it"),
        (extract_files, {"html": "a", "url": 5}, "'url' is not a string; correct or remove it"),
    ],
)
def test_an_invalid_line(pipe: Callable[..., None], step: Step, line: Any, message: str) -> None:
    pipe({"text": "fine", "html": "fine"}, b"", line)
    assert fault(step, "-") == f"-, line 3: {message}"


@pytest.mark.parametrize("step", [extract_files, judge_files, redact_files])
def test_a_file_that_cannot_be_read(tmp_path: Path, step: Step) -> None:
    (tmp_path / "file").write_text("x")
    assert fault(step, f"{tmp_path}/no") == f"no file {tmp_path}/no"
    assert fault(step, str(tmp_path)) == f"{tmp_path} is a folder; give a file"
    assert fault(step, f"{tmp_path}/file/x") == f"cannot read {tmp_path}/file/x: Not a directory"


@pytest.mark.parametrize("step", [judge_files, redact_files])
def test_a_file_that_is_not_text(tmp_path: Path, step: Step) -> None:
    (tmp_path / "a.txt").write_bytes(bytes(range(256)))
    assert fault(step, f"{tmp_path}/a.txt").startswith(f"{tmp_path}/a.txt is not a text file: ")
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "a"}\n{"text": ')
    assert (
        fault(step, f"{tmp_path}/b.jsonl")
        == f"{tmp_path}/b.jsonl, line 2: not valid JSON; give one JSON object per line"
    )


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_texts_are_decoded_as_in_a_run(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("Grüße an ann@b.org".encode(encoding))
    (row,) = redact_files([f"{tmp_path}/a.txt"], [])
    assert row["text"] == "Grüße an <EMAIL_ADDRESS>"


def test_pages_that_a_run_would_reject_have_a_reason(tmp_path: Path) -> None:
    (tmp_path / "deep.html").write_text("<div>" * 5000)
    (tmp_path / "empty.html").write_text("")
    deep, empty = extract_files([f"{tmp_path}/deep.html", f"{tmp_path}/empty.html"], [])
    assert (deep["failed"], empty["dropped"]) == ("too_deep", "empty")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress, zlib.compress])
def test_compressed_files_are_decompressed(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    page = b"<html><body><p>" + b"The quick brown fox jumps over the lazy dog near the river. " * 9
    (tmp_path / "plain.html").write_bytes(page)
    (tmp_path / "packed.html").write_bytes(pack(page))
    plain, packed = extract_files([f"{tmp_path}/plain.html", f"{tmp_path}/packed.html"], [])
    assert "lazy dog" in plain["text"]
    assert packed == {**plain, "file": f"{tmp_path}/packed.html", "url": packed["url"]}
    assert packed["url"] is None


def test_a_file_that_is_no_page_is_dropped_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes(gzip.compress(b"%PDF-1.7\n"))
    (row,) = extract_files([f"{tmp_path}/a.html"], [])
    assert (row["dropped"], row["detail"]) == ("binary:application/pdf", "application/pdf")


def test_url_lists_apply_to_lines_with_a_url(tmp_path: Path, pipe: Callable[..., None]) -> None:
    (tmp_path / "words.txt").write_text("casino\n")
    pipe({"html": "<p>a</p>", "url": "https://a.example/casino"})
    (row,) = extract_files(["-"], [f"url.words=[{tmp_path}/words.txt]"])
    assert row["dropped"] == "url_word"


def test_a_row_may_state_its_language_and_source(pipe: Callable[..., None]) -> None:
    pipe({"text": "kurz", "lang": "de", "lang_score": 1, "source": "web"}, {"text": "kurz", "lang": None})
    overlay = 'overlays=[{"source": "web", "rules": []}]'
    stated, identified = judge_files(["-"], [overlay])
    assert (stated["lang"], stated["lang_score"], stated["kept"], stated["rules"]) == ("de", 1, True, {})
    assert isinstance(identified["lang"], str)
    assert not identified["kept"]


def test_a_row_may_state_the_kind_of_its_source_and_metadata(pipe: Callable[..., None]) -> None:
    row = {"text": "short", "lang": "en", "lang_score": 1}
    pipe(row, {**row, "kind": "code"}, {**row, "meta": {"stars": 3}}, {**row, "meta": '{"stars": 9}'})
    found = list(judge_files(["-"], ["rules=[words_min]", "meta.stars.min=5"]))
    assert [row["kept"] for row in found] == [False, True, False, False]
    assert [row["also"] for row in found] == [[], [], ["meta:stars"], []]
    assert found[2]["rules"]["meta:stars"] == {"value": 3, "threshold": 5.0, "passed": False}
    assert found[1]["rules"] == {}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"kind": "bok"}, "'kind' is 'bok', but the kinds are web, book, code, reference, dialogue; correct or remove"),
        ({"meta": "[1]"}, "'meta' is '\\[1\\]', which is not a JSON object; correct or remove it"),
        ({"meta": "no"}, "'meta' is 'no', which is not a JSON object; correct or remove it"),
    ],
)
def test_rows_of_an_unknown_kind_or_with_other_metadata(
    pipe: Callable[..., None], row: dict[str, Any], message: str
) -> None:
    pipe({"text": "short", "lang": "en", **row})
    with pytest.raises(InputError, match=message):
        list(judge_files(["-"], ["meta.stars.min=5"]))


def test_every_rule_is_reported_with_its_value_and_threshold(pipe: Callable[..., None]) -> None:
    pipe({"text": "one two three four", "lang": "en"})
    (row,) = judge_files(["-"], ["rules=[words_min, words_max, hashes]", "thresholds.words_min=5"])
    assert row["rules"] == {
        "words_min": {"value": 4.0, "threshold": 5.0, "passed": False},
        "words_max": {"value": 4.0, "threshold": 100000.0, "passed": True},
        "hashes": {"value": 0.0, "threshold": 0.1, "passed": True},
    }
    assert (row["kept"], row["reason"], row["also"], row["lang_score"]) == (False, "words_min", [], None)

"""One step on loose input: what a file or a line may be, and what is told where it is not."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gristmill.errors import InputError
from gristmill.pipelines.adhoc import extract_files, judge_files, redact_files

Step = Callable[..., Iterator[dict[str, Any]]]


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts lines on standard input."""

    def put(*lines: bytes | dict[str, Any]) -> None:
        data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(data)))

    return put


def fault(step: Step, *names: str) -> str:
    with pytest.raises(InputError) as caught:
        list(step(names, []))
    return str(caught.value)


@pytest.mark.parametrize(
    ("step", "line", "said"),
    [
        (redact_files, b"{", "not JSON; give one JSON object a line"),
        (redact_files, b"\xff\xfe\x01", "not JSON; give one JSON object a line"),
        (redact_files, b'["text"]', "no string 'text'; give JSON objects with that key"),
        (redact_files, {"text": None}, "no string 'text'; give JSON objects with that key"),
        (judge_files, {"txt": "a"}, "no string 'text'; give JSON objects with that key"),
        (judge_files, {"text": "a", "lang": ["en"]}, "'lang' is no string; mend it or leave it out"),
        (
            judge_files,
            {"text": "a", "lang": "en", "lang_score": "1"},
            "'lang_score' is no number; mend it or leave it out",
        ),
        (judge_files, {"text": "a", "source": {}}, "'source' is no string; mend it or leave it out"),
        (extract_files, {"text": "a"}, "no string 'html'; give JSON objects with that key"),
        (extract_files, {"html": "a", "url": 5}, "'url' is no string; mend it or leave it out"),
    ],
)
def test_a_line_that_will_not_do(pipe: Callable[..., None], step: Step, line: Any, said: str) -> None:
    pipe({"text": "fine", "html": "fine"}, b"", line)
    assert fault(step, "-") == f"-, line 3: {said}"


@pytest.mark.parametrize("step", [extract_files, judge_files, redact_files])
def test_a_file_that_cannot_be_read(tmp_path: Path, step: Step) -> None:
    (tmp_path / "file").write_text("x")
    assert fault(step, f"{tmp_path}/no") == f"no file {tmp_path}/no"
    assert fault(step, str(tmp_path)) == f"{tmp_path} is a folder; give files"
    assert fault(step, f"{tmp_path}/file/x") == f"cannot read {tmp_path}/file/x: Not a directory"


@pytest.mark.parametrize("step", [judge_files, redact_files])
def test_a_file_that_is_no_text(tmp_path: Path, step: Step) -> None:
    (tmp_path / "a.txt").write_bytes(bytes(range(256)))
    assert fault(step, f"{tmp_path}/a.txt").startswith(f"{tmp_path}/a.txt is no text: ")
    (tmp_path / "b.jsonl").write_bytes(b'{"text": "a"}\n{"text": ')
    assert fault(step, f"{tmp_path}/b.jsonl") == f"{tmp_path}/b.jsonl, line 2: not JSON; give one JSON object a line"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_texts_are_decoded_as_the_mill_decodes_them(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes("Grüße an ann@b.org".encode(encoding))
    (row,) = redact_files([f"{tmp_path}/a.txt"], [])
    assert row["text"] == "Grüße an <EMAIL_ADDRESS>"


def test_pages_that_the_recipe_would_turn_away_are_told_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "deep.html").write_text("<div>" * 5000)
    (tmp_path / "empty.html").write_text("")
    deep, empty = extract_files([f"{tmp_path}/deep.html", f"{tmp_path}/empty.html"], [])
    assert (deep["failed"], empty["dropped"]) == ("too_deep", "no_text")


def test_lists_hold_for_lines_with_a_url(tmp_path: Path, pipe: Callable[..., None]) -> None:
    (tmp_path / "words.txt").write_text("casino\n")
    pipe({"html": "<p>a</p>", "url": "https://a.example/casino"})
    (row,) = extract_files(["-"], [f"url.words=[{tmp_path}/words.txt]"])
    assert row["dropped"] == "url_word"


def test_a_row_may_say_what_it_is(pipe: Callable[..., None]) -> None:
    pipe({"text": "kurz", "lang": "de", "lang_score": 1, "source": "web"}, {"text": "kurz", "lang": None})
    overlay = 'overlays=[{"source": "web", "rules": []}]'
    told, guessed = judge_files(["-"], [overlay])
    assert (told["lang"], told["lang_score"], told["kept"], told["rules"]) == ("de", 1, True, {})
    assert isinstance(guessed["lang"], str)
    assert not guessed["kept"]


def test_every_rule_is_told_with_its_value_and_threshold(pipe: Callable[..., None]) -> None:
    pipe({"text": "one two three four", "lang": "en"})
    (row,) = judge_files(["-"], ["rules=[words_min, words_max, hashes]", "thresholds.words_min=5"])
    assert row["rules"] == {
        "words_min": {"value": 4.0, "threshold": 5.0, "passed": False},
        "words_max": {"value": 4.0, "threshold": 100000.0, "passed": True},
        "hashes": {"value": 0.0, "threshold": 0.1, "passed": True},
    }
    assert (row["kept"], row["reason"], row["also"], row["lang_score"]) == (False, "words_min", [], None)

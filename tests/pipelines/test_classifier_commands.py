"""``gristmill classifier …``: what each command writes and prints, and its errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gristmill.pipelines.cli.main import main
from tests.classifiers.tiny_models import labelled, text


def gristmill(*arguments: object, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(main, ["classifier", *map(str, arguments)], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def fault(result: Result) -> str:
    assert result.exit_code == 2, result.output
    return result.stderr.removeprefix("error: ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    for name, positive in (("good", True), ("bad", False)):
        examples = [example for example in labelled() if example.positive is positive]
        rows = [{"text": example.text, "source": example.source} for example in examples]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "reference.jsonl").write_text(
        "".join(json.dumps({"text": text(n < 30, 900 + n)}) + "\n" for n in range(99))
    )
    trained = gristmill("train", *_sides(folder), "--reference", folder / "reference.jsonl", "--out", folder / "m.bin")
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout)["f1"] > 0.9
    assert "average precision" in trained.stderr
    return folder


def _sides(folder: Path) -> tuple[Any, ...]:
    return ("--positive", folder / "good.jsonl", "--negative", folder / "bad.jsonl")


def rows(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_training_writes_a_model_and_its_card(folder: Path) -> None:
    card = json.loads((folder / "m.bin.json").read_text())
    assert card["reference"]["texts"] == 99
    assert len(card["reference"]["percentiles"]) == 101
    assert str(folder) not in (folder / "m.bin.json").read_text()


def test_training_again_gives_the_same_bytes_and_quantizing_fewer(folder: Path, tmp_path: Path) -> None:
    for out in ("again.bin", "small.ftz"):
        quantise = ("--quantise", 300) if out.endswith("ftz") else ()
        gristmill("train", *_sides(folder), "--out", tmp_path / out, *quantise)
    assert (tmp_path / "again.bin").read_bytes() == (folder / "m.bin").read_bytes()
    assert (tmp_path / "small.ftz").stat().st_size < (folder / "m.bin").stat().st_size


def test_evaluate(folder: Path) -> None:
    result = json.loads(gristmill("evaluate", folder / "m.bin", *_sides(folder)).stdout)
    assert result["texts"] == 400
    assert result["f1"] > 0.9
    assert result["keep_share"].keys() == {"s0", "s1"}
    assert result["curve"][0]["recall"] == 1.0
    all_kept = json.loads(gristmill("evaluate", folder / "m.bin", *_sides(folder), "--threshold", 0).stdout)
    assert (all_kept["recall"], all_kept["precision"]) == (1.0, 0.5)


def test_score(folder: Path) -> None:
    stdin = json.dumps({"text": text(True, 1), "id": 1}) + "\n" + json.dumps({"text": text(False, 1), "lang": "de"})
    good, bad = rows(gristmill("score", "-", "--set", f"model={folder / 'm.bin'}", stdin=stdin))
    assert good["id"] == 1
    assert bad["lang"] == "de"
    assert good["score"] > 0.5 > bad["score"]


def test_score_without_a_model_uses_the_bundled_one(tmp_path: Path) -> None:
    (tmp_path / "page.txt").write_text("Add to cart. Login. Checkout. Sort by price. Newsletter. Next page.")
    (row,) = rows(gristmill("score", tmp_path / "page.txt"))
    assert row["file"] == str(tmp_path / "page.txt")
    assert row["score"] < 0.5


def test_score_by_a_word_list(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("damn\n")
    stdin = "".join(json.dumps({"text": "damn the thing", "lang": lang}) + "\n" for lang in ("en", "de"))
    sets = ("--set", "kind=words", "--set", f"lists.en={tmp_path / 'words.txt'}")
    assert [row["score"] for row in rows(gristmill("score", "-", *sets, stdin=stdin))] == [333.3333, None]


def test_perplexity(folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("kenlm")
    out = tmp_path / "lm.arpa"
    result = gristmill(
        "perplexity", folder / "good.jsonl", "--reference", folder / "reference.jsonl", "--order", 2, "--out", out
    )
    assert json.loads(result.stdout)["texts"] == 200
    sets = ("--set", "kind=kenlm", "--set", f"model={out}")
    stdin = "".join(json.dumps({"text": line}) + "\n" for line in (text(True, 1), text(False, 1), "…"))
    good, bad, empty = rows(gristmill("score", "-", *sets, stdin=stdin))
    assert good["score"] < bad["score"]
    assert good["part"] == "head" != bad["part"]
    assert (empty["score"], empty["part"]) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("score", "-", "--set", "model=nothing.ftz"), "cannot load the model nothing.ftz"),
        (("score", "-", "--set", "kind=fastext"), "scorer.kind: unknown value 'fastext'; did you mean 'fasttext'?"),
        (("evaluate", "m.bin", "--positive", "a.jsonl", "--negative", "b.jsonl"), "cannot load the model m.bin"),
        (("train", "--positive", "a.jsonl", "--negative", "b.jsonl", "--out", "m"), "no file a.jsonl"),
        (("perplexity", "a.jsonl", "--out", "m"), "no file a.jsonl"),
    ],
)
def test_errors_are_one_sentence(
    arguments: tuple[str, ...], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = fault(gristmill(*arguments, stdin=""))
    assert sentence in message
    assert len(message.splitlines()) == 1

"""Test items in a corpus, from recipe to report: the outcome of documents, and the report on items."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gristmill.errors import InputError
from gristmill.pipelines.cli.contamination import FoundItem, contamination, found_items
from gristmill.pipelines.recipe import Recipe
from tests.pipelines.conftest import CompletedRun, copy_stages, run_recipe
from tests.pipelines.small_recipes import lines, prose, recipe, source
from tests.pipelines.test_run import final_texts

QUESTION = (
    "A gardener carries nineteen buckets uphill before breakfast, spills seven, and refills eleven at the pump; how "
    "many full buckets stand beside her greenhouse when the church clock strikes nine?"
)
ANSWER = "Twenty three buckets stand beside the greenhouse, since nineteen less seven is twelve and eleven more arrive."


def quiz(folder: Path, **more: Any) -> Recipe:
    """Four documents: clean, with a question, with a question and its answer, with an answer."""
    texts = [
        prose(1),
        f"{prose(2)}\n\n{QUESTION.upper()}\n\n{prose(3)}",
        f"{prose(4)}\n<p>{QUESTION}</p><p>{ANSWER}</p>\n{prose(5)}",
        f"{prose(6)} {ANSWER} {prose(7)}",
    ]
    items = [{"question": "What?", "answer": "That."}, {"question": QUESTION, "answer": ANSWER}]
    folder.mkdir(exist_ok=True)
    (folder / "quiz.json").write_text(json.dumps(items))
    benchmarks = [{"name": "quiz", "layout": "gsm8k", "paths": [str(folder / "quiz.json")]}]
    return recipe(
        source(folder, "texts", "jsonl", {"a.jsonl": lines(*texts[:2]), "b.jsonl": lines(*texts[2:])}),
        judge={"rules": []},
        refine={"decontaminate": {"benchmarks": benchmarks, "margin": 1, **more}, "redact": None},
    )


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """A run that drops documents with items, as is the default."""
    folder = tmp_path_factory.mktemp("quiz")
    return run_recipe(quiz(folder), folder / "work", until="refine")


def refine_again(dropped: CompletedRun, folder: Path, workers: int = 1, **more: Any) -> CompletedRun:
    """A run with other settings over the same documents; the stages before refine are copied."""
    return run_recipe(quiz(folder, **more), copy_stages(dropped, folder / "work", "refine"), workers, "refine")


def items(completed_run: CompletedRun) -> list[tuple[str, int, int, int, float]]:
    return [
        (item.benchmark, item.item, item.documents, item.kept, item.share) for item in found_items(completed_run.work)
    ]


CUT = [
    prose(1),
    f"{prose(2)}\n\n\n{prose(3)}",
    f"{prose(4)}\n<p</p>\n{prose(5)}",
    f"{prose(6)} {prose(7)}",
]


@pytest.mark.parametrize(("action", "remaining"), [("drop", CUT[:1]), ("cut", CUT), ("label", None)])
def test_items_are_dropped_cut_or_labelled_and_reported(
    dropped: CompletedRun, tmp_path: Path, action: str, remaining: list[str] | None
) -> None:
    completed_run = refine_again(dropped, tmp_path, action=action)
    texts = set(final_texts(completed_run).values())
    if remaining is None:
        rows = [row for name in "ab" for row in (tmp_path / "texts" / f"{name}.jsonl").read_text().splitlines()]
        remaining = [json.loads(row)["text"] for row in rows]
    assert texts == set(remaining)
    assert items(completed_run) == [("quiz", 1, 3, len(remaining) - 1, 1.0)]


def test_a_question_without_its_answer_counts_by_its_own_share(dropped: CompletedRun, tmp_path: Path) -> None:
    completed_run = refine_again(dropped, tmp_path, min_share=0.6)
    assert items(completed_run) == [("quiz", 1, 2, 0, 1.0)]


def test_the_number_of_workers_does_not_affect_the_output(dropped: CompletedRun, tmp_path: Path) -> None:
    one, two = (refine_again(dropped, tmp_path / str(n), workers=n, action="cut") for n in (1, 2))
    assert two.units_processed()["refine"] == 2
    assert one.manifests()["refine"] == two.manifests()["refine"]


def test_the_command_prints_tables_and_rows(dropped: CompletedRun) -> None:
    shown = CliRunner().invoke(contamination, [dropped.work])
    assert shown.exit_code == 0, shown.output
    assert "quiz:1" in shown.output
    assert "50.00%" in shown.output
    rows = CliRunner().invoke(contamination, [dropped.work, "--json"])
    (row,) = map(json.loads, rows.output.splitlines())
    assert FoundItem(**row) == found_items(dropped.work)[0]


def test_a_corpus_that_was_not_searched_is_an_error(tmp_path: Path) -> None:
    plain = recipe(source(tmp_path, "texts", "jsonl", {"a.jsonl": lines(prose(1))}))
    completed_run = run_recipe(plain, tmp_path / "work", until="refine")
    with pytest.raises(InputError, match=r"was not searched for test items: add test sets under refine\.decontaminate"):
        found_items(completed_run.work)

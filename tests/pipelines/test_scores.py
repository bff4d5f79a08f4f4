"""Scores in whole runs: no stage without scorers, verdicts by scores, and changed thresholds on a completed run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from gristmill.classifiers import transformer as transformers
from gristmill.errors import InputError
from gristmill.pipelines.plan import plan_run, wanted_directories
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.reports.document_history import Selection, inspect_documents
from gristmill.pipelines.work_directory import current
from gristmill.transforms.quality import scorers
from tests.classifiers.tiny_models import text, transformer
from tests.pipelines.conftest import CompletedRun, copy_stages, run_recipe
from tests.pipelines.small_recipes import lines, recipe, source

LENGTHS = range(30, 90, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of 30 to 88 words, a word list and a tiny transformer."""
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("scores")
    transformer(folder / "tiny")
    (folder / "words.txt").write_text("sale1\n")
    texts = [text(True, n, n - n % 3) + " sale1" * (n % 3) for n in LENGTHS]
    source(folder, "web", "jsonl", {"a.jsonl": lines(*texts[:20]), "b.jsonl": lines(*texts[20:])})
    return folder


MakeRecipe = Callable[..., Recipe]


@pytest.fixture(scope="module")
def make_recipe(folder: Path) -> MakeRecipe:
    """Returns a function that makes a recipe from three thresholds.

    They are the minimum number of words, the maximum number of bad words per thousand, and the minimum score of the
    transformer.
    """

    def make(words_min: float, bad: float = 20, edu: float = 0.0) -> Recipe:
        web = {"name": "web", "format": "jsonl", "root": str(folder / "web")}
        scores = [
            {"name": "edu", "kind": "transformer", "model": str(folder / "tiny"), "label": "high", "min": edu},
            {"name": "bad", "kind": "words", "lists": {"en": str(folder / "words.txt")}, "max": bad},
            {"name": "quality", "kind": "fasttext"},
        ]
        judge = {"rules": ["words_min"], "thresholds": {"words_min": words_min}}
        return recipe(web, scores=scores, judge=judge, unit_size="64KiB", extract={"languages": None})

    return make


@pytest.fixture(scope="module")
def first(make_recipe: MakeRecipe, tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """A run with the first thresholds, for tests that read it or continue a copy of it."""
    return run_recipe(make_recipe(50), tmp_path_factory.mktemp("first"), until="judge")


def run_without_scores(first: CompletedRun, recipe: Recipe, work: Path, workers: int = 1) -> CompletedRun:
    """A run over the documents and signals of another one, whose scores and verdicts it does not have."""
    return run_recipe(recipe, copy_stages(first, work, "scores", "judge"), workers, until="judge")


def column(completed_run: CompletedRun, stage: str, kind: str, name: str) -> list[Any]:
    """A column of a stage's files, in the order of the document files."""
    directory = current(completed_run.work)[stage]
    receipts = sorted(directory.read_manifest().receipts, key=lambda receipt: str(receipt.input["documents"]))
    tables = [pq.read_table(directory.file_url(receipt.file(kind))) for receipt in receipts]
    return [value for table in tables for value in table[name].to_pylist()]


def test_a_recipe_without_scorers_has_no_such_stage(completed_run: CompletedRun) -> None:
    assert not list(Path(completed_run.work).glob("scores-*"))
    assert "scores" not in [row["stage"] for row in completed_run.ledger["stages"]]


def test_documents_are_dropped_by_their_scores(first: CompletedRun) -> None:
    completed_run = first
    assert [row["stage"] for row in completed_run.ledger["stages"]] == ["extract", "signals", "scores", "judge"]
    dropped = completed_run.ledger["stages"][-1]["dropped"]
    assert dropped["words_min"] == 10
    assert dropped["score:bad"] > 0
    reasons = column(completed_run, "judge", "verdicts", "reason")
    edu = column(completed_run, "scores", "scores", "score:edu")
    assert [score is None for score in edu] == [
        reason is not None for reason in reasons
    ]  # expensive: only for documents that pass the other rules
    assert None not in column(completed_run, "scores", "scores", "score:quality")
    document = next(inspect_documents(first.work, Selection(None, None, "score:bad"), 1))
    assert document["scores"]["bad"] == document["value"] > document["threshold"] == 20


@pytest.mark.parametrize(
    "changed",
    [(40, 20, 0.0), (60, 20, 0.0), (50, 30, 0.0), (50, 20, 0.7), (40, 30, 0.5), (60, 10, 0.5)],
    ids=["looser", "stricter", "bad_looser", "edu_stricter", "all_looser", "all_stricter"],
)
def test_changed_thresholds_give_the_output_of_a_fresh_run(
    first: CompletedRun,
    make_recipe: MakeRecipe,
    tmp_path: Path,
    changed: tuple[float, float, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scored_before = sum(score is not None for score in column(first, "scores", "scores", "score:edu"))
    scored_texts: list[str] = []
    real_scores = transformers.TransformerScorer.scores

    def recording_scores(self: Any, texts: Any, langs: Any = ()) -> Any:
        scored_texts.extend(texts)
        return real_scores(self, texts, langs)

    monkeypatch.setattr(transformers.TransformerScorer, "scores", recording_scores)
    again = run_recipe(make_recipe(*changed), copy_stages(first, tmp_path / "work"), until="judge")
    computed = len(scored_texts)
    fresh = run_without_scores(first, make_recipe(*changed), tmp_path / "fresh")
    assert again.manifests() == fresh.manifests()
    assert (again.units_processed()["extract"], again.units_processed()["signals"]) == (0, 0)
    scored_now = sum(value is not None for value in column(again, "scores", "scores", "score:edu"))
    assert computed == max(scored_now - scored_before, 0)  # each change lets either more documents pass, or fewer
    if changed[:2] == (50, 20):
        assert again.units_processed()["scores"] == 0  # the last expensive score does not affect other scores


def test_renamed_and_reordered_scorers_give_the_output_of_a_fresh_run(first: CompletedRun, tmp_path: Path) -> None:
    recipe = first.recipe
    renamed = recipe.scores[0].model_copy(update={"name": "value"})
    other = recipe.model_copy(update={"scores": (*recipe.scores[1:], renamed)})
    again = run_recipe(other, copy_stages(first, tmp_path / "work"), until="judge")
    fresh = run_without_scores(first, other, tmp_path / "fresh")
    assert again.manifests() == fresh.manifests()


@pytest.mark.parametrize("scorers", [slice(1, 3), pytest.param(slice(3), marks=pytest.mark.slow)], ids=["cheap", "all"])
def test_two_workers_write_the_same(first: CompletedRun, tmp_path: Path, scorers: slice) -> None:
    """By default without the transformer, whose libraries every worker would load."""
    recipe = first.recipe.model_copy(update={"scores": first.recipe.scores[scorers]})
    one, two = (run_without_scores(first, recipe, tmp_path / str(n), n) for n in (1, 2))
    assert one.units_processed()["scores"] == 2
    assert one.manifests() == two.manifests()


def test_plan_and_clean_include_the_stage(first: CompletedRun) -> None:
    rows = {row["stage"]: row for row in plan_run(first.recipe, first.work)["stages"]}
    assert (rows["scores"]["units"], rows["scores"]["standing"]) == (2, 2)
    assert current(first.work)["scores"].name in wanted_directories(first.work)


def test_a_missing_package_is_reported_before_any_work(
    make_recipe: MakeRecipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorers, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"edu needs the package transformers.*pip install 'gristmill\[transformers\]'"
    ):
        run_recipe(make_recipe(50), tmp_path, until="judge")
    assert not list(tmp_path.glob("extract-*"))


def test_a_missing_model_is_reported_before_any_work(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_recipe(50)
    missing = recipe.scores[0].model_copy(update={"model": str(tmp_path / "nowhere")})
    with pytest.raises(InputError, match="nowhere"):
        run_recipe(recipe.model_copy(update={"scores": (missing,)}), tmp_path / "work", until="judge")


def test_an_unknown_label_is_reported_before_any_work(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    edu, _, quality = make_recipe(50).scores
    for scorer, labels in ((edu, "low, high"), (quality, "negative, positive")):
        other = make_recipe(50).model_copy(update={"scores": (scorer.model_copy(update={"label": "best"}),)})
        with pytest.raises(InputError, match=labels):
            run_recipe(other, tmp_path, until="judge")
    assert not list(tmp_path.glob("extract-*"))

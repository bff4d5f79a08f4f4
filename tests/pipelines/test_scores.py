"""Scores in the mill: no trace without scorers, verdicts by scores, and thresholds changed on a finished run."""

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
from tests.pipelines.conftest import CompletedRun, run_recipe
from tests.pipelines.small import lines, recipe, source

LENGTHS = range(30, 90, 2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Documents of 30 to 88 words, a word list and a tiny transformer."""
    pytest.importorskip("transformers")
    made = tmp_path_factory.mktemp("scores")
    transformer(made / "tiny")
    (made / "words.txt").write_text("sale1\n")
    texts = [text(True, n, n - n % 3) + " sale1" * (n % 3) for n in LENGTHS]
    source(made, "web", "jsonl", {"a.jsonl": lines(*texts[:20]), "b.jsonl": lines(*texts[20:])})
    return made


Tuned = Callable[..., Recipe]


@pytest.fixture(scope="module")
def tuned(folder: Path) -> Tuned:
    """Makes the recipe: fewest words, most bad words for each thousand, least score of the transformer."""

    def tuned(words_min: float, bad: float = 20, edu: float = 0.0) -> Recipe:
        web = {"name": "web", "format": "jsonl", "root": str(folder / "web")}
        scores = [
            {"name": "edu", "kind": "transformer", "model": str(folder / "tiny"), "label": "high", "min": edu},
            {"name": "bad", "kind": "words", "lists": {"en": str(folder / "words.txt")}, "max": bad},
            {"name": "quality", "kind": "fasttext"},
        ]
        judge = {"rules": ["words_min"], "thresholds": {"words_min": words_min}}
        return recipe(web, scores=scores, judge=judge, unit_size="64KiB", extract={"languages": None})

    return tuned


def column(completed_run: CompletedRun, stage: str, kind: str, name: str) -> list[Any]:
    """A column of a stage's files, in the order of the document files."""
    directory = current(completed_run.work)[stage]
    receipts = sorted(directory.read_manifest().receipts, key=lambda receipt: str(receipt.input["documents"]))
    tables = [pq.read_table(directory.file_url(receipt.file(kind))) for receipt in receipts]
    return [value for table in tables for value in table[name].to_pylist()]


def test_a_recipe_without_scorers_has_no_trace_of_them(completed_run: CompletedRun) -> None:
    assert not list(Path(completed_run.work).glob("scores-*"))
    assert "scores" not in [row["stage"] for row in completed_run.ledger["stages"]]


def test_documents_go_by_their_scores(tuned: Tuned, tmp_path: Path) -> None:
    completed_run = run_recipe(tuned(50), tmp_path, until="judge")
    assert [row["stage"] for row in completed_run.ledger["stages"]] == ["extract", "signals", "scores", "judge"]
    dropped = completed_run.ledger["stages"][-1]["dropped"]
    assert dropped["words_min"] == 10
    assert dropped["score:bad"] > 0
    reasons = column(completed_run, "judge", "verdicts", "reason")
    edu = column(completed_run, "scores", "scores", "score:edu")
    assert [one is None for one in edu] == [reason is not None for reason in reasons]  # dear: what others let through
    assert None not in column(completed_run, "scores", "scores", "score:quality")
    told = next(inspect_documents(str(tmp_path), Selection(None, None, "score:bad"), 1))
    assert told["scores"]["bad"] == told["value"] > told["threshold"] == 20


@pytest.mark.parametrize(
    "changed",
    [(40, 20, 0.0), (60, 20, 0.0), (50, 30, 0.0), (50, 20, 0.7), (40, 30, 0.5), (60, 10, 0.5)],
    ids=["loosened", "tightened", "bad_loosened", "edu_tightened", "all_loosened", "all_tightened"],
)
def test_changed_thresholds_give_what_a_fresh_run_gives(
    tuned: Tuned, tmp_path: Path, changed: tuple[float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_recipe(tuned(50), tmp_path / "work", until="judge")
    seen = sum(score is not None for score in column(first, "scores", "scores", "score:edu"))
    asked: list[str] = []
    score = transformers.TransformerScorer.scores

    def spied(self: Any, texts: Any, langs: Any = ()) -> Any:
        asked.extend(texts)
        return score(self, texts, langs)

    monkeypatch.setattr(transformers.TransformerScorer, "scores", spied)
    again = run_recipe(tuned(*changed), tmp_path / "work", until="judge")
    computed = len(asked)
    fresh = run_recipe(tuned(*changed), tmp_path / "fresh", until="judge")
    assert again.manifests() == fresh.manifests()
    assert (again.worked_on()["extract"], again.worked_on()["signals"]) == (0, 0)
    now = sum(value is not None for value in column(again, "scores", "scores", "score:edu"))
    assert computed == max(now - seen, 0)  # each of these changes only lets more through, or only fewer
    if changed[:2] == (50, 20):
        assert again.worked_on()["scores"] == 0  # the last dear score shapes nobody's scores


def test_a_scorer_of_another_kind_or_name_reads_what_is_known(tuned: Tuned, tmp_path: Path) -> None:
    one = tuned(50)
    run_recipe(one, tmp_path / "work", until="judge")
    renamed = one.scores[0].model_copy(update={"name": "value"})
    other = one.model_copy(update={"scores": (*one.scores[1:], renamed)})
    again, fresh = (run_recipe(other, tmp_path / work, until="judge") for work in ("work", "fresh"))
    assert again.manifests() == fresh.manifests()


def test_two_workers_write_the_same(tuned: Tuned, tmp_path: Path) -> None:
    one, two = (run_recipe(tuned(50), tmp_path / str(n), workers=n, until="judge") for n in (1, 2))
    assert one.manifests() == two.manifests()


def test_plan_and_clean_know_the_stage(tuned: Tuned, tmp_path: Path) -> None:
    completed_run = run_recipe(tuned(50), tmp_path, until="judge")
    rows = {row["stage"]: row for row in plan_run(tuned(50), str(tmp_path))["stages"]}
    assert (rows["scores"]["units"], rows["scores"]["standing"]) == (2, 2)
    assert current(completed_run.work)["scores"].name in wanted_directories(str(tmp_path))


def test_a_missing_package_is_told_before_work_begins(
    tuned: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scorers, "find_spec", lambda name: None)
    with pytest.raises(
        InputError, match=r"edu needs the package transformers.*pip install 'gristmill\[transformers\]'"
    ):
        run_recipe(tuned(50), tmp_path, until="judge")
    assert not list(tmp_path.glob("extract-*"))


def test_a_missing_model_is_told_before_work_begins(tuned: Tuned, tmp_path: Path) -> None:
    one = tuned(50)
    lost = one.scores[0].model_copy(update={"model": str(tmp_path / "nowhere")})
    with pytest.raises(InputError, match="nowhere"):
        run_recipe(one.model_copy(update={"scores": (lost,)}), tmp_path / "work", until="judge")


def test_a_wrong_label_is_told_before_work_begins(tuned: Tuned, tmp_path: Path) -> None:
    edu, _, quality = tuned(50).scores
    for wrong, labels in ((edu, "low, high"), (quality, "negative, positive")):
        other = tuned(50).model_copy(update={"scores": (wrong.model_copy(update={"label": "best"}),)})
        with pytest.raises(InputError, match=labels):
            run_recipe(other, tmp_path, until="judge")
    assert not list(tmp_path.glob("extract-*"))

"""Kinds of sources, scores by source, and metadata in a whole run: verdicts, keys, and what is computed again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from gristmill.errors import InputError
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.work_directory import current
from tests.pipelines.conftest import CompletedRun, copy_stages, run_recipe
from tests.pipelines.small_recipes import fault, prose, recipe, source

PAGES = [prose(1), prose(2, words=30), prose(3, words=8), prose(4)]
STARS = [10, 10, 10, 9]


def rows(*texts: str) -> bytes:
    lines = [{"text": text, "stars": stars, "topic": "x"} for text, stars in zip(texts, STARS, strict=False)]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def sources(folder: Path, **kinds: str) -> list[dict[str, Any]]:
    """A source of every name with the same pages."""
    return [
        source(folder, name, "jsonl", {"a.jsonl": rows(*PAGES)}, kind=kind, keep_columns=["stars", "topic"])
        for name, kind in kinds.items()
    ]


def make(folder: Path, kinds: dict[str, str], **more: Any) -> Recipe:
    return recipe(*sources(folder, **kinds), extract={"languages": None}, **more)


def reasons(run: CompletedRun) -> dict[str, list[str | None]]:
    """The drop reasons of the documents of each source, in the order of their lines."""
    directory = current(run.work)["judge"]
    return {
        receipt.input["source"]: pq.read_table(directory.file_url(receipt.file("verdicts")))["reason"].to_pylist()
        for receipt in directory.read_manifest().receipts
    }


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    folder = tmp_path_factory.mktemp("kinds")
    kinds = {"web": "web", "docs": "reference", "src": "code"}
    return run_recipe(make(folder, kinds), folder / "work", until="judge")


SHORT = "words_min"


def test_each_source_is_judged_by_the_rules_of_its_kind(first: CompletedRun) -> None:
    assert reasons(first) == {
        "web": [None, SHORT, SHORT, None],
        "docs": [None, None, SHORT, None],
        "src": [None, None, None, None],
    }


@pytest.mark.parametrize(
    ("kinds", "judged"),
    [
        ({"web": "web", "docs": "reference", "src": "code"}, 0),
        ({"web": "web", "docs": "book", "src": "code"}, 1),
        ({"web": "web", "docs": "web", "src": "code"}, 1),
        ({"web": "web", "docs": "reference", "src": "code", "more": "web"}, 1),
        ({"web": "web", "docs": "reference", "src": "code", "more": "book"}, 1),
    ],
)
def test_only_the_units_of_a_changed_source_are_judged_again(
    first: CompletedRun, tmp_path: Path, kinds: dict[str, str], judged: int
) -> None:
    folder = Path(first.work).parent
    changed = make(folder, kinds)
    again = run_recipe(changed, copy_stages(first, tmp_path / "work"), until="judge")
    assert again.units_processed()["judge"] == again.units_processed()["signals"] == judged
    fresh = run_recipe(changed, tmp_path / "fresh", until="judge")
    assert again.manifests() == fresh.manifests()
    assert reasons(again) == reasons(fresh)


def test_rules_and_scores_by_source(first: CompletedRun, tmp_path: Path) -> None:
    """An overlay with `rules: []` keeps everything, whatever its scores and metadata."""
    (tmp_path / "words.txt").write_text("the\n")
    changed = make(
        Path(first.work).parent,
        {"web": "web", "docs": "reference", "src": "code"},
        scores=[{"name": "the", "kind": "words", "lists": {"en": str(tmp_path / "words.txt")}, "max": 0.5,
                 "sources": ["web", "docs"]}],
        judge={
            "meta": {"stars": {"min": 10}},
            "overlays": [
                {"source": "web", "scores": {"the": None}},
                {"kind": "reference", "rules": []},
            ],
        },
    )  # fmt: skip
    run = run_recipe(changed, copy_stages(first, tmp_path / "work"), until="judge")
    assert reasons(run) == {
        "web": [None, SHORT, SHORT, "meta:stars"],
        "docs": [None, None, None, None],
        "src": [None, None, None, None],
    }
    directory = current(run.work)["scores"]
    scored = {
        receipt.input["source"]: pq.read_table(directory.file_url(receipt.file("scores")))["score:the"].null_count
        for receipt in directory.read_manifest().receipts
    }
    assert scored == {"web": 0, "docs": 0, "src": 4}


def test_duplicates_are_ranked_by_metadata(first: CompletedRun, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    lines = [{"text": PAGES[0], "stars": stars} for stars in (3, 7, "many", None, 5)]
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    one = source(folder, "one", "jsonl", {"a.jsonl": data}, keep_columns=["stars"])
    ranked = recipe(one, dedup={"quality": "meta.stars", "partitions": 4}, extract={"languages": None})
    run = run_recipe(ranked, tmp_path / "work", until="dedup")
    directory = current(run.work)["dedup"]
    (receipt,) = directory.read_manifest().receipts
    assert pq.read_table(directory.file_url(receipt.file("removals")))["removed"].to_pylist() == [
        True,
        False,
        True,
        True,
        True,
    ]


def test_an_unknown_quality_is_reported(tmp_path: Path) -> None:
    one = source(tmp_path, "one", "jsonl", {"a.jsonl": rows(*PAGES)})
    wrong = recipe(one, dedup={"quality": "stars", "partitions": 4}, extract={"languages": None})
    assert "name meta.<column> for metadata" in fault(InputError, wrong, tmp_path / "work", until="dedup")

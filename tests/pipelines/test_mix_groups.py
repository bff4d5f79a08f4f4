"""Mixtures by columns of the documents."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from gristmill.errors import InputError
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.trace.trace import Tracer
from tests.pipelines.conftest import CompletedRun, run_recipe
from tests.pipelines.small_recipes import fault, prose, recipe, source

TOPICS = ("boats", "rivers", None)


def rows(first: int, count: int) -> bytes:
    """JSON lines with a topic, which every third lacks."""
    documents = [{"text": prose(number), "topic": TOPICS[number % 3]} for number in range(first, first + count)]
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def topical(folder: Path, **mix: Any) -> Recipe:
    old = source(folder, "old", "jsonl", {"a.jsonl": rows(0, 30), "b.jsonl": rows(30, 12)}, keep_columns=["topic"])
    new = source(folder, "new", "jsonl", {"a.jsonl": rows(42, 18)}, keep_columns=["topic"])
    section = {"sequence_length": 16, "shard_tokens": 1024, "groups": ["meta.topic"], "alpha": 1, **mix}
    return recipe(old, new, judge={"rules": []}, dedup={"threshold": 1}, mix=section)


@pytest.fixture(scope="module")
def by_topic(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    folder = tmp_path_factory.mktemp("topics")
    weighted = topical(folder, weights={"boats": 2, "und": 0}, max_epochs=4)
    return run_recipe(weighted, folder / "work", until="mix")


def mixture(completed: CompletedRun) -> dict[str, dict[str, Any]]:
    return {row["group"]: row for row in completed.done["mix"].manifest.summary["mixture"]}


def pieces(completed: CompletedRun) -> list[dict[str, Any]]:
    done = completed.done["mix"]
    files = done.manifest.files("shard_index")
    return [row for entry in files for row in pq.read_table(done.step.directory.file_url(entry)).to_pylist()]


def test_each_group_gets_its_share(by_topic: CompletedRun) -> None:
    found = mixture(by_topic)
    assert list(found) == ["boats", "rivers", "und"]
    boats, rivers = found["boats"], found["rivers"]
    sequences = by_topic.done["mix"].manifest.counts.kept
    assert boats["asked"] == pytest.approx(2 * boats["tokens"] / (2 * boats["tokens"] + rivers["tokens"]), abs=1e-6)
    assert boats["got"] == pytest.approx(boats["asked"], abs=1 / sequences)
    assert found["und"]["mixed_tokens"] == 0
    assert all(row["balanced"] for row in by_topic.done["mix"].manifest.summary["token_books"])


def test_pieces_name_their_group_and_their_source(by_topic: CompletedRun) -> None:
    extracted = by_topic.done["extract"]
    topics: dict[bytes, tuple[str, str]] = {}
    for entry in extracted.manifest.files("documents"):
        table = pq.read_table(extracted.step.directory.file_url(entry), columns=["id", "source", "meta"])
        for row in table.to_pylist():
            topics[row["id"]] = row["source"], json.loads(row["meta"] or "{}").get("topic", "und")
    found = pieces(by_topic)
    assert {(piece["source"], piece["group"]) for piece in found} == {
        (source, group) for source in ("new", "old") for group in ("boats", "rivers")
    }
    assert all(topics[piece["id"]] == (piece["source"], piece["group"]) for piece in found)


def test_a_trace_names_the_group_of_each_document(by_topic: CompletedRun) -> None:
    found = Tracer(by_topic.work).documents({piece["id"].hex() for piece in pieces(by_topic)})
    groups = {document["id"]: document["decisions"]["groups"]["group"] for document in found.documents}
    assert groups == {piece["id"].hex(): piece["group"] for piece in pieces(by_topic)}
    assert {document["meta"]["topic"] for document in found.documents} == set(groups.values())


def test_groups_count_the_tokens_that_tokenize_wrote(by_topic: CompletedRun) -> None:
    sizes: Counter[str] = Counter()
    for receipt in by_topic.done["groups"].manifest.receipts:
        for name, size in receipt.summary["mix_groups"].items():
            sizes[name] += sum(size["bucket_tokens"])
    assert sizes == {name: row["tokens"] for name, row in mixture(by_topic).items()}
    tokenized = by_topic.done["tokenize"].manifest
    assert sizes.total() == sum(entry.rows for entry in tokenized.files("tokens"))
    assert by_topic.ledger["balanced"]


def test_another_grouping_tokenizes_nothing_again(by_topic: CompletedRun, tmp_path: Path) -> None:
    folder = Path(by_topic.work).parent
    other = run_recipe(topical(folder, groups=["source", "lang"]), folder / "work", until="mix")
    done = other.units_processed()
    assert (done["tokenize"], done["groups"]) == (0, 3)
    assert set(mixture(other)) == {"new/en", "old/en"}
    by_source = run_recipe(topical(folder, groups=["source"]), folder / "work", until="mix")
    assert "groups" not in by_source.units_processed()
    assert [row["tokens"] for row in mixture(by_source).values()] == [row["tokens"] for row in mixture(other).values()]


def test_two_workers_write_the_same_files_as_one(by_topic: CompletedRun, tmp_path: Path) -> None:
    two = run_recipe(by_topic.recipe, tmp_path / "two", workers=2, until="mix")
    for stage in ("groups", "mix"):
        assert two.done[stage].manifest == by_topic.done[stage].manifest


def test_unknown_groups_and_columns_are_rejected(by_topic: CompletedRun, tmp_path: Path) -> None:
    folder = Path(by_topic.work).parent
    unknown = topical(folder, weights={"ships": 2})
    error = fault(InputError, unknown, folder / "work", until="mix")
    assert error == "mix.weights names group 'ships', but the groups are boats, rivers, und"
    with pytest.raises(InputError, match=r"mix\.groups names 'meta\.stars', but no source keeps 'stars'"):
        topical(folder, groups=["meta.stars"])


def shard_files(completed: CompletedRun) -> list[str]:
    return [entry.sha256 for entry in completed.done["mix"].manifest.files("shards")]


def test_stages_have_their_shares_and_a_change_of_weights_writes_only_what_follows(
    by_topic: CompletedRun, tmp_path: Path
) -> None:
    folder = Path(by_topic.work).parent
    stages = [
        {"name": "general", "tokens": 6400},
        {"name": "annealing", "tokens": 3200, "weights": {"boats": 3}, "min_shares": {"und": 0.1}},
    ]
    first = run_recipe(topical(folder, stages=stages), folder / "work", until="mix")
    assert first.units_processed()["mix"] == 10
    parts = first.done["mix"].manifest.summary["segments"]
    assert [(part["stage"], part["sequences"]) for part in parts] == [("general", 400), ("annealing", 200)]
    for part in parts:
        assert sum(part["got"].values()) == pytest.approx(1, abs=1e-5)
        if not part["capped"]:
            assert part["got"]["und"] >= 0.1 - 1 / part["sequences"]
    assert parts[1]["got"]["boats"] > parts[0]["got"]["boats"]

    changes = [{"sequence": 470, "weights": {"rivers": 4}}]
    changed = run_recipe(topical(folder, stages=stages, changes=changes), folder / "work", until="mix")
    assert changed.done["mix"].step.directory == first.done["mix"].step.directory
    assert changed.units_processed()["mix"] == 3  # of 64 sequences each, from the one of sequence 448
    assert shard_files(changed)[:7] == shard_files(first)[:7]
    assert shard_files(changed)[7:] != shard_files(first)[7:]
    assert changed.ledger["balanced"]
    parts = changed.done["mix"].manifest.summary["segments"]
    assert [part["sequences"] for part in parts] == [400, 70, 130]
    assert parts[2]["got"]["rivers"] > parts[1]["got"]["rivers"]

"""Score rules: thresholds of recipes and of models' cards, and failures that are added to verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.classifiers.card import write_card
from gristmill.classifiers.score import round_scores
from gristmill.errors import InputError
from gristmill.pipelines.recipe import parse_recipe
from gristmill.transforms.quality.score_rules import ScoreRule, add_score_failures, score_rules
from gristmill.transforms.quality.scorers import FastText, Kenlm, ScorerSection
from gristmill.transforms.quality.verdicts_sidecar import VERDICTS_SCHEMA

SOURCE = {"name": "web", "format": "jsonl", "root": "/nowhere"}


def scorers(*rows: dict[str, Any]) -> tuple[ScorerSection, ...]:
    return parse_recipe({"name": "r", "sources": [SOURCE], "scores": list(rows)}).scores


@pytest.mark.parametrize(
    ("is_minimum", "score", "fails"),
    [
        (True, 0.4999, True),
        (True, 0.5, False),
        (True, 0.50001, False),
        (False, 0.5, False),
        (False, 0.5001, True),
        (True, np.nan, False),
        (False, np.nan, False),
    ],
)
def test_score_at_and_beyond_the_threshold(is_minimum: bool, score: float, fails: bool) -> None:
    assert ScoreRule("score:q", 0.5, is_minimum).fails(round_scores([score])).tolist() == [fails]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 312.4567, 31245.7, 1e-4])
def test_a_score_passes_its_own_value_as_threshold(threshold: float) -> None:
    scores = round_scores([threshold])
    assert not ScoreRule("score:q", threshold, True).fails(scores).any()
    assert not ScoreRule("score:q", threshold, False).fails(scores).any()


def test_min_and_max_become_rules() -> None:
    words = {"name": "bad", "kind": "words", "lists": {"en": "words.txt"}, "max": 2}
    rules = score_rules(scorers({"name": "good", "kind": "fasttext", "min": 0.2, "max": 0.9}, words))
    assert rules == [
        ScoreRule("score:good", 0.2, True),
        ScoreRule("score:good", 0.9, False),
        ScoreRule("score:bad", 2.0, False),
    ]


def test_keep_takes_the_threshold_from_the_card(tmp_path: Path) -> None:
    model = str(tmp_path / "m.bin")
    write_card(model, {"reference": {"percentiles": [n / 100 for n in range(101)]}})
    assert score_rules([FastText(name="q", model=model, keep=0.1)]) == [ScoreRule("score:q", 0.9, True)]
    assert score_rules([Kenlm(name="q", model=model, keep=0.3)]) == [ScoreRule("score:q", 0.3, False)]


def test_keep_needs_a_card(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no percentiles of a reference"):
        score_rules([FastText(name="q", model=str(tmp_path / "m.bin"), keep=0.1)])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"name": "Q", "kind": "fasttext"}, "scores.0.name"),
        ({"name": "q", "kind": "fastext"}, "did you mean 'fasttext'"),
        ({"name": "q"}, "scores.0.kind is missing"),
        ({"name": "q", "kind": "fasttext", "keep": 0.1, "min": 0.2}, "remove `min` and `max`, or `keep`"),
        ({"name": "q", "kind": "fasttext", "keep": 0.105}, "scores.0.keep"),
        ({"name": "q", "kind": "fasttext", "keep": 1}, "scores.0.keep"),
        ({"name": "q", "kind": "words", "lists": {"en": "a"}, "keep": 0.1}, "scores.0.keep: unknown key"),
        ({"name": "q", "kind": "kenlm"}, "scores.0.model is missing"),
    ],
)
def test_invalid_scorers_are_rejected(row: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scorers(row)


def test_score_names_must_differ() -> None:
    with pytest.raises(InputError, match="two scores are named 'q'"):
        scorers({"name": "q", "kind": "fasttext"}, {"name": "q", "kind": "fasttext"})


def failure(rule: str, value: float, threshold: float) -> dict[str, Any]:
    return {"rule": rule, "value": np.float32(value), "threshold": np.float32(threshold)}


def verdict(*failures: dict[str, Any]) -> dict[str, Any]:
    """Return the verdict on a document with these failures, in this order."""
    first = failures[0] if failures else {"rule": None, "value": None, "threshold": None}
    return {
        "kept": not failures,
        "reason": first["rule"],
        "value": first["value"],
        "threshold": first["threshold"],
        "also": list(failures[1:]),
    }


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=VERDICTS_SCHEMA)


SHORT, HASHES = failure("words_min", 3, 50), failure("hashes", 0.5, 0.1)
RULES = [ScoreRule("score:good", 0.5, True), ScoreRule("score:bad", 2.0, False)]
LOW, BAD = failure("score:good", 0.25, 0.5), failure("score:bad", 3, 2)


@pytest.mark.parametrize(
    ("before", "good", "bad", "after"),
    [
        ([], 0.75, 1, []),
        ([], 0.5, 2, []),
        ([], None, None, []),
        ([], 0.25, 1, [LOW]),
        ([], 0.75, 3, [BAD]),
        ([], 0.25, 3, [LOW, BAD]),
        ([], None, 3, [BAD]),
        ([SHORT], 0.75, 1, [SHORT]),
        ([SHORT], 0.25, 3, [SHORT, LOW, BAD]),
        ([SHORT, HASHES], 0.25, 1, [SHORT, HASHES, LOW]),
    ],
)
def test_score_failures_come_after_signal_failures(
    before: list[dict[str, Any]], good: float | None, bad: float | None, after: list[dict[str, Any]]
) -> None:
    verdicts_before = [[], [SHORT, HASHES], before, [SHORT], []]
    good_scores, bad_scores = [0.9, 0.9, good, 0.9, 0.25], [0, 0, bad, 0, 0]
    scores = pa.table(
        {"score:good": pa.array(good_scores, pa.float32()), "score:bad": pa.array(bad_scores, pa.float32())}
    )
    merged = add_score_failures(table([verdict(*failures) for failures in verdicts_before]), scores, RULES)
    assert merged.schema == VERDICTS_SCHEMA
    assert (
        merged.to_pylist()
        == table([verdict(*failures) for failures in ([], [SHORT, HASHES], after, [SHORT], [LOW])]).to_pylist()
    )


def test_without_rules_or_rows_nothing_changes() -> None:
    rows = table([verdict(), verdict(SHORT, HASHES)])
    scores = pa.table(
        {"score:good": pa.array([0.0, 0.0], pa.float32()), "score:bad": pa.array([9.0, 9.0], pa.float32())}
    )
    assert add_score_failures(rows, scores, []) is rows
    assert add_score_failures(rows.slice(0, 0), scores.slice(0, 0), RULES).num_rows == 0


number = st.none() | st.floats(0, 4, width=32)


@given(st.lists(st.tuples(st.lists(st.sampled_from([SHORT, HASHES]), unique_by=id), number, number)))
def test_rows_do_not_affect_each_other(rows: list[tuple[list[dict[str, Any]], float | None, float | None]]) -> None:
    verdicts = table([verdict(*failures) for failures, _, _ in rows])
    scores = pa.table(
        {
            "score:good": pa.array([good for _, good, _ in rows], pa.float32()),
            "score:bad": pa.array([bad for _, _, bad in rows], pa.float32()),
        }
    )
    together = add_score_failures(verdicts, scores, RULES).to_pylist()
    apart = [
        add_score_failures(verdicts.slice(n, 1), scores.slice(n, 1), RULES).to_pylist()[0] for n in range(len(rows))
    ]
    assert together == apart

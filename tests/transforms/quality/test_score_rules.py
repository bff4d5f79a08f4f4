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
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.overlay_section import ScoreLimits
from gristmill.transforms.quality.score_rules import add_score_failures, limited_scorers, resolve_keep, score_rules
from gristmill.transforms.quality.scorers import FastText, Kenlm, ScorerSection, WordLists
from gristmill.transforms.quality.verdicts_sidecar import VERDICTS_SCHEMA

SOURCE = {"name": "web", "format": "jsonl", "root": "/nowhere"}
GOOD, BAD = "score:good", "score:bad"


def scorers(*rows: dict[str, Any]) -> tuple[ScorerSection, ...]:
    return parse_recipe({"name": "r", "sources": [SOURCE], "scores": list(rows)}).scores


def limited(**limits: float) -> FastText:
    return FastText.model_validate({"name": "good", **limits})


def documents(rows: int, source: str = "web", lang: str | None = "en") -> dict[str, pa.Array]:
    return {"source": pa.array([source] * rows, pa.string()), "lang": pa.array([lang] * rows, pa.string())}


def failed(
    scores: list[float], scorer: ScorerSection, section: JudgeSection, source: str = "web", lang: str = "en"
) -> list[bool]:
    rules = score_rules([scorer], pa.table(documents(len(scores), source, lang)), section)
    return [bool(row.any()) for row in rules.failed({scorer.column: round_scores(scores)})]


@pytest.mark.parametrize(
    ("limits", "score", "fails"),
    [
        ({"min": 0.5}, 0.4999, True),
        ({"min": 0.5}, 0.5, False),
        ({"min": 0.5}, 0.50001, False),
        ({"max": 0.5}, 0.5, False),
        ({"max": 0.5}, 0.5001, True),
        ({"min": 0.2, "max": 0.5}, 0.1999, True),
        ({"min": 0.2, "max": 0.5}, 0.3, False),
        ({"min": 0.5}, np.nan, False),
        ({"max": 0.5}, np.nan, False),
        ({}, 0.5, False),
    ],
)
def test_score_at_and_beyond_the_threshold(limits: dict[str, float], score: float, fails: bool) -> None:
    assert failed([score], limited(**limits), JudgeSection()) == [fails]


@pytest.mark.parametrize("threshold", [0.1, 0.3, 312.4567, 31245.7, 1e-4])
def test_a_score_passes_its_own_value_as_threshold(threshold: float) -> None:
    assert failed([threshold], limited(min=threshold, max=threshold), JudgeSection()) == [False]


def test_min_and_max_become_rules_in_the_order_of_scorers() -> None:
    words = {"name": "bad", "kind": "words", "lists": {"en": "words.txt"}, "max": 2}
    both = scorers({"name": "good", "kind": "fasttext", "min": 0.2, "max": 0.9}, words)
    rules = score_rules(both, pa.table(documents(1)), JudgeSection())
    assert rules.columns == (GOOD, GOOD, BAD, BAD)
    assert rules.is_minimum.tolist() == [True, False, True, False]
    np.testing.assert_array_equal(rules.thresholds, round_scores([[0.2, 0.9, np.nan, 2.0]]))


@pytest.mark.parametrize(
    ("overlays", "source", "lang", "fails"),
    [  # the scorer's minimum is 0.5; the score is 0.4
        ([], "web", "en", True),
        ([{"source": "web", "scores": {"good": {"min": 0.4}}}], "web", "en", False),
        ([{"source": "web", "scores": {"good": {"min": 0.4001}}}], "web", "en", True),
        ([{"source": "web", "scores": {"good": {"min": 0.4}}}], "other", "en", True),
        ([{"lang": "de", "scores": {"good": {"min": 0.1}}}], "web", "de", False),
        ([{"lang": "de", "scores": {"good": None}}], "web", "de", False),
        ([{"lang": "de", "scores": {"good": {}}}], "web", "de", False),
        ([{"lang": "de", "scores": {"good": {"max": 0.3}}}], "web", "de", True),
        ([{"lang": "de", "scores": {"good": {"min": 0.1}}}, {"source": "web", "scores": {"good": {"min": 0.9}}}],
         "web", "de", True),
        # an overlay with `rules: []` keeps everything, unless it or a later one sets a limit
        ([{"source": "web", "rules": []}], "web", "en", False),
        ([{"source": "web", "rules": []}], "other", "en", True),
        ([{"source": "web", "rules": [], "scores": {"good": {"min": 0.5}}}], "web", "en", True),
        ([{"source": "web", "rules": []}, {"lang": "en", "scores": {"good": {"min": 0.5}}}], "web", "en", True),
        ([{"lang": "en", "scores": {"good": {"min": 0.9}}}, {"source": "web", "rules": []}], "web", "en", False),
        ([{"source": "web", "rules": []}, {"lang": "en", "rules": ["words_min"]}], "web", "en", True),
        ([{"source": "web", "rules": ["words_min"]}], "web", "en", True),
    ],
)  # fmt: skip
def test_overlays_replace_limits(overlays: list[dict[str, Any]], source: str, lang: str, fails: bool) -> None:
    section = JudgeSection.model_validate({"overlays": overlays})
    assert failed([0.4], limited(min=0.5), section, source, lang) == [fails]


def test_only_scores_decide_if_the_section_has_no_rules() -> None:
    assert failed([0.4, 0.5], limited(min=0.5), JudgeSection(rules=())) == [True, False]


def test_sources_of_the_kind_code_are_kept_whatever_their_scores() -> None:
    section = JudgeSection().for_sources({"web": "web", "src": "code", "books": "book"})
    assert [failed([0.4], limited(min=0.5), section, name) for name in ("web", "src", "books")] == [
        [True],
        [False],
        [True],
    ]


def test_limited_scorers() -> None:
    section = JudgeSection.model_validate({"overlays": [{"lang": "de", "scores": {"overlaid": {"min": 1}}}]})
    some = [FastText(name="free"), FastText(name="overlaid"), FastText(name="high", min=0.1)]
    assert [scorer.name for scorer in limited_scorers(some, section)] == ["overlaid", "high"]


def test_keep_takes_the_threshold_from_the_card(tmp_path: Path) -> None:
    model = str(tmp_path / "m.bin")
    write_card(model, {"reference": {"percentiles": [n / 100 for n in range(101)]}})
    given = JudgeSection.model_validate({"overlays": [{"lang": "de", "scores": {"q": {"keep": 0.2}, "r": None}}]})
    scorers, section = resolve_keep([FastText(name="q", model=model, keep=0.1), FastText(name="r", min=0.3)], given)
    assert [(scorer.min, scorer.max) for scorer in scorers] == [(0.9, None), (0.3, None)]
    assert section.overlays[0].scores == {"q": ScoreLimits(min=0.8), "r": None}
    (perplexity,), _ = resolve_keep([Kenlm(name="q", model=model, keep=0.3)], JudgeSection())
    assert (perplexity.min, perplexity.max) == (None, 0.3)


def test_keep_needs_a_card(tmp_path: Path) -> None:
    scorer = FastText(name="q", model=str(tmp_path / "m.bin"))
    with pytest.raises(InputError, match="has no percentiles of a reference"):
        resolve_keep([scorer.model_copy(update={"keep": 0.1})], JudgeSection())
    section = JudgeSection.model_validate({"overlays": [{"lang": "de", "scores": {"q": {"keep": 0.2}}}]})
    with pytest.raises(InputError, match="has no percentiles of a reference"):
        resolve_keep([scorer], section)
    with pytest.raises(InputError, match="'q' has no reference set"):
        resolve_keep([WordLists(name="q", lists={"en": "words.txt"})], section)


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
        ({"name": "q", "kind": "fasttext", "sources": []}, "scores.0.sources"),
        ({"name": "q", "kind": "fasttext", "sources": ["wbe"]}, "unknown source 'wbe'; the sources are web"),
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
SCORERS = [limited(min=0.5), WordLists(name="bad", lists={"en": "words.txt"}, max=2)]
LOW, MANY = failure(GOOD, 0.25, 0.5), failure(BAD, 3, 2)


def scores(good: list[float | None], bad: list[float | None]) -> pa.Table:
    columns = {GOOD: pa.array(good, pa.float32()), BAD: pa.array(bad, pa.float32())}
    return pa.table({**documents(len(good)), **columns})


@pytest.mark.parametrize(
    ("before", "good", "bad", "after"),
    [
        ([], 0.75, 1, []),
        ([], 0.5, 2, []),
        ([], None, None, []),
        ([], 0.25, 1, [LOW]),
        ([], 0.75, 3, [MANY]),
        ([], 0.25, 3, [LOW, MANY]),
        ([], None, 3, [MANY]),
        ([SHORT], 0.75, 1, [SHORT]),
        ([SHORT], 0.25, 3, [SHORT, LOW, MANY]),
        ([SHORT, HASHES], 0.25, 1, [SHORT, HASHES, LOW]),
    ],
)
def test_score_failures_come_after_signal_failures(
    before: list[dict[str, Any]], good: float | None, bad: float | None, after: list[dict[str, Any]]
) -> None:
    verdicts_before = [[], [SHORT, HASHES], before, [SHORT], []]
    good_scores, bad_scores = [0.9, 0.9, good, 0.9, 0.25], [0, 0, bad, 0, 0]
    merged = add_score_failures(
        table([verdict(*failures) for failures in verdicts_before]),
        scores(good_scores, bad_scores),
        SCORERS,
        JudgeSection(),
    )
    assert merged.schema == VERDICTS_SCHEMA
    assert (
        merged.to_pylist()
        == table([verdict(*failures) for failures in ([], [SHORT, HASHES], after, [SHORT], [LOW])]).to_pylist()
    )


def test_without_rules_or_rows_nothing_changes() -> None:
    rows, low = table([verdict(), verdict(SHORT, HASHES)]), scores([0, 0], [9, 9])
    assert add_score_failures(rows, low, [], JudgeSection()) is rows
    assert add_score_failures(rows, low, [limited()], JudgeSection()) is rows
    assert add_score_failures(rows.slice(0, 0), low.slice(0, 0), SCORERS, JudgeSection()).num_rows == 0


def test_each_document_has_the_limits_of_its_source_and_language() -> None:
    section = JudgeSection.model_validate(
        {"overlays": [{"source": "b", "scores": {"good": {"min": 0.75}}}, {"lang": "de", "scores": {"bad": None}}]}
    )
    block = scores([0.6, 0.6, 0.4], [3, 1, 3])
    block = block.set_column(0, "source", pa.array(["a", "b", "a"])).set_column(1, "lang", pa.array(["en", "en", "de"]))
    merged = add_score_failures(table([verdict()] * 3), block, SCORERS, section)
    expected = [[failure(BAD, 3, 2)], [failure(GOOD, 0.6, 0.75)], [failure(GOOD, 0.4, 0.5)]]
    assert merged.to_pylist() == table([verdict(*failures) for failures in expected]).to_pylist()


number = st.none() | st.floats(0, 4, width=32)


@given(st.lists(st.tuples(st.lists(st.sampled_from([SHORT, HASHES]), unique_by=id), number, number)))
def test_rows_do_not_affect_each_other(rows: list[tuple[list[dict[str, Any]], float | None, float | None]]) -> None:
    verdicts = table([verdict(*failures) for failures, _, _ in rows])
    block = scores([good for _, good, _ in rows], [bad for _, _, bad in rows])
    together = add_score_failures(verdicts, block, SCORERS, JudgeSection()).to_pylist()
    apart = [
        add_score_failures(verdicts.slice(n, 1), block.slice(n, 1), SCORERS, JudgeSection()).to_pylist()[0]
        for n in range(len(rows))
    ]
    assert together == apart

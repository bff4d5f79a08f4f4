"""Overlays by language, kind and source: their order, the built-in ones, and sections that use none of them."""

from __future__ import annotations

from typing import Any, get_args

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.corpus.source_kind import SourceKind
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.line_rules_section import LineRules
from gristmill.transforms.quality.overlay_section import KIND_OVERLAYS, LANGUAGE_OVERLAYS, Overlay
from gristmill.transforms.quality.presets import PRESETS
from gristmill.transforms.quality.rule_table import RULES
from gristmill.transforms.quality.verdicts_sidecar import judge_table
from tests.transforms.quality.test_quality_rules import GOOD, documents, failed_rules, table

KINDS: dict[str, SourceKind] = {kind: kind for kind in get_args(SourceKind)}


def section(**values: Any) -> JudgeSection:
    return JudgeSection.model_validate(values).for_sources({**KINDS, "more-books": "book"})


@pytest.mark.parametrize(
    ("changes", "kept_as"),
    [
        ({}, {"web", "book", "code", "reference", "dialogue"}),
        ({"words": 49.0}, {"code", "reference", "dialogue"}),
        ({"words": 50.0}, {"web", "book", "code", "reference", "dialogue"}),
        ({"words": 20.0}, {"code", "reference", "dialogue"}),
        ({"words": 19.0}, {"code"}),
        ({"words": 100_001.0}, {"book", "code", "reference", "dialogue"}),
        ({"lang_score": 0.64}, {"book", "code", "reference", "dialogue"}),
        ({"lang_score": 0.3}, {"book", "code", "reference", "dialogue"}),
        ({"lang_score": 0.29}, {"code", "reference"}),
        ({"alphabetic_words": 0.79}, {"code", "reference", "dialogue"}),
        ({"alphabetic_words": 0.5}, {"code", "reference", "dialogue"}),
        ({"alphabetic_words": 0.49}, {"code"}),
        ({"word_length": 2.9}, {"code", "reference", "dialogue"}),
        ({"word_length": 1.9}, {"code", "reference"}),
        ({"word_length": 10.1}, {"code", "reference"}),
        ({"stop_words": 1.0}, {"code", "reference", "dialogue"}),
        ({"stop_words": 0.0}, {"code", "reference"}),
        ({"ellipsis_ratio": 0.11}, {"book", "code", "reference", "dialogue"}),
        ({"ellipsis_lines": 0.31}, {"book", "code", "reference", "dialogue"}),
        ({"bullet_lines": 0.91}, {"book", "code", "reference", "dialogue"}),
        ({"hash_ratio": 0.11}, {"code", "reference"}),
        ({"top_3_gram": 0.19}, {"code", "reference", "dialogue"}),
        ({"lorem_ipsum": 1.0}, {"code", "reference"}),
    ],
)
def test_built_in_overlays_by_kind(changes: dict[str, float], kept_as: set[str]) -> None:
    assert {kind for kind in KINDS if not failed_rules(changes, section(), source=kind)} == kept_as


def test_a_language_that_is_not_wanted_is_dropped_from_all_kinds_but_code() -> None:
    wanted = section(languages=["de"])
    assert {kind for kind in KINDS if not failed_rules({}, wanted, source=kind)} == {"code"}


def test_line_rules_apply_to_web_pages_only() -> None:
    fineweb = section(preset="fineweb")
    assert fineweb.line_rules("en", "web") == fineweb.lines
    assert {kind: fineweb.line_rules("en", kind) for kind in KINDS if kind != "web"} == dict.fromkeys(
        ("book", "code", "reference", "dialogue"), LineRules()
    )


def threshold(overlays: dict[str, Any], lang: str = "en", source: str = "book") -> float:
    lists = {name: [{**select, "thresholds": {"words_min": n}} for select, n in own] for name, own in overlays.items()}
    return section(thresholds={"words_min": 1}, **lists).policy(lang, source).thresholds["words_min"]


@pytest.mark.parametrize(
    ("overlays", "expected"),
    [
        ({"language_overlays": [], "kind_overlays": []}, 1),
        ({"language_overlays": [({"lang": "en"}, 2)], "kind_overlays": []}, 2),
        ({"language_overlays": [({"lang": "en"}, 2)], "kind_overlays": [({"kind": "book"}, 3)]}, 3),
        ({"kind_overlays": [({"kind": "book"}, 3)], "overlays": [({"lang": "en"}, 4)]}, 4),
        ({"kind_overlays": [({"kind": "code"}, 3)]}, 1),
        ({"overlays": [({"kind": "book"}, 4), ({"source": "book"}, 5)]}, 5),
        ({"overlays": [({"source": "book"}, 5), ({"kind": "book"}, 4)]}, 4),
        ({"overlays": [({"kind": "book", "lang": "en"}, 4)]}, 4),
        ({"overlays": [({"kind": "book", "lang": "de"}, 4)]}, 1),
        ({"overlays": [({"kind": "book", "source": "book"}, 4)]}, 4),
        ({"overlays": [({"kind": "book", "source": "more-books"}, 4)]}, 1),
        ({"overlays": [({"kind": "code", "source": "book"}, 4)]}, 1),
    ],
)
def test_the_last_overlay_wins(overlays: dict[str, Any], expected: float) -> None:
    assert threshold({"language_overlays": [], "kind_overlays": [], **overlays}) == expected


def test_an_overlay_by_kind_applies_to_every_source_of_the_kind() -> None:
    own = section(overlays=[{"kind": "book", "lang": "de", "rules": ["hashes"]}])
    assert [own.policy("de", name).rules for name in ("book", "more-books")] == [("hashes",)] * 2
    assert own.policy("en", "more-books").rules == KIND_OVERLAYS[0].rules
    assert own.policy("de", "web").rules == PRESETS["gristmill"].rules


def test_lists_of_ones_own_replace_the_built_in_overlays() -> None:
    assert section(kind_overlays=[]).policy("en", "code").rules == PRESETS["gristmill"].rules
    assert JudgeSection().language_overlays == LANGUAGE_OVERLAYS
    assert JudgeSection().overlaid_kinds == {"book", "code", "reference", "dialogue"}
    assert JudgeSection(kind_overlays=()).overlaid_kinds == set()


def test_overlays_survive_a_round_trip() -> None:
    given = JudgeSection.model_validate(
        {"overlays": [{"kind": "book", "scores": {"q": {"min": 1}, "r": None}, "meta": {"x": {"allow": ["a"]}}}]}
    )
    assert JudgeSection.model_validate(given.model_dump(mode="json")) == given


@pytest.mark.parametrize(
    "invalid",
    [
        {"kind": "books", "rules": []},
        {"kind": "book"},
        {"rules": []},
        {"kind": "book", "scores": {"q": {"min": 1, "keep": 0.5}}},
        {"kind": "book", "scores": {"q": {"keep": 1}}},
        {"kind": "book", "scores": {"q": 1}},
    ],
)
def test_invalid_overlays_are_rejected(invalid: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Overlay.model_validate(invalid)


SIGNAL_VALUES = st.dictionaries(st.sampled_from(sorted({rule.signal for rule in RULES.values()})), st.floats(0, 200))
LANGS = st.sampled_from(["en", "zh", "vi", None])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(SIGNAL_VALUES, LANGS), max_size=6), st.sampled_from(sorted(PRESETS)))
def test_kinds_change_nothing_for_web_pages(docs: list[tuple[dict[str, float], str | None]], preset: str) -> None:
    """The verdicts are those of the section's rules, thresholds and language overlays alone."""
    rows = [GOOD | changes for changes, _ in docs]
    web = documents([lang for _, lang in docs], ["web"] * len(docs), [row["lang_score"] for row in rows])
    given_kinds = JudgeSection(preset=preset).for_sources({"web": "web", "novels": "book"})
    expected = judge_table(table(rows), web, JudgeSection(preset=preset, kind_overlays=()))
    assert judge_table(table(rows), web, given_kinds).equals(expected)
    assert isinstance(expected, pa.Table)

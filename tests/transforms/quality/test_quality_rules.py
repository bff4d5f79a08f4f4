"""Quality rules at and just beyond their thresholds; verdicts on one document and on a table of documents."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.transforms.quality.apply_rules import Check, explain
from gristmill.transforms.quality.judge_section import JudgeSection, Policy, Thresholds
from gristmill.transforms.quality.line_rules_section import LineRules
from gristmill.transforms.quality.overlay_section import Overlay
from gristmill.transforms.quality.presets import PRESETS, PresetName
from gristmill.transforms.quality.rule_table import RULE_NAMES, RULES, ThresholdName
from gristmill.transforms.quality.signal_table import SIGNALS
from gristmill.transforms.quality.signals_sidecar import measure_table
from gristmill.transforms.quality.verdicts_sidecar import RULE_COLUMNS, VERDICTS_SCHEMA, judge_table

GOOD = dict.fromkeys(SIGNALS, 0.0) | {
    "characters": 600.0,
    "lines": 5.0,
    "words": 100.0,
    "word_length": 5.0,
    "alphabetic_words": 1.0,
    "stop_words": 5.0,
    "sentences": 5.0,
    "line_punctuation": 1.0,
    "long_lines": 3.0,
    "lang_score": 0.99,
}


def failed_rules(
    changes: dict[str, float], section: JudgeSection | None = None, lang: str = "en", source: str = "web"
) -> list[str]:
    section = section or JudgeSection(rules=RULE_NAMES)
    return [check.rule for check in explain(GOOD | changes, lang, source, section) if not check.passed]


def table(rows: list[dict[str, float]]) -> pa.Table:
    arrays = [pa.array([row[name] for row in rows], pa.float32(), from_pandas=True) for name in RULE_COLUMNS]
    return pa.Table.from_arrays(arrays, names=list(RULE_COLUMNS))


def documents(langs: list[str | None], sources: list[str], scores: list[float | None]) -> pa.Table:
    dictionary = pa.dictionary(pa.int32(), pa.string())
    return pa.table(
        {
            "lang": pa.array(langs, dictionary),
            "source": pa.array(sources, dictionary),
            "lang_score": pa.array(scores, pa.float32()),
        }
    )


def test_rules_thresholds_and_presets_agree() -> None:
    assert tuple(RULES) == get_args(ThresholdName) == RULE_NAMES[1:]
    assert ("language_score", *Thresholds.model_fields) == tuple(RULES)
    assert {rule.signal for rule in RULES.values()} <= {"lang_score", *SIGNALS}
    assert {preset for rule in RULES.values() for preset in rule.presets} == set(PRESETS) == set(get_args(PresetName))


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_apply_the_rules_that_list_them(preset: str) -> None:
    expected = {"language", *(name for name, rule in RULES.items() if preset in rule.presets)}
    assert set(PRESETS[preset].rules) == expected
    assert len(PRESETS[preset].rules) == len(expected)


def test_fineweb_checks_repetition_before_quality() -> None:
    rules = PRESETS["fineweb"].rules
    assert rules[:3] == ("language", "language_score", "duplicate_lines")
    assert rules.index("duplicate_10_grams") + 1 == rules.index("words_min")


@pytest.mark.parametrize(
    ("signal", "value", "expected"),
    [
        ("words", 50, []),
        ("words", 49, ["words_min"]),
        ("words", 100_000, []),
        ("words", 100_001, ["words_max"]),
        ("word_length", 3, []),
        ("word_length", 2.9999, ["word_length_min"]),
        ("word_length", 10, []),
        ("word_length", 10.0001, ["word_length_max"]),
        ("hash_ratio", 0.1, []),
        ("hash_ratio", 0.1001, ["hashes"]),
        ("ellipsis_ratio", 0.1, []),
        ("ellipsis_ratio", 0.1001, ["ellipses"]),
        ("bullet_lines", 0.9, []),
        ("bullet_lines", 0.9001, ["bullet_lines"]),
        ("ellipsis_lines", 0.3, []),
        ("ellipsis_lines", 0.3001, ["ellipsis_lines"]),
        ("alphabetic_words", 0.8, []),
        ("alphabetic_words", 0.7999, ["alphabetic_words"]),
        ("stop_words", 2, []),
        ("stop_words", 1, ["stop_words"]),
        ("stop_words", float("nan"), []),
        ("duplicate_lines", 0.3, []),
        ("duplicate_lines", 0.3001, ["duplicate_lines"]),
        ("duplicate_line_chars", 0.2, []),
        ("duplicate_line_chars", 0.2001, ["duplicate_line_chars"]),
        ("duplicate_paragraphs", 0.3, []),
        ("duplicate_paragraphs", 0.3001, ["duplicate_paragraphs"]),
        ("duplicate_paragraph_chars", 0.2, []),
        ("duplicate_paragraph_chars", 0.2001, ["duplicate_paragraph_chars"]),
        ("top_2_gram", 0.2, []),
        ("top_2_gram", 0.2001, ["top_2_gram"]),
        ("top_3_gram", 0.18, []),
        ("top_3_gram", 0.1801, ["top_3_gram"]),
        ("top_4_gram", 0.16, []),
        ("top_4_gram", 0.1601, ["top_4_gram"]),
        ("duplicate_5_grams", 0.15, []),
        ("duplicate_5_grams", 0.1501, ["duplicate_5_grams"]),
        ("duplicate_6_grams", 0.14, []),
        ("duplicate_6_grams", 0.1401, ["duplicate_6_grams"]),
        ("duplicate_7_grams", 0.13, []),
        ("duplicate_7_grams", 0.1301, ["duplicate_7_grams"]),
        ("duplicate_8_grams", 0.12, []),
        ("duplicate_8_grams", 0.1201, ["duplicate_8_grams"]),
        ("duplicate_9_grams", 0.11, []),
        ("duplicate_9_grams", 0.1101, ["duplicate_9_grams"]),
        ("duplicate_10_grams", 0.1, []),
        ("duplicate_10_grams", 0.1001, ["duplicate_10_grams"]),
        ("sentences", 3, []),
        ("sentences", 2, ["sentences"]),
        ("lorem_ipsum", 0, []),
        ("lorem_ipsum", 1, ["lorem_ipsum"]),
        ("curly_brackets", 0, []),
        ("curly_brackets", 1, ["curly_brackets"]),
        ("line_punctuation", 0.12, []),
        ("line_punctuation", 0.1199, ["line_punctuation"]),
        ("short_lines", 0.67, []),
        ("short_lines", 0.6701, ["short_lines"]),
        ("repeated_line_chars", 0.1, []),
        ("repeated_line_chars", 0.1001, ["repeated_line_chars"]),
        ("newlines", 0.3, []),
        ("newlines", 0.3001, ["newlines"]),
        ("cut_words", 0.05, []),
        ("cut_words", 0.0501, ["cut_words"]),
        ("long_lines", 3, []),
        ("long_lines", 2, ["long_lines"]),
        ("technical_characters", 0.2, []),
        ("technical_characters", 0.2001, ["technical_characters"]),
        ("lang_score", 0.65, []),
        ("lang_score", 0.6499, ["language_score"]),
        ("lang_score", float("nan"), []),
    ],
)
def test_value_at_and_beyond_the_threshold(signal: str, value: float, expected: list[str]) -> None:
    assert failed_rules({signal: value}) == expected


def test_float32_values_equal_their_thresholds_once_rounded() -> None:
    """Unrounded, 0.1 and 0.3 as float32 would exceed the maxima 0.1 and 0.3."""
    assert float(np.float32(0.1)) > 0.1
    assert float(np.float32(0.3)) > 0.3
    assert failed_rules({"hash_ratio": float(np.float32(0.1)), "ellipsis_lines": float(np.float32(0.3))}) == []


@pytest.mark.parametrize(
    ("languages", "lang", "expected"),
    [(None, None, []), (("en", "de"), "de", []), (("en",), "de", ["language"]), (("en",), None, ["language"])],
)
def test_language_rule(languages: tuple[str, ...] | None, lang: Any, expected: list[str]) -> None:
    assert failed_rules({}, JudgeSection(languages=languages), lang=lang) == expected


def test_the_first_failed_rule_in_the_recipe_is_the_reason() -> None:
    bad = {"stop_words": 0.0, "words": 10.0, "hash_ratio": 1.0}
    assert failed_rules(bad) == ["words_min", "hashes", "stop_words"]
    assert failed_rules(bad, JudgeSection(rules=("stop_words", "words_min"))) == ["stop_words", "words_min"]


def test_the_last_matching_overlay_wins() -> None:
    section = JudgeSection(
        overlays=(
            Overlay(lang="en", thresholds={"words_min": 200}),
            Overlay(source="short", thresholds={"words_min": 5}),
            Overlay(source="code", rules=()),
            Overlay(lang="de", source="code", rules=("words_min",)),
        )
    )
    assert failed_rules({}, section) == ["words_min"]
    assert failed_rules({}, section, lang="de") == []
    assert failed_rules({"words": 5.0}, section, source="short") == []
    assert failed_rules({"words": 4.0}, section, source="short") == ["words_min"]
    assert failed_rules({"words": 0.0}, section, source="code") == []
    assert failed_rules({"words": 0.0}, section, source="code", lang="de") == ["words_min"]


def test_languages_without_spaces_have_their_own_thresholds() -> None:
    chinese = {"word_length": 1.05, "words": 80.0}
    assert failed_rules(chinese, lang="zh") == []
    assert failed_rules(chinese | {"words": 79.0}, lang="zh") == ["words_min"]
    assert failed_rules(chinese, lang="en") == ["word_length_min"]
    assert failed_rules(chinese, JudgeSection(language_overlays=()), lang="zh") == ["word_length_min"]


def test_explain_returns_the_compared_values() -> None:
    section = JudgeSection(languages=("en",), rules=("language", "hashes", "stop_words", "language_score"))
    assert explain(GOOD | {"hash_ratio": 0.25, "stop_words": float("nan")}, "en", "web", section) == [
        Check("language", "en", ("en",), True),
        Check("hashes", 0.25, 0.1, False),
        Check("stop_words", None, 2, True),
        Check("language_score", 0.99, 0.65, True),
    ]


@pytest.mark.parametrize(
    "invalid",
    [
        {"rules": ["word_min"]},
        {"thresholds": {"word_min": 3}},
        {"overlays": [{"lang": "de", "thresholds": {"language": 1}}]},
        {"overlays": [{"thresholds": {"words_min": 1}}]},
        {"overlays": [{"lang": "de"}]},
        {"rules": ["words_min", "words_min"]},
        {"preset": "gofer"},
        {"variant": "trafilatura"},
        {"lines": {"rules": ["uppercase", "uppercase"]}},
        {"lines": {"rules": ["lowercase"]}},
        {"thresholds": 3},
        {"min_lang_score": 1.1},
    ],
)
def test_invalid_sections_are_rejected(invalid: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        JudgeSection.model_validate(invalid)


def test_verdicts_on_a_table() -> None:
    rows = [GOOD, GOOD | {"words": 3.0, "stop_words": 0.0}, GOOD | {"words": 3.0}, GOOD, GOOD | {"hash_ratio": 1.0}]
    verdicts = judge_table(
        table(rows),
        documents(["en", "en", "en", None, "fr"], ["web", "web", "code", "web", "web"], [0.9, 0.9, 0.9, None, 0.1]),
        JudgeSection(languages=("en", "fr"), overlays=(Overlay(source="code", rules=()),)),
    )
    assert verdicts.schema == VERDICTS_SCHEMA
    assert verdicts["kept"].to_pylist() == [True, False, True, False, False]
    assert verdicts["reason"].to_pylist() == [None, "words_min", None, "language", "language_score"]
    assert verdicts["value"].to_pylist() == [None, 3.0, None, None, np.float32(0.1)]
    assert verdicts["threshold"].to_pylist() == [None, 50.0, None, None, np.float32(0.65)]
    assert verdicts["also"].to_pylist() == [
        [],
        [{"rule": "stop_words", "value": 0.0, "threshold": 2.0}],
        [],
        [],
        [{"rule": "hashes", "value": 1.0, "threshold": np.float32(0.1)}],
    ]
    verdicts.validate(full=True)


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_verdicts_without_failures(rows: int) -> None:
    verdicts = judge_table(
        table([GOOD] * rows), documents([None] * rows, ["web"] * rows, [None] * rows), JudgeSection()
    )
    verdicts.validate(full=True)
    assert verdicts.schema == VERDICTS_SCHEMA
    kept = {"kept": True, "reason": None, "value": None, "threshold": None, "also": []}
    assert verdicts.to_pylist() == [kept] * rows


def test_unaligned_sidecars_are_rejected() -> None:
    with pytest.raises(ValueError, match="2 rows of signals, but 1 documents"):
        judge_table(table([GOOD] * 2), documents(["en"], ["web"], [None]), JudgeSection())


TEXTS = st.lists(
    st.sampled_from(["the", "and of", "to be", "# ", "…\n", "- x\n", "1 2 3", "日本語の", "word", "\n\n", "I..."]),
    max_size=120,
).map(" ".join)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(TEXTS, st.sampled_from(["en", "ja", "xx", None]), st.sampled_from(["a", "b"])), max_size=8))
def test_table_and_single_documents_get_the_same_verdicts(docs: list[tuple[str, str | None, str]]) -> None:
    section = JudgeSection(
        languages=("en", "ja", "xx"),
        thresholds=Thresholds(words_min=20),
        overlays=(Overlay(source="b", rules=("stop_words", "hashes", "words_min")),),
    )
    langs, sources = [lang for _, lang, _ in docs], [source for _, _, source in docs]
    signals = measure_table([text for text, _, _ in docs], langs, sources, section)
    verdicts = judge_table(pa.Table.from_batches([signals]), documents(langs, sources, [None] * len(docs)), section)
    for row, verdict in enumerate(verdicts.to_pylist()):
        values = {name: np.nan if v is None else v for name, v in signals.slice(row, 1).to_pylist()[0].items()}
        del values["cuts"]
        checks = [check for check in explain(values, langs[row], sources[row], section) if not check.passed]
        assert verdict["kept"] == (not checks)
        assert verdict["reason"] == (checks[0].rule if checks else None)
        assert [failure["rule"] for failure in verdict["also"]] == [check.rule for check in checks[1:]]
        for check, failure in zip(checks[1:], verdict["also"], strict=True):
            assert (failure["value"], failure["threshold"]) == (np.float32(check.value), np.float32(check.threshold))


@given(st.permutations(RULE_NAMES), st.dictionaries(st.sampled_from(sorted(SIGNALS)), st.floats(0, 200)))
def test_the_order_of_rules_affects_only_the_reason(order: list[Any], changes: dict[str, float]) -> None:
    shuffled = failed_rules(changes, JudgeSection(rules=order))
    assert set(shuffled) == set(failed_rules(changes))
    assert shuffled == [rule for rule in order if rule in shuffled]


@pytest.mark.parametrize("preset", get_args(PresetName))
def test_recipe_keys_replace_preset_values(preset: PresetName) -> None:
    section = JudgeSection(preset=preset)
    assert section.rules == PRESETS[preset].rules
    assert JudgeSection.model_validate(section.model_dump()) == section
    own = JudgeSection.model_validate({"preset": preset, "thresholds": {"sentences": 7}, "lines": {"min_words": 9}})
    assert (own.thresholds.sentences, own.lines.min_words) == (7, 9)
    assert own.lines.rules == section.lines.rules
    assert own.rules == section.rules


def test_preset_values() -> None:
    assert JudgeSection(preset="fineweb").thresholds.sentences == 5
    assert JudgeSection(preset="c4").thresholds.sentences == 3
    assert "terminal_mark" in JudgeSection(preset="c4").lines.rules
    assert "terminal_mark" not in JudgeSection(preset="fineweb").lines.rules
    assert JudgeSection(preset="dclm").variant == "dclm"
    assert JudgeSection(preset="dclm", variant="paper").variant == "paper"
    assert not JudgeSection().lines.rules


def test_line_rules_by_language_and_source() -> None:
    section = JudgeSection(preset="c4", overlays=(Overlay(source="code", lines=LineRules()),))
    assert section.line_rules("en", "web") == section.lines
    assert not section.line_rules("en", "code").rules
    *kinds, own = section.signals_key_config()["overlays"]
    assert own == {"lang": None, "kind": None, "source": "code", "lines": LineRules().model_dump(mode="json")}
    assert [overlay["kind"] for overlay in kinds] == ["book", "code", "reference", "dialogue"]


def test_default_policy() -> None:
    policy = JudgeSection().policy("en", "web")
    assert isinstance(policy, Policy)
    assert policy.language_wanted
    assert policy.rules == PRESETS["gristmill"].rules
    assert policy.thresholds["language_score"] == 0.65


def test_human_reviewed_text_is_kept(shared_data: Path) -> None:
    """At least 98 % of articles and documentation pages, with main text marked by people, are kept."""
    with gzip.open(shared_data / "warc" / "gold.jsonl.gz", "rt", encoding="utf-8") as file:
        pages = [json.loads(line) for line in file]
    articles = [page for page in pages if page["page_type"] in ("article", "documentation")]
    langs = [page["lang"] for page in articles]
    sources = ["web"] * len(articles)
    signals = pa.Table.from_batches(
        [measure_table([page["text"] for page in articles], langs, sources, JudgeSection())]
    )
    verdicts = judge_table(signals, documents(langs, sources, [None] * len(articles)), JudgeSection())
    kept = verdicts["kept"].to_pylist()
    assert sum(kept) >= 0.98 * len(kept)

"""Which rules a document fails: pure arithmetic on columns of signals.

A rule compares one column with one threshold, and a value at the threshold passes. Both are rounded to four digits
first: 0.1 in a float32 column is 0.10000000149 and must not fail "at most 0.1". What was not measured (NaN) passes.
Columns may come from any sidecar of the documents; a rule knows its column by name alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gristmill.transforms.quality.judge_section import JudgeSection, Policy
from gristmill.transforms.quality.rule_names import RULE_NAMES, RuleName, ThresholdName
from gristmill.transforms.quality.signals import DIGITS


class Rule(NamedTuple):
    """The column ``signal`` is to be at least (``floor``) or at most (not ``floor``) the threshold of that name."""

    signal: str
    floor: bool


RULES: dict[ThresholdName, Rule] = {
    "language_score": Rule("lang_score", floor=True),
    "words_min": Rule("words", floor=True),
    "words_max": Rule("words", floor=False),
    "word_length_min": Rule("word_length", floor=True),
    "word_length_max": Rule("word_length", floor=False),
    "hashes": Rule("hash_ratio", floor=False),
    "ellipses": Rule("ellipsis_ratio", floor=False),
    "bullet_lines": Rule("bullet_lines", floor=False),
    "ellipsis_lines": Rule("ellipsis_lines", floor=False),
    "alphabetic_words": Rule("alphabetic_words", floor=True),
    "stop_words": Rule("stop_words", floor=True),
    "duplicate_lines": Rule("duplicate_lines", floor=False),
    "duplicate_line_chars": Rule("duplicate_line_chars", floor=False),
    "duplicate_paragraphs": Rule("duplicate_paragraphs", floor=False),
    "duplicate_paragraph_chars": Rule("duplicate_paragraph_chars", floor=False),
    "top_2_gram": Rule("top_2_gram", floor=False),
    "top_3_gram": Rule("top_3_gram", floor=False),
    "top_4_gram": Rule("top_4_gram", floor=False),
    "duplicate_5_grams": Rule("duplicate_5_grams", floor=False),
    "duplicate_6_grams": Rule("duplicate_6_grams", floor=False),
    "duplicate_7_grams": Rule("duplicate_7_grams", floor=False),
    "duplicate_8_grams": Rule("duplicate_8_grams", floor=False),
    "duplicate_9_grams": Rule("duplicate_9_grams", floor=False),
    "duplicate_10_grams": Rule("duplicate_10_grams", floor=False),
    "sentences": Rule("sentences", floor=True),
    "lorem_ipsum": Rule("lorem_ipsum", floor=False),
    "curly_brackets": Rule("curly_brackets", floor=False),
    "line_punctuation": Rule("line_punctuation", floor=True),
    "short_lines": Rule("short_lines", floor=False),
    "repeated_line_chars": Rule("repeated_line_chars", floor=False),
    "newlines": Rule("newlines", floor=False),
    "cut_words": Rule("cut_words", floor=False),
    "long_lines": Rule("long_lines", floor=True),
    "technical_characters": Rule("technical_characters", floor=False),
}
"""What each rule looks at: ``lang_score`` of the document, or a column of a sidecar, as those of ``SIGNALS``. The rule
``language`` looks at the document's language alone, and so is settled by its policy."""


class Failures(NamedTuple):
    """Every rule that every document fails, as pairs: by document, then in the order of the document's policy.

    ``documents`` int64 [failures] counts from 0, ``rules`` int8 [failures] is the place in ``RULE_NAMES``; ``values``
    and ``thresholds`` float64 [failures] are what was compared, NaN for the rule ``language``.
    """

    documents: NDArray[np.int64]
    rules: NDArray[np.int8]
    values: NDArray[np.float64]
    thresholds: NDArray[np.float64]


_NONE = Failures(np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0), np.empty(0))


class Check(NamedTuple):
    """One rule on one document. For ``language``, value and threshold are the language and those wanted."""

    rule: RuleName
    value: float | str | None
    threshold: float | tuple[str, ...] | None
    passed: bool


def judge(
    columns: Mapping[str, NDArray[np.float32]], groups: NDArray[np.int64], policies: Sequence[Policy]
) -> Failures:
    """What fails where. ``columns`` [documents] by signal; ``groups`` [documents] is each document's policy."""
    if not policies:
        return _NONE
    by_group = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=len(policies))).tolist()
    found = [
        _group_failures(columns, by_group[start:end], policy)
        for start, end, policy in zip([0, *ends], ends, policies, strict=False)
    ]
    documents, rules, values, thresholds = map(np.concatenate, zip(*found, strict=True))
    order = np.argsort(documents, kind="stable")
    return Failures(documents[order], rules[order], values[order], thresholds[order])


def explain(values: Mapping[str, float], lang: str | None, source: str, section: JudgeSection) -> list[Check]:
    """Every rule that the section applies to this document, in order, with what decided it.

    ``values`` are its signals, and ``lang_score`` (NaN or absent: not measured).
    """
    policy = section.policy(lang, source)
    columns = {name: np.array([value], np.float32) for name, value in ({"lang_score": np.nan} | dict(values)).items()}
    failed = {RULE_NAMES[rule] for rule in judge(columns, np.zeros(1, np.int64), [policy]).rules}

    def check(rule: RuleName) -> Check:
        if rule == "language":
            return Check(rule, lang, section.languages, rule not in failed)
        value = float(_rounded(columns[RULES[rule].signal])[0])
        return Check(rule, None if np.isnan(value) else value, policy.thresholds[rule], rule not in failed)

    return [check(rule) for rule in policy.rules]


def _group_failures(columns: Mapping[str, NDArray[np.float32]], members: NDArray[np.int64], policy: Policy) -> Failures:
    failed = np.zeros((len(members), len(policy.rules)), bool)
    values = np.full(failed.shape, np.nan)
    thresholds = np.full(len(policy.rules), np.nan)
    for place, rule in enumerate(policy.rules):
        if rule == "language":
            failed[:, place] = not policy.wanted
            continue
        signal, floor = RULES[rule]
        values[:, place] = _rounded(columns[signal][members])
        thresholds[place] = round(policy.thresholds[rule], DIGITS)
        failed[:, place] = (values[:, place] < thresholds[place]) if floor else (values[:, place] > thresholds[place])
    rows, places = np.nonzero(failed)
    names = np.array([RULE_NAMES.index(rule) for rule in policy.rules], np.int8)
    return Failures(members[rows], names[places], values[rows, places], thresholds[places])


def _rounded(values: NDArray[np.float32]) -> NDArray[np.float64]:
    doubles: NDArray[np.float64] = values.astype(np.float64)
    return doubles.round(DIGITS)

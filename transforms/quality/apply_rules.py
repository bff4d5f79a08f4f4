"""Which rules documents fail: pure arithmetic on columns of signals.

A rule compares one column with one threshold, and a value at the threshold passes. Both are rounded to four digits
first: 0.1 is 0.10000000149 in a float32 column and must not exceed a maximum of 0.1. Values that were not measured
(NaN) pass. A rule knows its column only by name, so columns may come from any sidecar of the documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gristmill.classifiers.score import DIGITS
from gristmill.corpus.arrays import Float32s, Float64s, Int8s, Int64s
from gristmill.transforms.quality.judge_section import JudgeSection, Policy
from gristmill.transforms.quality.meta_rules import MetaRule, meta_reason
from gristmill.transforms.quality.rule_table import RULE_NAMES, RULES, RuleName


class Failures(NamedTuple):
    """Every rule that every document fails, sorted by document, then in the order of the document's policy.

    ``documents`` int64 [failures] are indices of documents, ``rules`` int8 [failures] indices in ``RULE_NAMES``;
    ``values`` and ``thresholds`` float64 [failures] are what was compared, NaN for the rule ``language``.
    """

    documents: Int64s
    rules: Int8s
    values: Float64s
    thresholds: Float64s


_NO_FAILURES = Failures(np.empty(0, np.int64), np.empty(0, np.int8), np.empty(0), np.empty(0))


class Check(NamedTuple):
    """One rule applied to one document. For ``language``, value and threshold are its language and the recipe's; rules
    on strings of the metadata have no threshold.
    """

    rule: str
    value: Any
    threshold: float | tuple[str, ...] | None
    passed: bool


def find_failures(columns: Mapping[str, Float32s], groups: Int64s, policies: Sequence[Policy]) -> Failures:
    """Return which documents fail which rules. ``columns`` are the signals [documents] by name, ``groups`` [documents]
    the index of each document's policy.
    """
    if not policies:
        return _NO_FAILURES
    by_group = np.argsort(groups, kind="stable")
    ends = np.cumsum(np.bincount(groups, minlength=len(policies))).tolist()
    group_failures = [
        _group_failures(columns, by_group[start:end], policy)
        for start, end, policy in zip([0, *ends], ends, policies, strict=False)
    ]
    documents, rules, values, thresholds = map(np.concatenate, zip(*group_failures, strict=True))
    order = np.argsort(documents, kind="stable")
    return Failures(documents[order], rules[order], values[order], thresholds[order])


def explain(
    signals: Mapping[str, float],
    lang: str | None,
    source: str,
    section: JudgeSection,
    meta: Mapping[str, Any] | None = None,
) -> list[Check]:
    """Return every rule that the section applies to a document, in order, with the values that were compared.

    ``signals`` are the document's, including ``lang_score`` (NaN or absent if not measured), ``meta`` its metadata.
    """
    policy = section.policy(lang, source)
    columns = {name: np.array([value], np.float32) for name, value in ({"lang_score": np.nan} | dict(signals)).items()}
    failed = {RULE_NAMES[rule] for rule in find_failures(columns, np.zeros(1, np.int64), [policy]).rules}

    def check(rule: RuleName) -> Check:
        if rule == "language":
            return Check(rule, lang, section.languages, rule not in failed)
        value = float(_rounded(columns[RULES[rule].signal])[0])
        return Check(rule, None if np.isnan(value) else value, policy.thresholds[rule], rule not in failed)

    def check_meta(column: str, rule: MetaRule) -> Check:
        value = (meta or {}).get(column)
        failure = rule.failure(value)
        limit = rule.max if rule.min is None else rule.min
        return Check(meta_reason(column), value, failure.threshold if failure else limit, failure is None)

    meta_checks = [check_meta(column, rule) for column, rule in policy.meta.items()]
    return [check(rule) for rule in policy.rules] + meta_checks


def _group_failures(columns: Mapping[str, Float32s], documents: Int64s, policy: Policy) -> Failures:
    """Return the failures of ``documents``, to which the same policy applies."""
    failed = np.zeros((len(documents), len(policy.rules)), bool)
    values = np.full(failed.shape, np.nan)
    thresholds = np.full(len(policy.rules), np.nan)
    for index, name in enumerate(policy.rules):
        if name == "language":
            failed[:, index] = not policy.language_wanted
            continue
        rule = RULES[name]
        values[:, index] = _rounded(columns[rule.signal][documents])
        threshold = thresholds[index] = round(policy.thresholds[name], DIGITS)
        failed[:, index] = values[:, index] < threshold if rule.bound == "min" else values[:, index] > threshold
    rows, indices = np.nonzero(failed)
    rule_numbers = np.array([RULE_NAMES.index(name) for name in policy.rules], np.int8)
    return Failures(documents[rows], rule_numbers[indices], values[rows, indices], thresholds[indices])


def _rounded(values: Float32s) -> Float64s:
    doubles: Float64s = values.astype(np.float64)
    result: Float64s = doubles.round(DIGITS)
    return result

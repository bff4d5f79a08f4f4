"""Rules on scores: pure arithmetic on columns, whose failures are appended to the verdicts on signals.

Thresholds come from the recipe or from the percentiles in a model's card, never from the corpus, so the verdict on a
document depends on no other document. Scores and thresholds are compared as float32 columns store them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.classifiers.card import read_percentiles
from gristmill.classifiers.metrics import threshold_for
from gristmill.classifiers.score import round_scores
from gristmill.corpus.arrays import Bools, Float32s, Int64s
from gristmill.errors import InputError
from gristmill.transforms.quality.scorers import CalibratedScorer, ScorerSection
from gristmill.transforms.quality.verdicts_sidecar import FAILURE_TYPE, VERDICTS_SCHEMA, float_array


class ScoreRule(NamedTuple):
    """The score in ``column`` must be at least (``is_minimum``) or at most (not ``is_minimum``) ``threshold``."""

    column: str
    threshold: float
    is_minimum: bool

    def fails(self, scores: Float32s) -> Bools:
        """Return whether each of ``scores`` [documents] fails; a document without a score (NaN) passes."""
        threshold = round_scores(self.threshold)
        return scores < threshold if self.is_minimum else scores > threshold


def score_rules(scorers: Sequence[ScorerSection]) -> list[ScoreRule]:
    """Return the rules of ``scorers``, in order. Raises InputError if ``keep`` is set and the model's card has no
    percentiles.
    """
    return [rule for scorer in scorers for rule in _rules_of(scorer)]


def failed_score_rules(columns: Mapping[str, Float32s], rules: Sequence[ScoreRule]) -> Bools:
    """Return which document fails which rule: bool [documents, rules]. ``columns`` are scores [documents] by name."""
    return np.stack([rule.fails(columns[rule.column]) for rule in rules], axis=1)


def add_score_failures(verdicts: pa.Table, scores: pa.Table, rules: Sequence[ScoreRule]) -> pa.Table:
    """Return ``verdicts`` updated with the failures of ``rules`` on ``scores``, row by row, with the same schema.

    A document that was kept so far is dropped by the first rule that it fails. All other failures are appended to
    ``also``.
    """
    if not rules:
        return verdicts
    columns = {rule.column: float_array(scores[rule.column]) for rule in rules}
    rows, rule_indices = np.nonzero(failed_score_rules(columns, rules))
    kept = verdicts["kept"].to_numpy()
    is_reason = kept[rows] & np.append(True, rows[1:] != rows[:-1])[: len(rows)]
    failures = _failures(columns, rules, rows, rule_indices)
    changed = np.zeros(len(kept), bool)
    changed[rows[is_reason]] = True
    reasons = failures.filter(pa.array(is_reason))

    def replaced(name: str, values: pa.Array) -> pa.Array:
        plain = verdicts[name].combine_chunks()
        return pc.replace_with_mask(plain.cast(values.type), pa.array(changed), values)

    return pa.Table.from_arrays(
        [
            pa.array(kept & ~changed),
            replaced("reason", reasons.field("rule")).dictionary_encode().cast(VERDICTS_SCHEMA.field("reason").type),
            replaced("value", reasons.field("value")),
            replaced("threshold", reasons.field("threshold")),
            _append(verdicts["also"].combine_chunks(), failures.filter(pa.array(~is_reason)), rows[~is_reason]),
        ],
        schema=VERDICTS_SCHEMA,
    )


def reference_percentiles(scorer: ScorerSection) -> Sequence[float] | None:
    """Return the percentiles of the reference set in the card of the scorer's model, or None if there are none."""
    return read_percentiles(scorer.model_url()) if isinstance(scorer, CalibratedScorer) else None


def _rules_of(scorer: ScorerSection) -> list[ScoreRule]:
    rules = []
    if scorer.min is not None:
        rules.append(ScoreRule(scorer.column, scorer.min, is_minimum=True))
    if scorer.max is not None:
        rules.append(ScoreRule(scorer.column, scorer.max, is_minimum=False))
    if isinstance(scorer, CalibratedScorer) and scorer.keep is not None:
        percentiles = reference_percentiles(scorer)
        if percentiles is None:
            raise InputError(
                f"scores.{scorer.name}.keep: the card of {scorer.model_url()} has no percentiles of a reference set; "
                "set `min` or `max` instead, or train the model with a reference set"
            )
        threshold = threshold_for(percentiles, scorer.keep, highest=scorer.higher_is_better)
        rules.append(ScoreRule(scorer.column, threshold, is_minimum=scorer.higher_is_better))
    return rules


def _failures(
    columns: Mapping[str, Float32s], rules: Sequence[ScoreRule], rows: Int64s, rule_indices: Int64s
) -> pa.StructArray:
    """Return the failures of ``rules`` at ``rows`` with the values that were compared."""
    values = np.stack([columns[rule.column] for rule in rules], axis=1)[rows, rule_indices]
    thresholds = round_scores([rule.threshold for rule in rules])[rule_indices]
    names = pa.array([rule.column for rule in rules], pa.string()).take(pa.array(rule_indices))
    return pa.StructArray.from_arrays([names, pa.array(values), pa.array(thresholds)], fields=list(FAILURE_TYPE))


def _append(lists: pa.ListArray, items: pa.StructArray, rows: Int64s) -> pa.ListArray:
    """Return ``lists`` with each of ``items`` appended to the list of its row."""
    list_rows = np.concatenate([pc.list_parent_indices(lists).to_numpy(), rows])
    order = np.argsort(list_rows, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(list_rows, minlength=len(lists)))])
    values = pa.concat_arrays([lists.flatten(), items]).take(pa.array(order))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)

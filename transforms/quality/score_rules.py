"""Rules over scores: pure arithmetic on columns, and their verdicts put behind those of the rules over signals.

Limits come from the recipe, or from the percentiles in a model's card; never from the corpus that is judged, so that a
document's verdict hangs on nothing but itself. Scores and limits are compared as float32 columns hold them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from gristmill.classifiers.card import read_percentiles
from gristmill.classifiers.metrics import threshold_for
from gristmill.classifiers.score import rounded
from gristmill.errors import InputError
from gristmill.transforms.quality.score_section import AnyScorer, FastText, Kenlm
from gristmill.transforms.quality.scorers import model_url
from gristmill.transforms.quality.signal_columns import FAILURE_TYPE, VERDICTS_SCHEMA, floats


class ScoreRule(NamedTuple):
    """The score in ``column`` must be at least (``floor``) or at most (not ``floor``) ``threshold``."""

    column: str
    threshold: float
    floor: bool

    def fails(self, scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether each of ``scores`` [documents] fails; what has none (NaN) passes."""
        limit = rounded(self.threshold)
        return scores < limit if self.floor else scores > limit


def score_rules(scorers: Sequence[AnyScorer]) -> list[ScoreRule]:
    """The rules of ``scorers``, in order. Raises InputError where a model has no card to take a keep-share from."""
    return [rule for scorer in scorers for rule in _rules(scorer)]


def failures(columns: Mapping[str, NDArray[np.float32]], rules: Sequence[ScoreRule]) -> NDArray[np.bool_]:
    """Which document fails which rule: bool [documents, rules], of ``columns`` [documents] by name."""
    return np.stack([rule.fails(columns[rule.column]) for rule in rules], axis=1)


def with_scores(verdicts: pa.Table, scores: pa.Table, rules: Sequence[ScoreRule]) -> pa.Table:
    """``verdicts`` with what ``rules`` say of ``scores``, row by row; the schema is that of verdicts.

    A document that was kept until here goes for the first rule that it fails; all other failures are named behind those
    that stand there.
    """
    if not rules:
        return verdicts
    columns = {rule.column: floats(scores[rule.column]) for rule in rules}
    rows, places = np.nonzero(failures(columns, rules))
    kept = verdicts["kept"].to_numpy()
    first = kept[rows] & np.append(True, rows[1:] != rows[:-1])[: len(rows)]
    found = _failed(columns, rules, rows, places)
    changed = np.zeros(len(kept), bool)
    changed[rows[first]] = True
    reasons = found.filter(pa.array(first))

    def replaced(name: str, values: pa.Array) -> pa.Array:
        plain = verdicts[name].combine_chunks()
        return pc.replace_with_mask(plain.cast(values.type), pa.array(changed), values)

    return pa.Table.from_arrays(
        [
            pa.array(kept & ~changed),
            replaced("reason", reasons.field("rule")).dictionary_encode().cast(VERDICTS_SCHEMA.field("reason").type),
            replaced("value", reasons.field("value")),
            replaced("threshold", reasons.field("threshold")),
            _joined(verdicts["also"].combine_chunks(), found.filter(pa.array(~first)), rows[~first]),
        ],
        schema=VERDICTS_SCHEMA,
    )


def percentiles_of(scorer: AnyScorer) -> Sequence[float] | None:
    """The percentiles of the reference of a scorer's model, if it has a card with any."""
    return read_percentiles(model_url(scorer)) if isinstance(scorer, FastText | Kenlm) else None


def _rules(scorer: AnyScorer) -> list[ScoreRule]:
    rules = []
    if scorer.min is not None:
        rules.append(ScoreRule(scorer.column, scorer.min, floor=True))
    if scorer.max is not None:
        rules.append(ScoreRule(scorer.column, scorer.max, floor=False))
    if isinstance(scorer, FastText | Kenlm) and scorer.keep is not None:
        higher = isinstance(scorer, FastText)
        points = percentiles_of(scorer)
        if points is None:
            raise InputError(
                f"scores.{scorer.name}.keep: the card of {model_url(scorer)} has no percentiles of a reference; "
                "give `min` or `max`, or train the model with a reference"
            )
        rules.append(ScoreRule(scorer.column, threshold_for(points, scorer.keep, highest=higher), floor=higher))
    return rules


def _failed(
    columns: Mapping[str, NDArray[np.float32]],
    rules: Sequence[ScoreRule],
    rows: NDArray[np.int64],
    places: NDArray[np.int64],
) -> pa.StructArray:
    """The failures at ``rows`` and ``places`` with their numbers."""
    values = np.stack([columns[rule.column] for rule in rules], axis=1)[rows, places]
    limits = rounded([rule.threshold for rule in rules])[places]
    names = pa.array([rule.column for rule in rules], pa.string()).take(pa.array(places))
    return pa.StructArray.from_arrays([names, pa.array(values), pa.array(limits)], fields=list(FAILURE_TYPE))


def _joined(lists: pa.ListArray, more: pa.StructArray, rows: NDArray[np.int64]) -> pa.ListArray:
    """``lists`` with each of ``more`` put at the end of the list of its row."""
    owners = np.concatenate([pc.list_parent_indices(lists).to_numpy(), rows])
    order = np.argsort(owners, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(lists)))])
    values = pa.concat_arrays([lists.flatten(), more]).take(pa.array(order))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)

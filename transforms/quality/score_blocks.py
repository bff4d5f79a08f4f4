"""Applies scorers to blocks of documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from gristmill.classifiers.score import Scorer
from gristmill.corpus.arrays import Bools, Float32s
from gristmill.transforms.core.row_blocks import set_columns
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.score_rules import score_rules
from gristmill.transforms.quality.scorers import ScorerSection, cheap_scorers, expensive_scorers, scorer_key
from gristmill.transforms.quality.verdicts_sidecar import (
    RULE_COLUMNS,
    document_columns,
    float_array,
    judge_table,
)

PASSES_SO_FAR = "passes_so_far"
"""Column of blocks in flight: whether the document passes every rule so far, and expensive scorers are to score it."""

EARLIER_PREFIX = "earlier:"
"""Columns of blocks in flight: this prefix and a scorer's key name the column with the scores of earlier runs."""


def score_block(block: pa.Table, scorer: ScorerSection, model: Scorer, to_score: Bools | None = None) -> Float32s:
    """Return the scores of the documents ``to_score`` [documents] that the scorer covers, NaN for other documents.

    Scores of earlier runs are reused.
    """
    scores = np.full(len(block), np.nan, np.float32)
    selected = _covered(block, scorer) if to_score is None else to_score & _covered(block, scorer)
    name = EARLIER_PREFIX + scorer_key(scorer)
    if name in block.column_names:
        scores = np.where(selected, float_array(block[name]), scores)
    missing = np.flatnonzero(selected & np.isnan(scores))
    rows = block.select(["text", "lang"]).take(pa.array(missing))
    scores[missing] = model.scores(rows["text"].to_pylist(), rows["lang"].to_pylist())
    return scores


def score_column(scores: Float32s) -> pa.Array:
    """Return scores as a column, with null for NaN."""
    return pa.array(scores, pa.float32(), from_pandas=True)


def _covered(block: pa.Table, scorer: ScorerSection) -> Bools:
    """Return which documents are in the scorer's languages and sources."""
    covered = np.ones(len(block), bool)
    for name, values in (("lang", scorer.languages), ("source", scorer.sources)):
        if values is not None:
            covered = covered & np.isin(np.array(block[name].to_pylist(), object), values)
    return covered


class CheapScorers:
    """Adds the columns of the cheap scorers to blocks. If there are expensive ones, adds ``PASSES_SO_FAR``, too."""

    def __init__(self, scorers: Sequence[ScorerSection], section: JudgeSection) -> None:
        self.models = [(scorer, scorer.open()) for scorer in cheap_scorers(scorers)]
        self.section = section if expensive_scorers(scorers) else None

    def __call__(self, block: pa.Table) -> pa.Table:
        scores = {scorer.column: score_block(block, scorer, model) for scorer, model in self.models}
        columns: dict[str, Any] = {name: score_column(values) for name, values in scores.items()}
        if self.section is not None:
            columns[PASSES_SO_FAR] = pa.array(self._passes(block, scores, self.section))
        return set_columns(block, columns)

    def _passes(self, block: pa.Table, scores: Mapping[str, Float32s], section: JudgeSection) -> Bools:
        documents = block.select(document_columns(section))
        kept: Bools = judge_table(block.select(RULE_COLUMNS), documents, section)["kept"].to_numpy()
        return kept & passes_scores(block, scores, [scorer for scorer, _ in self.models], section)


def passes_scores(
    block: pa.Table, scores: Mapping[str, Float32s], scorers: Sequence[ScorerSection], section: JudgeSection
) -> Bools:
    """Return which documents pass the limits of ``scorers``. ``scores`` are arrays by column."""
    passes: Bools = score_rules(scorers, block, section).failed(scores).sum(axis=1) == 0
    return passes

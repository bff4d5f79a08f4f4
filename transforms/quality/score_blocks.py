"""One scorer on one block of documents."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.classifiers.score import Scorer
from gristmill.transforms.quality.score_section import AnyScorer
from gristmill.transforms.quality.scorers import scorer_key
from gristmill.transforms.quality.signal_columns import floats

LET_THROUGH = "let_through"
"""Whether dearer scorers see a document: a column while a block is on its way."""

EARLIER = "earlier:"
"""Before a scorer's key, the name of the column with what earlier runs said."""


def score_block(
    block: pa.Table, scorer: AnyScorer, model: Scorer, seen: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """The scorer's numbers for the documents of its languages that are ``seen`` [documents], NaN for others.

    Numbers of an earlier run are taken as they are.
    """
    found = np.full(len(block), np.nan, np.float32)
    wanted = _of_languages(block, scorer) if seen is None else seen & _of_languages(block, scorer)
    name = EARLIER + scorer_key(scorer)
    if name in block.column_names:
        found = np.where(wanted, floats(block[name]), found)
    missing = np.flatnonzero(wanted & np.isnan(found))
    rows = block.select(["text", "lang"]).take(pa.array(missing))
    found[missing] = model.scores(rows["text"].to_pylist(), rows["lang"].to_pylist())
    return found


def score_column(values: NDArray[np.float32]) -> pa.Array:
    """Scores as a column, null for NaN."""
    return pa.array(values, pa.float32(), from_pandas=True)


def _of_languages(block: pa.Table, scorer: AnyScorer) -> NDArray[np.bool_]:
    if scorer.languages is None:
        return np.ones(len(block), bool)
    return np.isin(np.array(block["lang"].to_pylist(), object), scorer.languages)

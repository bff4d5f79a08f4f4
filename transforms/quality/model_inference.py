"""Dear scorers through Beam's ``RunInference``. A module of its own, since importing that imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference

from gristmill.classifiers.score import Scorer
from gristmill.transforms.core.row_blocks import with_columns
from gristmill.transforms.quality.score_blocks import LET_THROUGH, score_block, score_column
from gristmill.transforms.quality.score_rules import ScoreRule, failures, score_rules
from gristmill.transforms.quality.score_section import AnyScorer
from gristmill.transforms.quality.scorers import open_scorer


class RunScorer(beam.PTransform):  # type: ignore[misc]
    """Blocks to blocks with a dear scorer's column, null where a document was not let through to it."""

    def __init__(self, scorer: AnyScorer) -> None:
        super().__init__()
        self.scorer = scorer

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | RunInference(KeyedModelHandler(BlockHandler(self.scorer)))


class BlockHandler(ModelHandler[Any, Any, Scorer]):  # type: ignore[misc]
    """A dear scorer to ``RunInference``: an example is a block of documents, its prediction the block with its scores.

    Batches are the blocks themselves, so that blocks keep their order. What is no block (the end of a unit) passes.
    """

    def __init__(self, scorer: AnyScorer) -> None:
        super().__init__(min_batch_size=1, max_batch_size=1)
        self.scorer = scorer

    def load_model(self) -> Scorer:
        return open_scorer(self.scorer)

    def run_inference(
        self, batch: Sequence[Any], model: Scorer, inference_args: Mapping[str, Any] | None = None
    ) -> Iterable[Any]:
        rules = score_rules([self.scorer])
        return [_scored_if_let_through(one, self.scorer, model, rules) for one in batch]

    def get_num_bytes(self, batch: Sequence[Any]) -> int:
        return sum(one.nbytes for one in batch if isinstance(one, pa.Table))

    def get_metrics_namespace(self) -> str:
        return f"Scores_{self.scorer.name}"


def _scored_if_let_through(block: Any, scorer: AnyScorer, model: Scorer, rules: Sequence[ScoreRule]) -> Any:
    if not isinstance(block, pa.Table):
        return block
    let_through = block[LET_THROUGH].to_numpy()
    scores = score_block(block, scorer, model, let_through)
    if rules:
        let_through = let_through & ~failures({scorer.column: scores}, rules).any(axis=1)
    return with_columns(block, {scorer.column: score_column(scores), LET_THROUGH: pa.array(let_through)})

"""Runs expensive scorers through Beam's ``RunInference``. A separate module, because importing that imports torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.ml.inference.base import KeyedModelHandler, ModelHandler, RunInference

from gristmill.classifiers.score import Scorer
from gristmill.transforms.core.row_blocks import set_columns
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.score_blocks import PASSES_SO_FAR, passes_scores, score_block, score_column
from gristmill.transforms.quality.scorers import ScorerSection


@dataclass(eq=False)
class RunScorer(beam.PTransform):  # type: ignore[misc]
    """Add the column of an expensive scorer to blocks; it is null for documents that fail an earlier rule.

    Attributes:
        scorer: The expensive scorer.
        section: The rules of documents, whose overlays may replace the scorer's limits.
    """

    scorer: ScorerSection
    section: JudgeSection

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        return blocks | RunInference(KeyedModelHandler(BlockHandler(self.scorer, self.section)))


class BlockHandler(ModelHandler[Any, Any, Scorer]):  # type: ignore[misc]
    """Presents a scorer to ``RunInference``: an example is a block of documents, its prediction the block with scores.

    A batch holds a single block, so that blocks keep their order. Items that are not blocks (``EndOfUnit``) pass
    through.
    """

    def __init__(self, scorer: ScorerSection, section: JudgeSection) -> None:
        super().__init__(min_batch_size=1, max_batch_size=1)
        self.scorer = scorer
        self.section = section

    def load_model(self) -> Scorer:
        return self.scorer.open()

    def run_inference(
        self, batch: Sequence[Any], model: Scorer, inference_args: Mapping[str, Any] | None = None
    ) -> Iterable[Any]:
        return [_score_passing(item, self.scorer, model, self.section) for item in batch]

    def get_num_bytes(self, batch: Sequence[Any]) -> int:
        return sum(item.nbytes for item in batch if isinstance(item, pa.Table))

    def get_metrics_namespace(self) -> str:
        return f"Scores_{self.scorer.name}"


def _score_passing(block: Any, scorer: ScorerSection, model: Scorer, section: JudgeSection) -> Any:
    if not isinstance(block, pa.Table):
        return block
    passes = block[PASSES_SO_FAR].to_numpy()
    scores = score_block(block, scorer, model, passes)
    passes = passes & passes_scores(block, {scorer.column: scores}, [scorer], section)
    return set_columns(block, {scorer.column: score_column(scores), PASSES_SO_FAR: pa.array(passes)})

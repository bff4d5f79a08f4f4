"""Beam's view of scoring: cheap scorers block by block, transformers through ``RunInference``, row-aligned columns out.

What an earlier run said of the same documents with the same scorer is read instead of computed, where this run has a
score at all; so loosening a cheap rule costs a dear scorer only the documents that it had not seen, and the file is the
one that a fresh run would write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import Attempt, StageDirectory, open_table
from gristmill.transforms.core.row_blocks import AlignedFiles, Columns, SidecarWriter, read_blocks, with_columns
from gristmill.transforms.core.units import MapItems, ReadUnits, WriteUnits
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.score_blocks import EARLIER, LET_THROUGH, score_block, score_column
from gristmill.transforms.quality.score_rules import ScoreRule, failures, score_rules, with_scores
from gristmill.transforms.quality.score_section import AnyScorer
from gristmill.transforms.quality.scorers import cheap, dear, open_scorer, scorer_key
from gristmill.transforms.quality.signal_columns import RULE_COLUMNS, floats, verdicts

SCORERS = "scorers"
"""The fact of a receipt that tells each column's scorer by its key."""


class ScoreWork(NamedTuple):
    """A document file with its sidecars, and score files about it of earlier runs: (file, scorer's key) of a column."""

    aligned: AlignedFiles
    earlier: tuple[tuple[Columns, str], ...]


class ReadScoreWork(ReadUnits):
    """Document files with what earlier runs said of them, to ``(unit, block)`` pairs."""

    def __init__(self) -> None:
        super().__init__(read_score_blocks)


class ScoreDocuments(beam.PTransform):  # type: ignore[misc]
    """Blocks with ``text`` and ``lang`` to blocks with a column for each scorer.

    Where there are dear scorers, blocks hold what the rules look at too (``RULE_COLUMNS``, ``source``, ``lang_score``).
    """

    def __init__(self, scorers: Sequence[AnyScorer], section: JudgeSection) -> None:
        super().__init__()
        self.scorers = list(scorers)
        self.section = section

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        scored = blocks | "cheap" >> MapItems(partial(_CheapTier, self.scorers, self.section))
        for scorer in dear(self.scorers):
            from gristmill.transforms.quality.model_inference import (
                RunScorer,  # imports torch, which costs all others 600 MB
            )

            scored |= scorer.name >> RunScorer(scorer)
        return scored


class JudgeScores(MapItems):
    """Blocks with what the rules look at, scores included, to blocks of verdicts: ``JudgeSignals`` with rules more."""

    def __init__(self, section: JudgeSection, rules: Sequence[ScoreRule]) -> None:
        super().__init__(partial(_same, partial(_judge, section, list(rules))))


class WriteScores(WriteUnits):
    """Scores, row-aligned with the documents."""

    def __init__(self, stage: StageDirectory, scorers: Sequence[AnyScorer]) -> None:
        keys = {one.column: scorer_key(one) for one in scorers}
        super().__init__(stage, partial(_ScoresFold, keys))


def read_score_blocks(work: ScoreWork) -> Iterator[pa.Table | UnitSummary]:
    """The blocks of a document file, with the scores of earlier runs as further columns, one for each scorer's key.

    Raises RunError where files are not aligned.
    """
    opened = [(open_table(columns.url), columns.names[0], key) for columns, key in work.earlier]
    try:
        for group, block in enumerate(read_blocks(work.aligned)):
            if isinstance(block, UnitSummary):
                yield block
                return
            known: dict[str, NDArray[np.float32]] = {}
            for file, name, key in opened:
                values = floats(file.read_row_group(group, [name])[name])
                if len(values) != len(block):
                    raise RunError(f"not row-aligned in row group {group}: the scores of an earlier run; delete them")
                standing = known.get(EARLIER + key, values)
                known[EARLIER + key] = np.where(np.isnan(standing), values, standing)
            yield with_columns(block, known)
    finally:
        for file, _, _ in opened:
            file.close(force=True)


class _CheapTier:
    """Scores of the cheap scorers; and, where there are dear ones, who is let through to them."""

    def __init__(self, scorers: Sequence[AnyScorer], section: JudgeSection) -> None:
        self.models = [(one, open_scorer(one)) for one in cheap(scorers)]
        self.rules = score_rules(cheap(scorers))
        self.section = section if dear(scorers) else None

    def __call__(self, block: pa.Table) -> pa.Table:
        scores = {one.column: score_block(block, one, model) for one, model in self.models}
        told: dict[str, Any] = {name: score_column(values) for name, values in scores.items()}
        if self.section is not None:
            told[LET_THROUGH] = pa.array(self._let_through(block, scores, self.section))
        return with_columns(block, told)

    def _let_through(
        self, block: pa.Table, scores: Mapping[str, NDArray[np.float32]], section: JudgeSection
    ) -> NDArray[np.bool_]:
        documents = block.select(["source", "lang", "lang_score"])
        kept: NDArray[np.bool_] = verdicts(block.select(RULE_COLUMNS), documents, section)["kept"].to_numpy()
        return kept & ~failures(scores, self.rules).any(axis=1) if self.rules else kept


def _same(step: Any) -> Any:
    """A step that needs no model is its own loader."""
    return step


def _judge(section: JudgeSection, rules: Sequence[ScoreRule], block: pa.Table) -> pa.Table:
    found = verdicts(block.select(RULE_COLUMNS), block.select(["source", "lang", "lang_score"]), section)
    return with_scores(found, block, rules)


class _ScoresFold(SidecarWriter):
    """Scores, and in the receipt which scorer each column is of, so that later runs find them."""

    def __init__(self, keys: Mapping[str, str], attempt: Attempt) -> None:
        super().__init__("scores", pa.schema([pa.field(name, pa.float32()) for name in keys]), attempt)
        self.keys = keys

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        counts, _ = super().finish(end)
        return counts, {SCORERS: dict(self.keys)}

"""Beam transforms that measure, score and judge row blocks of documents, and write the results as sidecars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa

from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.core_beam import MapItems, ReadUnits, WriteUnits
from gristmill.transforms.core.row_blocks import SidecarWriter
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.score_blocks import CheapScorers
from gristmill.transforms.quality.score_rules import ScoreRule, add_score_failures
from gristmill.transforms.quality.scorers import ScorerSection, expensive_scorers, scorer_key
from gristmill.transforms.quality.scores_sidecar import ScoresWriter, read_score_blocks
from gristmill.transforms.quality.signals_sidecar import SIGNALS_SCHEMA, measure_table
from gristmill.transforms.quality.verdicts_sidecar import RULE_COLUMNS, VERDICTS_SCHEMA, judge_table


class MeasureSignals(MapItems):
    """Turn blocks with ``text``, ``lang`` and ``source`` into blocks of signals and cuts."""

    def __init__(self, section: JudgeSection) -> None:
        super().__init__(partial(_without_setup, partial(_measure, section)))


class WriteSignals(WriteUnits):
    """Write signals, row-aligned with the documents."""

    def __init__(self, stage: StageDirectory) -> None:
        super().__init__(stage, partial(SidecarWriter, "signals", SIGNALS_SCHEMA))


class ReadScoreWork(ReadUnits):
    """Read document files and earlier runs' scores into ``(unit, block)`` pairs. A task's work is ``ScoreWork``."""

    def __init__(self) -> None:
        super().__init__(read_score_blocks)


@dataclass(eq=False)
class ScoreDocuments(beam.PTransform):  # type: ignore[misc]
    """Add a column per scorer to blocks with ``text`` and ``lang``.

    If any scorer is expensive, blocks also need ``RULE_COLUMNS``, ``source`` and ``lang_score``, because expensive
    scorers run only on documents that pass all other rules.

    Attributes:
        scorers: Scorers of the recipe.
        section: Rules on signals.
    """

    scorers: Sequence[ScorerSection]
    section: JudgeSection

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        scored = blocks | "cheap" >> MapItems(partial(CheapScorers, list(self.scorers), self.section))
        for scorer in expensive_scorers(self.scorers):
            # Imported here because it imports torch, which would cost every other worker 600 MB.
            from gristmill.transforms.quality.run_scorer_beam import RunScorer

            scored |= scorer.name >> RunScorer(scorer)
        return scored


class WriteScores(WriteUnits):
    """Write scores, row-aligned with the documents."""

    def __init__(self, stage: StageDirectory, scorers: Sequence[ScorerSection]) -> None:
        keys = {scorer.column: scorer_key(scorer) for scorer in scorers}
        super().__init__(stage, partial(ScoresWriter, keys))


class JudgeDocuments(MapItems):
    """Turn blocks with ``RULE_COLUMNS``, ``source``, ``lang``, ``lang_score`` and the scores of ``score_rules`` into
    blocks of verdicts.
    """

    def __init__(self, section: JudgeSection, score_rules: Sequence[ScoreRule] = ()) -> None:
        super().__init__(partial(_without_setup, partial(_judge, section, list(score_rules))))


class WriteVerdicts(WriteUnits):
    """Write verdicts, row-aligned with the documents."""

    def __init__(self, stage: StageDirectory) -> None:
        super().__init__(stage, partial(SidecarWriter, "verdicts", VERDICTS_SCHEMA))


def _without_setup(function: Callable[[pa.Table], Any]) -> Callable[[pa.Table], Any]:
    """Return ``function``: it loads nothing, so it can be pickled as it is."""
    return function


def _measure(section: JudgeSection, block: pa.Table) -> pa.RecordBatch:
    return measure_table(block["text"].to_pylist(), block["lang"].to_pylist(), block["source"].to_pylist(), section)


def _judge(section: JudgeSection, score_rules: Sequence[ScoreRule], block: pa.Table) -> pa.Table:
    verdicts = judge_table(block.select(RULE_COLUMNS), block.select(["source", "lang", "lang_score"]), section)
    return add_score_failures(verdicts, block, score_rules)

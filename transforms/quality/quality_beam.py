"""Beam transforms that measure, score and judge row blocks of documents, and write the results as sidecars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa

from gristmill.corpus.record import UnitSummary
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.store.group_counts import GROUPS, GroupCounter
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.core_beam import MapItems, ReadUnits, WriteUnits
from gristmill.transforms.core.row_blocks import SidecarWriter, set_columns
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.score_blocks import CheapScorers
from gristmill.transforms.quality.score_rules import add_score_failures
from gristmill.transforms.quality.scorers import ScorerSection, expensive_scorers, scorer_key
from gristmill.transforms.quality.scores_sidecar import ScoresWriter, read_score_blocks
from gristmill.transforms.quality.signals_sidecar import SIGNALS_SCHEMA, measure_table
from gristmill.transforms.quality.verdicts_sidecar import RULE_COLUMNS, VERDICTS_SCHEMA, document_columns, judge_table


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
    """Add a column per scorer to blocks with ``text``, ``lang`` and ``source``.

    If any scorer is expensive, blocks also need ``RULE_COLUMNS`` and ``document_columns``, because expensive scorers
    run only on documents that pass all other rules. Overlays name no kinds, and ``keep`` is resolved.

    Attributes:
        scorers: Scorers of the recipe.
        section: Rules of documents.
    """

    scorers: Sequence[ScorerSection]
    section: JudgeSection

    def expand(self, blocks: beam.PCollection) -> beam.PCollection:
        scored = blocks | "cheap" >> MapItems(partial(CheapScorers, list(self.scorers), self.section))
        for scorer in expensive_scorers(self.scorers):
            # Imported here because it imports torch, which would cost every other worker 600 MB.
            from gristmill.transforms.quality.run_scorer_beam import RunScorer

            scored |= scorer.name >> RunScorer(scorer, self.section)
        return scored


class WriteScores(WriteUnits):
    """Write scores, row-aligned with the documents."""

    def __init__(self, stage: StageDirectory, scorers: Sequence[ScorerSection]) -> None:
        keys = {scorer.column: scorer_key(scorer) for scorer in scorers}
        super().__init__(stage, partial(ScoresWriter, keys))


class JudgeDocuments(MapItems):
    """Turn blocks with ``RULE_COLUMNS``, ``document_columns``, ``text_bytes`` and the scores of ``limited_scorers``
    into blocks of verdicts with ``lang`` and ``text_bytes``. Overlays name no kinds, and ``keep`` is resolved.
    """

    def __init__(self, section: JudgeSection, scorers: Sequence[ScorerSection] = ()) -> None:
        super().__init__(partial(_without_setup, partial(_judge, section, list(scorers))))


class WriteVerdicts(WriteUnits):
    """Write verdicts, row-aligned with the documents."""

    def __init__(self, stage: StageDirectory) -> None:
        super().__init__(stage, VerdictWriter)


class VerdictWriter(SidecarWriter):
    """Writes verdicts, and counts documents and bytes by language and reason."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__("verdicts", VERDICTS_SCHEMA, attempt)
        self.groups = GroupCounter()

    def add(self, block: pa.Table) -> int:
        self.groups.add_columns(*(block[name] for name in ("lang", "reason", "text_bytes")))
        return super().add(block)

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        counts, _ = super().finish(end)
        return counts, {GROUPS: self.groups.rows()}


def _without_setup(function: Callable[[pa.Table], Any]) -> Callable[[pa.Table], Any]:
    """Return ``function``: it loads nothing, so it can be pickled as it is."""
    return function


def _measure(section: JudgeSection, block: pa.Table) -> pa.RecordBatch:
    return measure_table(block["text"].to_pylist(), block["lang"].to_pylist(), block["source"].to_pylist(), section)


def _judge(section: JudgeSection, scorers: Sequence[ScorerSection], block: pa.Table) -> pa.Table:
    verdicts = judge_table(block.select(RULE_COLUMNS), block.select(document_columns(section)), section)
    final = add_score_failures(verdicts, block, scorers, section)
    return set_columns(final, {name: block[name] for name in ("lang", "text_bytes")})

"""Beam's view of judging: signals measured from text, verdicts from stored signals."""

from __future__ import annotations

from functools import partial
from typing import Any

import pyarrow as pa

from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.row_blocks import SidecarWriter
from gristmill.transforms.core.units import MapItems, WriteUnits
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.signal_columns import SIGNALS_SCHEMA, VERDICTS_SCHEMA, measure, verdicts


class MeasureSignals(MapItems):
    """Blocks with ``text``, ``lang`` and ``source`` to blocks of signals and cuts."""

    def __init__(self, section: JudgeSection) -> None:
        super().__init__(partial(_same, partial(_measure, section)))


class WriteSignals(WriteUnits):
    """Signals, row-aligned with the documents."""

    def __init__(self, stage: StageDirectory) -> None:
        super().__init__(stage, partial(SidecarWriter, "signals", SIGNALS_SCHEMA))


class JudgeSignals(MapItems):
    """Blocks of what rules look at with ``source``, ``lang`` and ``lang_score`` to blocks of verdicts."""

    def __init__(self, section: JudgeSection) -> None:
        super().__init__(partial(_same, partial(_judge, section)))


class WriteVerdicts(WriteUnits):
    """Verdicts, row-aligned with the documents."""

    def __init__(self, stage: StageDirectory) -> None:
        super().__init__(stage, partial(SidecarWriter, "verdicts", VERDICTS_SCHEMA))


def _same(step: Any) -> Any:
    """A step that needs no model is its own loader."""
    return step


def _measure(section: JudgeSection, block: pa.Table) -> pa.RecordBatch:
    return measure(block["text"].to_pylist(), block["lang"].to_pylist(), block["source"].to_pylist(), section)


def _judge(section: JudgeSection, block: pa.Table) -> pa.Table:
    return verdicts(block, block, section)

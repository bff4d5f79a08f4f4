"""PTransforms over documents, and the pure rules that they wrap.

``from gristmill.transforms import ExtractText`` and the like; a name is imported when it is first asked for, so that
the pure rules can be used without Beam.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "CutRepeats": "line_dedup.line_dedup_beam",
    "Deduplicate": "dedup.dedup_beam",
    "MapBatches": "core.core_beam",
    "MapItems": "core.core_beam",
    "ExtractText": "extract.extract_beam",
    "HashPassages": "line_dedup.line_dedup_beam",
    "JudgeScores": "quality.quality_beam",
    "JudgeSignals": "quality.judge_beam",
    "MeasureSignals": "quality.judge_beam",
    "ReadDocuments": "core.core_beam",
    "ReadScoreWork": "quality.quality_beam",
    "ReadSources": "read.read_beam",
    "ReadUnits": "core.core_beam",
    "RefineDocuments": "refine.refine_beam",
    "ScoreDocuments": "quality.quality_beam",
    "DistributeTasks": "core.core_beam",
    "SignDocuments": "dedup.sign_beam",
    "WriteDocuments": "extract.extract_beam",
    "WritePassages": "line_dedup.line_dedup_beam",
    "WriteRefined": "refine.refine_beam",
    "WriteScores": "quality.quality_beam",
    "WriteSignals": "quality.judge_beam",
    "WriteSignatures": "dedup.sign_beam",
    "WriteUnits": "core.core_beam",
    "WriteVerdicts": "quality.judge_beam",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

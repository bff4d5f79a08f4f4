"""PTransforms over documents, and the pure rules that they wrap.

``from gristmill.transforms import ExtractText`` and the like; a name is imported when it is first asked for, so that
the pure rules can be used without Beam.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "CutRepeats": "repeats.transform",
    "Deduplicate": "dedup.decide",
    "EachBatch": "units",
    "EachItem": "units",
    "ExtractText": "extract.transform",
    "HashPassages": "repeats.transform",
    "JudgeScores": "score.transform",
    "JudgeSignals": "judge.transform",
    "MeasureSignals": "judge.transform",
    "ReadDocuments": "blocks",
    "ReadScoreWork": "score.transform",
    "ReadSources": "read.transform",
    "ReadUnits": "units",
    "RefineDocuments": "refine.transform",
    "ScoreDocuments": "score.transform",
    "SpreadTasks": "units",
    "SignDocuments": "dedup.transform",
    "WriteDocuments": "extract.transform",
    "WritePassages": "repeats.transform",
    "WriteRefined": "refine.transform",
    "WriteScores": "score.transform",
    "WriteSignals": "judge.transform",
    "WriteSignatures": "dedup.transform",
    "WriteUnits": "units",
    "WriteVerdicts": "judge.transform",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

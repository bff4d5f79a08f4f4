"""Gristmill's own extraction engine, which runs in the worker's process: ``gristmill.extraction.learned``."""

from __future__ import annotations

from typing import Literal

from gristmill.extraction.engines.engine_definition import EngineDefinition, ExtractorSection, Format
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, MarkupLimits
from gristmill.extraction.learned import MODEL


class Learned(ExtractorSection):
    """Gristmill's own extractor, a small neural network over the text blocks of a page: the best text, and fast."""

    name: Literal["gristmill"] = "gristmill"
    format: Format = "text"


def load(section: Learned, limits: MarkupLimits) -> ExtractionEngine:
    from gristmill.extraction.learned.learned_engine import load_learned_engine

    return load_learned_engine(section.format, limits)


ENGINE = EngineDefinition(Learned, load, isolated=False, model=MODEL)

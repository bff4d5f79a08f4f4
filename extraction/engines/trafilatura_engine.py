"""The trafilatura engine: thorough, in Python over lxml's tree."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gristmill.extraction.engines.engine_definition import (
    Comments,
    EngineDefinition,
    ExtractorSection,
    Focus,
    Format,
    Tables,
)
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, MarkupLimits


class Trafilatura(ExtractorSection):
    """The trafilatura extractor: good text of articles, but slow."""

    name: Literal["trafilatura"] = "trafilatura"
    focus: Focus = "balanced"
    fast: Annotated[
        bool, Field(description="Skip the fallback extractors (readability, jusText): faster, but worse text.")
    ] = False
    comments: Comments = False
    tables: Tables = True
    format: Format = "text"


def load(section: Trafilatura, limits: MarkupLimits) -> ExtractionEngine:
    from gristmill.extraction.engines.fast_trafilatura import load_trafilatura

    return load_trafilatura(
        limits,
        output_format="markdown" if section.format == "markdown" else "txt",
        fast=section.fast,
        precision=section.focus == "precision",
        recall=section.focus == "recall",
        comments=section.comments,
        tables=section.tables,
    )


ENGINE = EngineDefinition(Trafilatura, load, ("trafilatura", "justext", "lxml", "lxml_html_clean"))

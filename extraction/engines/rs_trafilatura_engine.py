"""The rs-trafilatura engine: trafilatura's rules in Rust, with a classifier of page types."""

from __future__ import annotations

from typing import Literal

from gristmill.extraction.engines.engine_definition import (
    Comments,
    EngineDefinition,
    ExtractorSection,
    Focus,
    Format,
    Tables,
)
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, MarkupLimits


class RsTrafilatura(ExtractorSection):
    """The rs-trafilatura extractor, with rules for each type of page; needs the extra ``rs-trafilatura``."""

    name: Literal["rs-trafilatura"] = "rs-trafilatura"
    focus: Focus = "balanced"
    comments: Comments = False
    tables: Tables = True
    format: Format = "text"


def load(section: RsTrafilatura, limits: MarkupLimits) -> ExtractionEngine:
    import rs_trafilatura

    from gristmill.extraction.engines.markup_limits import parse_within_limits

    markdown = section.format == "markdown"

    def engine(html: str, url: str | None) -> str:
        if parse_within_limits(html, limits, reopens_formatting=True) is None:
            return ""
        result = rs_trafilatura.extract(
            html,
            url=url,
            favor_precision=section.focus == "precision",
            favor_recall=section.focus == "recall",
            include_tables=section.tables,
            include_comments=section.comments,
            output_markdown=markdown,
        )
        text: str | None = result.content_markdown if markdown else result.main_content
        return text or ""

    return engine


ENGINE = EngineDefinition(RsTrafilatura, load, ("rs-trafilatura", "lxml"))

"""The resiliparse engine: fast, in C++ over lexbor's tree. It writes plain text only, not Markdown."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gristmill.extraction.engines.engine_definition import Comments, EngineDefinition, ExtractorSection
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, MarkupLimits


class Resiliparse(ExtractorSection):
    """The resiliparse extractor: fast, for crawls where trafilatura is too slow."""

    name: Literal["resiliparse"] = "resiliparse"
    main_content: Annotated[bool, Field(description="Keep only the main content; false keeps all visible text.")] = True
    comments: Comments = False


def load(section: Resiliparse, limits: MarkupLimits) -> ExtractionEngine:
    from resiliparse.extract.html2text import extract_plain_text

    from gristmill.extraction.engines.markup_limits import parse_within_limits

    def engine(html: str, url: str | None) -> str:
        if parse_within_limits(html, limits, reopens_formatting=True) is None:
            return ""
        text: str = extract_plain_text(
            html, main_content=section.main_content, comments=section.comments, alt_texts=False, post_meta=False
        )
        return text

    return engine


ENGINE = EngineDefinition(Resiliparse, load, ("resiliparse", "lxml"))

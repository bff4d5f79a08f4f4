"""rs-trafilatura: trafilatura's way in Rust, led by a classifier of page types."""

from __future__ import annotations

import rs_trafilatura

from gristmill.extraction.engines.engine import ExtractionEngine, Limits
from gristmill.extraction.engines.markup import measured
from gristmill.extraction.extract_section import RsTrafilatura


def load(choice: RsTrafilatura, limits: Limits) -> ExtractionEngine:
    markdown = choice.format == "markdown"

    def engine(html: str, url: str | None) -> str:
        if measured(html, limits, reopens=True) is None:
            return ""
        found = rs_trafilatura.extract(
            html,
            url=url,
            favor_precision=choice.focus == "precision",
            favor_recall=choice.focus == "recall",
            include_tables=choice.tables,
            include_comments=choice.comments,
            output_markdown=markdown,
        )
        text: str | None = found.content_markdown if markdown else found.main_content
        return text or ""

    return engine

"""resiliparse: the fast one, in C++ over lexbor's tree. It knows no Markdown."""

from __future__ import annotations

from resiliparse.extract.html2text import extract_plain_text

from gristmill.extraction.engines.engine import ExtractionEngine, Limits
from gristmill.extraction.engines.markup import measured
from gristmill.extraction.extract_section import Resiliparse


def load(choice: Resiliparse, limits: Limits) -> ExtractionEngine:
    def engine(html: str, url: str | None) -> str:
        if measured(html, limits, reopens=True) is None:
            return ""
        text: str = extract_plain_text(
            html, main_content=choice.main_content, comments=choice.comments, alt_texts=False, post_meta=False
        )
        return text

    return engine

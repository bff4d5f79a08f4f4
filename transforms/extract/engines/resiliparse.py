"""resiliparse: the fast one, in C++ over lexbor's tree. It knows no Markdown."""

from __future__ import annotations

from resiliparse.extract.html2text import extract_plain_text

from gristmill.transforms.extract.engines.engine import Engine, Limits
from gristmill.transforms.extract.engines.markup import measured
from gristmill.transforms.extract.section import Resiliparse


def load(choice: Resiliparse, limits: Limits) -> Engine:
    def engine(html: str, url: str | None) -> str:
        if measured(html, limits, reopens=True) is None:
            return ""
        text: str = extract_plain_text(
            html, main_content=choice.main_content, comments=choice.comments, alt_texts=False, post_meta=False
        )
        return text

    return engine

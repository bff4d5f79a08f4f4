"""trafilatura: the thorough one, in Python over lxml's tree.

Its result does not depend on pages seen before: its one stateful cache belongs to ``deduplicate``, which is off; its
others memoise pure functions (tested). What is dear in it and can be had sooner is put in its place when it is loaded,
and its text is what it ever was (``quick_xpaths``, ``quick_justext``): half of its time on real pages.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, NamedTuple

import trafilatura
from lxml import etree  # type: ignore[import-untyped]
from lxml import html as lxml_html
from trafilatura import core, utils
from trafilatura.settings import Extractor as Options

from gristmill.extraction.engines import quick_justext, quick_xpaths
from gristmill.extraction.engines.engine import ExtractionEngine, Limits
from gristmill.extraction.engines.markup import measured
from gristmill.extraction.extract_section import Trafilatura

# Every page without text would be a line of warning; the ledger counts them.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

_ELEMENTS = etree.ElementDefaultClassLookup(element=lxml_html.HtmlElement, comment=lxml_html.HtmlComment)
"""lxml.html asks a function of Python for the class of every element, for methods of forms that nobody calls here."""


class _Page(NamedTuple):
    """A tree that trafilatura may change. One that is given to it bare, it copies."""

    tree: lxml_html.HtmlElement


def load(choice: Trafilatura, limits: Limits) -> ExtractionEngine:
    marks = quick_xpaths.install()
    quick_justext.install()
    _install()
    options = Options(
        output_format="markdown" if choice.format == "markdown" else "txt",
        fast=choice.fast,
        precision=choice.focus == "precision",
        recall=choice.focus == "recall",
        comments=choice.comments,
        tables=choice.tables,
        dedup=False,
        with_metadata=False,
    )

    def engine(html: str, url: str | None) -> str:
        tree = measured(html, limits, reopens=False)
        if tree is None:
            return ""
        tree.getroottree().parser.set_element_class_lookup(_ELEMENTS)
        marks.put(tree)
        return trafilatura.extract(_Page(tree), options=options) or ""

    return engine


@cache
def _install() -> None:
    """Have trafilatura take a ``_Page`` as it is, and parse into plain elements, in this process."""
    load_html = core.load_html

    def page_or_html(content: Any, max_size: int | None = None) -> lxml_html.HtmlElement | None:
        return content.tree if isinstance(content, _Page) else load_html(content, max_size)

    core.load_html = page_or_html
    utils.HTML_PARSER.set_element_class_lookup(_ELEMENTS)

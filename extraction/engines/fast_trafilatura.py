"""trafilatura's extraction with its slowest parts replaced: the same text in half the time on real pages.

The replacements (``trafilatura_xpaths``, ``fast_justext``, and two below) are installed in the process when the engine
is loaded. The result does not depend on earlier pages: trafilatura's one stateful cache belongs to ``deduplicate``,
which is off; its other caches memoise pure functions (tested).
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

from gristmill.extraction.engines import fast_justext, trafilatura_xpaths
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, MarkupLimits
from gristmill.extraction.engines.markup_limits import parse_within_limits

# trafilatura warns about every page without text; the ledger counts them.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

_ELEMENTS = etree.ElementDefaultClassLookup(element=lxml_html.HtmlElement, comment=lxml_html.HtmlComment)
"""Plain element classes. By default lxml.html calls a Python function for the class of every element, only to provide
the methods of forms, which are not needed here."""


class _Page(NamedTuple):
    """A tree that trafilatura may change. It copies a tree that it is given without this wrapper."""

    tree: lxml_html.HtmlElement


def load_trafilatura(limits: MarkupLimits, **options: Any) -> ExtractionEngine:
    """The engine with these of trafilatura's ``Extractor`` options."""
    marks = trafilatura_xpaths.install()
    fast_justext.install()
    _install()
    extractor = Options(dedup=False, with_metadata=False, **options)

    def engine(html: str, url: str | None) -> str:
        tree = parse_within_limits(html, limits, reopens_formatting=False)
        if tree is None:
            return ""
        tree.getroottree().parser.set_element_class_lookup(_ELEMENTS)
        marks.mark(tree)
        return trafilatura.extract(_Page(tree), options=extractor) or ""

    return engine


@cache
def _install() -> None:
    """Make trafilatura accept a ``_Page`` without copying its tree, and parse into plain elements, in this process."""
    load_html = core.load_html

    def page_or_html(content: Any, max_size: int | None = None) -> lxml_html.HtmlElement | None:
        return content.tree if isinstance(content, _Page) else load_html(content, max_size)

    core.load_html = page_or_html
    utils.HTML_PARSER.set_element_class_lookup(_ELEMENTS)

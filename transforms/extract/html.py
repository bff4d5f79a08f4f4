"""The main text of a page.

A page is parsed once with lxml, as deep as libxml2 goes (its default stops at depth 256 and silently leaves out the
rest), and measured before any extractor sees it. Extractors are about linear in nodes but not in depth, and recursion
deep in a tree would make the result depend on the caller's stack. Worst measured, at the default limits: see
``ExtractSection``; a page over a limit is refused (``Refused``), never cut.

Neither extractor's result depends on pages seen before: trafilatura's one stateful cache belongs to ``deduplicate``,
which is off; its others memoise pure functions (tested).

Word-level F1 is that of the Web Content Extraction Benchmark: the multiset of ``\\w+`` of the lower-cased text against
the gold text's, averaged over pages.
"""

from __future__ import annotations

import logging
import re
from functools import cache

import trafilatura
from lxml import etree  # type: ignore[import-untyped]
from lxml import html as lxml_html
from resiliparse.extract.html2text import extract_plain_text
from trafilatura.settings import Extractor as TrafilaturaOptions

from gristmill.transforms.extract.section import ExtractSection, Resiliparse, Trafilatura

MAX_ATTRIBUTES = 10_000
"""Most attributes of one tag: libxml2 and lexbor look for doubles in quadratic time (10,000: 0.1 s; 100,000: 12 s)."""

MAX_GROWTH = 5
"""Most nodes that an HTML5 parser may make of a page by opening formatting elements anew, in multiples of ``max_nodes``."""

_LONG_TAG = re.compile(rf"<[a-zA-Z][^<>]{{{3 * MAX_ATTRIBUTES},}}")
_ATTRIBUTE = re.compile(r"""\s[^\s=<>"']+=["'\w]""")
_FORMATTING = re.compile(r"<(/?)(b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?=[\s/>])", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_PARSER_OPTIONS = {
    "huge_tree": True,
    "remove_comments": True,
    "remove_pis": True,
    "collect_ids": False,
    "default_doctype": False,
    "encoding": "utf-8",
}

# Every page without text would be a line of warning; the ledger counts them.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)


class Refused(Exception):  # noqa: N818, an answer and not an error
    """A page that a counted limit turns away: ``reason`` is ``too_many_nodes`` or ``too_deep``."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def extract_text(html: str, section: ExtractSection) -> str:
    """The main text of a page, or "" where there is none.

    Raises ``Refused`` for a page over a limit of ``section``, and whatever the extractor raises.
    """
    _check_markup(html, section)
    tree = _parse(html)
    if tree is None:
        return ""
    if _deeper_than(section.max_depth)(tree):
        raise Refused("too_deep", f"elements nest deeper than {section.max_depth}")
    if isinstance(section.extractor, Trafilatura):
        return trafilatura.extract(tree, options=_trafilatura_options(section.extractor)) or ""
    return _resiliparse_text(html, section.extractor)


def _check_markup(html: str, section: ExtractSection) -> None:
    nodes = html.count("<")
    if nodes > section.max_nodes:
        raise Refused("too_many_nodes", f"{nodes} markup nodes; the limit is {section.max_nodes}")
    if isinstance(section.extractor, Resiliparse):
        grown = nodes * _open_formatting(html)
        if grown > MAX_GROWTH * section.max_nodes:
            raise Refused("too_many_nodes", f"formatting left open may make {grown} nodes of {nodes}")
    for tag in _LONG_TAG.findall(html):
        if len(_ATTRIBUTE.findall(tag)) > MAX_ATTRIBUTES:
            raise Refused("too_many_nodes", f"more than {MAX_ATTRIBUTES} attributes in one tag")


def _open_formatting(html: str) -> int:
    """How many formatting elements (``<b>``, ``<font>`` …) are left open at once, at most.

    An HTML5 parser opens each of them anew in every later block (WHATWG HTML 13.2.4.3), so the tree may grow to
    this number times the nodes of the source: 2,000 times ``<p><font a=…>`` make 2 million nodes and 1.5 GB.
    """
    open_tags: dict[str, int] = {}
    most = now = 0
    for slash, name in _FORMATTING.findall(html):
        name = name.lower()
        count = open_tags.get(name, 0)
        if not slash:
            open_tags[name] = count + 1
            now += 1
            most = max(most, now)
        elif count:
            open_tags[name] = count - 1
            now -= 1
    return most


def _parse(html: str) -> lxml_html.HtmlElement | None:
    data = _CONTROL.sub("", html).encode("utf-8", "replace")
    try:
        return lxml_html.document_fromstring(data, parser=lxml_html.HTMLParser(**_PARSER_OPTIONS))
    except etree.ParserError:  # an empty document
        return None


@cache
def _deeper_than(depth: int) -> etree.XPath:
    """Whether a tree nests deeper than ``depth``: one step a level is linear, counting ancestors is not."""
    return etree.XPath(f"boolean({'/*' * (depth + 1)})")


@cache
def _trafilatura_options(extractor: Trafilatura) -> TrafilaturaOptions:
    return TrafilaturaOptions(
        output_format="txt",
        fast=extractor.fast,
        precision=extractor.focus == "precision",
        recall=extractor.focus == "recall",
        comments=extractor.comments,
        tables=extractor.tables,
        dedup=False,
        with_metadata=False,
    )


def _resiliparse_text(html: str, extractor: Resiliparse) -> str:
    text: str = extract_plain_text(
        html,
        main_content=extractor.main_content,
        comments=extractor.comments,
        alt_texts=False,
        post_meta=False,
    )
    return text

"""The main text of a page.

A page is parsed with lxml, deeper than libxml2's default (which stops at depth 256 and silently leaves out the rest),
and measured before an extractor sees it. trafilatura works on that tree; resiliparse has a parser of its own. A page
over a limit is refused (``Refused``), never cut: recursion deep in a tree would make the result depend on the caller's
stack, and both extractors grow faster than their input. Slowest synthetic pages found at the default limits, on one
core: 8 s for trafilatura (74,000 different paragraphs), 21 s for resiliparse (74,000 ``<option>``). Of 3,225 real pages
the limits refuse one, for its depth.

Neither extractor's result depends on pages seen before: trafilatura's one stateful cache belongs to ``deduplicate``,
which is off; its others memoise pure functions (tested).

Quality: word-level F1, the measure of the Web Content Extraction Benchmark (WCXB), over the multisets of ``\\w+`` of
the lower-cased text and of the gold text, averaged over pages: 633 pages of WCXB in WARC files, 845 more, and 380 news
pages in five languages. Speed with all checks, in pages a second of one busy core, on the first set:

| extractor | WARC | more | news | pages/s |
|---|---|---|---|---|
| trafilatura, balanced (the default) | 0.828 | 0.833 | 0.828 | 16 |
| … with comments | 0.822 | 0.830 | 0.821 | 17 |
| … recall | 0.811 | 0.812 | 0.821 | 26 |
| … precision | 0.773 | 0.758 | 0.868 | 20 |
| … fast | 0.802 | 0.796 | 0.806 | 24 |
| resiliparse, main content | 0.771 | 0.776 | 0.769 | 95 |
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
"""Most attributes of one tag: libxml2 and lexbor look for doubles in quadratic time (10,000: 0.2 s; 50,000: 4 s)."""

MAX_GROWTH = 5
"""Most nodes that opening formatting elements anew may make of a page, in multiples of ``max_nodes``."""

_LONG_TAG = 4 * MAX_ATTRIBUTES  # no shorter tag holds so many: a space, a name, "=" and a value each
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
    for piece in html.split("<"):
        if len(piece) > _LONG_TAG and len(_ATTRIBUTE.findall(piece.partition(">")[0])) > MAX_ATTRIBUTES:
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

"""Counted limits on markup, checked before a third-party engine gets a page.

A page over a limit is refused, never truncated: deep recursion would make the result depend on the stack, and the time
of every engine grows faster than its input. Depth is that of the tree as lxml builds it; lxml is set to parse deeper
than libxml2's default, which stops at depth 256 and silently drops the rest.

The recipe limits nodes and depth. The constants below limit markup that takes an engine quadratic time; each docstring
gives the maximum over 3,225 real pages. All limits together refuse one of these pages, for its depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
from lxml import etree  # type: ignore[import-untyped]
from lxml import html as lxml_html

from gristmill.corpus.arrays import Bools, Int64s
from gristmill.extraction.engines.extraction_engine import MarkupLimits, PageRefused

MAX_ATTRIBUTES = 5_000
"""Attributes of all tags with more than 100: parsers search for duplicates linearly (real pages: 1,310)."""

MAX_BODIES = 100
"""``<html>`` and ``<body>`` tags: an HTML5 parser merges the attributes of all of them (real pages: 24)."""

MAX_REFERENCES = 250_000
"""``&`` characters: each may start a character reference (real pages: 36,240)."""

MAX_CHILDREN = 20_000
"""Siblings of one element: engines search them linearly (real pages: 7,779)."""

DEEP = 64
MAX_DEEP = 10_000
"""Elements deeper than ``DEEP``: engines search the ancestors of each (real pages within the depth limit: 38)."""

MAX_GROWTH = 5
"""Nodes after an HTML5 parser has reopened formatting elements, in multiples of the limit on nodes."""

_MANY = 100
_LONG_TAG = 4 * _MANY  # a shorter tag cannot have as many: each takes a space, a name, "=" and a value
_BODY = re.compile(rb"<(?:html|body)\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"""\s[^\s=<>"']+=["'\w\x80-\xff]""")
_FORMATTING = re.compile(rb"<(/?)(b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?=[\s/>])", re.IGNORECASE)


def _letter_pairs(seconds: dict[str, str]) -> Bools:
    """A table of pairs of characters, in either case; ``seconds`` maps each first to its possible second ones."""
    among = np.zeros((256, 256), np.bool_)
    for first, others in seconds.items():
        among[[ord(first), ord(first.upper())], [[ord(other)] for other in others + others.upper()]] = True
    return among


_END = "\t\n\f\r />"
MAY_FORMAT = _letter_pairs(
    {"b": "i" + _END, "c": "o", "e": "m", "f": "o", "i": _END, "n": "o", "s": "mt" + _END, "t": "t", "u": _END}
)
_MAY_BE_BODY = _letter_pairs({"b": "o", "h": "t"})
"""The first two letters of formatting tags, and of ``<html>`` and ``<body>``."""

_CONTROL = bytes(code for code in range(32) if chr(code) not in "\t\n\r")
_PARSER_OPTIONS = {
    "huge_tree": True,
    "remove_comments": True,
    "remove_pis": True,
    "collect_ids": False,
    "default_doctype": False,
    "encoding": "utf-8",
}


def parse_within_limits(html: str, limits: MarkupLimits, reopens_formatting: bool) -> lxml_html.HtmlElement | None:
    """The tree of a page, or None for an empty document. Raises PageRefused if the page exceeds a limit.

    ``reopens_formatting`` is for engines with an HTML5 parser, which reopens formatting elements in every block.
    """
    nodes = count_markup(html.encode("utf-8", "surrogatepass"), limits, reopens_formatting)
    tree = _parse(html)
    if tree is None:
        return None
    if _deeper_than(limits.depth)(tree):
        raise PageRefused("too_deep", f"elements nest deeper than {limits.depth}")
    if nodes > MAX_CHILDREN and _HAS_MANY_SIBLINGS(tree):
        raise PageRefused("too_many_nodes", f"more than {MAX_CHILDREN} elements side by side")
    if nodes > MAX_DEEP and _COUNT_DEEP(tree) > MAX_DEEP:
        raise PageRefused("too_deep", f"more than {MAX_DEEP} elements nest deeper than {DEEP}")
    return tree


def count_markup(html: bytes, limits: MarkupLimits, reopens_formatting: bool) -> int:
    """The number of markup nodes of a page in UTF-8. Raises PageRefused if its source exceeds a limit."""
    opens = np.flatnonzero(np.frombuffer(html, np.uint8) == ord("<"))
    for what, count, limit in _counts(html, opens, limits, reopens_formatting):
        if count > limit:
            raise PageRefused("too_many_nodes", f"{count} {what}; the limit is {limit}")
    return len(opens)


def _counts(
    html: bytes, opens: Int64s, limits: MarkupLimits, reopens_formatting: bool
) -> Iterator[tuple[str, int, int]]:
    """Yields what is counted, its count and its limit, cheapest first. ``opens`` holds the positions of ``<``."""
    nodes = len(opens)
    yield "markup nodes", nodes, limits.nodes
    yield "character references", html.count(b"&") if len(html) > MAX_REFERENCES else 0, MAX_REFERENCES
    padded = np.frombuffer(html + b"  ", np.uint8)
    first, second = padded[opens + 1], padded[opens + 2]
    bodies = (_BODY.match(html, at) for at in opens[_MAY_BE_BODY[first, second]].tolist())
    yield "<html> and <body> tags", sum(map(bool, bodies)), MAX_BODIES
    grown_limit = MAX_GROWTH * limits.nodes
    if reopens_formatting and nodes * int(MAY_FORMAT[first, second].sum()) > grown_limit:
        yield f"nodes that formatting left open may make of {nodes}", nodes * _open_formatting(html), grown_limit
    yield f"attributes in tags of more than {_MANY}", _attributes(html, opens), MAX_ATTRIBUTES


def _attributes(html: bytes, opens: Int64s) -> int:
    ends = np.append(opens[1:], len(html))
    long = ends - opens > _LONG_TAG
    tags = (html[a:b].partition(b">")[0] for a, b in zip(opens[long].tolist(), ends[long].tolist(), strict=True))
    counts = (len(_ATTRIBUTE.findall(tag)) for tag in tags if tag.count(b"=") > _MANY)
    return sum(count for count in counts if count > _MANY)


def _open_formatting(html: bytes) -> int:
    """The maximum number of formatting elements (``<b>``, ``<font>`` …) that are open at once.

    An HTML5 parser reopens each of them in every later block (WHATWG HTML 13.2.4.3), so the tree may grow to this
    number times the nodes of the source: 2,000 times ``<p><font a=…>`` become 2 million nodes and 1.5 GB.
    """
    open_tags: dict[bytes, int] = {}
    maximum = current = 0
    for slash, name in _FORMATTING.findall(html):
        name = name.lower()
        count = open_tags.get(name, 0)
        if not slash:
            open_tags[name] = count + 1
            current += 1
            maximum = max(maximum, current)
        elif count:
            open_tags[name] = count - 1
            current -= 1
    return maximum


def _parse(html: str) -> lxml_html.HtmlElement | None:
    data = html.replace("\ufffe", "").replace("\uffff", "").encode("utf-8", "replace").translate(None, _CONTROL)
    try:
        return lxml_html.document_fromstring(data, parser=lxml_html.HTMLParser(**_PARSER_OPTIONS))
    except etree.ParserError:  # an empty document
        return None


_HAS_MANY_SIBLINGS = etree.XPath(f"boolean(//*[{MAX_CHILDREN + 1}])")
_COUNT_DEEP = etree.XPath(f"count(//*[ancestor::*[{DEEP}]])")


@cache
def _deeper_than(depth: int) -> etree.XPath:
    """Whether a tree nests deeper than ``depth``. One step per level takes linear time, counting ancestors does not."""
    return etree.XPath(f"boolean({'/*' * (depth + 1)})")

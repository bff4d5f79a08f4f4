"""Counted limits on markup, checked before an engine sees a page.

A page over a limit is refused, never cut: recursion deep in a tree would make the result depend on the stack, and all
engines grow faster than their input. Depth is that of the tree as lxml builds it, which parses deeper than libxml2's
default (that stops at depth 256 and silently leaves out the rest).

Nodes and depth are the recipe's to limit. The constants below bound what takes an engine quadratic time; what 3,225
real pages have at most of it stands beside them. Of those pages all limits together refuse one, for its depth.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import numpy as np
import numpy.typing as npt
from lxml import etree  # type: ignore[import-untyped]
from lxml import html as lxml_html

from gristmill.extraction.engines.engine import Limits, Refused

Places = npt.NDArray[np.int64]

MAX_ATTRIBUTES = 5_000
"""Most attributes of all tags with more than 100: every parser looks for doubles one by one (real pages: 1,310)."""

MAX_BODIES = 100
"""Most ``<html>`` and ``<body>`` tags: an HTML5 parser merges the attributes of all of them (real pages: 24)."""

MAX_REFERENCES = 250_000
"""Most ``&``: each may be a character reference (real pages: 36,240)."""

MAX_CHILDREN = 20_000
"""Most elements side by side: engines look for their neighbours one by one (real pages: 7,779)."""

DEEP = 64
MAX_DEEP = 10_000
"""Most elements deeper than ``DEEP``: engines look upward from each (real pages within the limit on depth: 38)."""

MAX_GROWTH = 5
"""Most nodes that opening formatting elements anew may make of a page, in multiples of the limit on nodes."""

_MANY = 100
_LONG_TAG = 4 * _MANY  # no shorter tag holds so many: a space, a name, "=" and a value each
_BODY = re.compile(rb"<(?:html|body)\b", re.IGNORECASE)
_ATTRIBUTE = re.compile(rb"""\s[^\s=<>"']+=["'\w\x80-\xff]""")
_FORMATTING = re.compile(rb"<(/?)(b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u)(?=[\s/>])", re.IGNORECASE)


def _pairs(seconds: dict[str, str]) -> npt.NDArray[np.bool_]:
    """Whether two characters are among those given, in either case: for each first the seconds."""
    among = np.zeros((256, 256), np.bool_)
    for first, others in seconds.items():
        among[[ord(first), ord(first.upper())], [[ord(other)] for other in others + others.upper()]] = True
    return among


_END = "\t\n\f\r />"
_MAY_FORMAT = _pairs(
    {"b": "i" + _END, "c": "o", "e": "m", "f": "o", "i": _END, "n": "o", "s": "mt" + _END, "t": "t", "u": _END}
)
_MAY_BE_BODY = _pairs({"b": "o", "h": "t"})
"""How the names of formatting tags, and of ``<html>`` and ``<body>``, may begin."""

_CONTROL = bytes(code for code in range(32) if chr(code) not in "\t\n\r")
_PARSER_OPTIONS = {
    "huge_tree": True,
    "remove_comments": True,
    "remove_pis": True,
    "collect_ids": False,
    "default_doctype": False,
    "encoding": "utf-8",
}


def measured(html: str, limits: Limits, reopens: bool) -> lxml_html.HtmlElement | None:
    """The tree of a page within its limits, or None for an empty document. Raises ``Refused``.

    ``reopens`` is for engines with an HTML5 parser, which opens formatting elements anew.
    """
    nodes = counted(html.encode("utf-8", "surrogatepass"), limits, reopens)
    tree = _parse(html)
    if tree is None:
        return None
    if _deeper_than(limits.depth)(tree):
        raise Refused("too_deep", f"elements nest deeper than {limits.depth}")
    if nodes > MAX_CHILDREN and _CROWDED(tree):
        raise Refused("too_many_nodes", f"more than {MAX_CHILDREN} elements side by side")
    if nodes > MAX_DEEP and _BELOW(tree) > MAX_DEEP:
        raise Refused("too_deep", f"more than {MAX_DEEP} elements nest deeper than {DEEP}")
    return tree


def counted(html: bytes, limits: Limits, reopens: bool) -> int:
    """The nodes of a page in UTF-8 whose markup, as it stands, is within the limits. Raises ``Refused``."""
    opens = np.flatnonzero(np.frombuffer(html, np.uint8) == ord("<"))
    for what, count, limit in _counts(html, opens, limits, reopens):
        if count > limit:
            raise Refused("too_many_nodes", f"{count} {what}; the limit is {limit}")
    return len(opens)


def _counts(html: bytes, opens: Places, limits: Limits, reopens: bool) -> Iterator[tuple[str, int, int]]:
    """What is counted, cheapest first: what, how much there is, how much there may be. ``opens``: where a ``<`` is."""
    nodes = len(opens)
    yield "markup nodes", nodes, limits.nodes
    yield "character references", html.count(b"&") if len(html) > MAX_REFERENCES else 0, MAX_REFERENCES
    padded = np.frombuffer(html + b"  ", np.uint8)
    first, second = padded[opens + 1], padded[opens + 2]
    bodies = (_BODY.match(html, at) for at in opens[_MAY_BE_BODY[first, second]].tolist())
    yield "<html> and <body> tags", sum(map(bool, bodies)), MAX_BODIES
    grown_limit = MAX_GROWTH * limits.nodes
    if reopens and nodes * int(_MAY_FORMAT[first, second].sum()) > grown_limit:
        yield f"nodes that formatting left open may make of {nodes}", nodes * _open_formatting(html), grown_limit
    yield f"attributes in tags of more than {_MANY}", _attributes(html, opens), MAX_ATTRIBUTES


def _attributes(html: bytes, opens: Places) -> int:
    ends = np.append(opens[1:], len(html))
    long = ends - opens > _LONG_TAG
    tags = (html[a:b].partition(b">")[0] for a, b in zip(opens[long].tolist(), ends[long].tolist(), strict=True))
    counts = (len(_ATTRIBUTE.findall(tag)) for tag in tags if tag.count(b"=") > _MANY)
    return sum(count for count in counts if count > _MANY)


def _open_formatting(html: bytes) -> int:
    """How many formatting elements (``<b>``, ``<font>`` …) are left open at once, at most.

    An HTML5 parser opens each of them anew in every later block (WHATWG HTML 13.2.4.3), so the tree may grow to
    this number times the nodes of the source: 2,000 times ``<p><font a=…>`` make 2 million nodes and 1.5 GB.
    """
    open_tags: dict[bytes, int] = {}
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
    data = html.replace("\ufffe", "").replace("\uffff", "").encode("utf-8", "replace").translate(None, _CONTROL)
    try:
        return lxml_html.document_fromstring(data, parser=lxml_html.HTMLParser(**_PARSER_OPTIONS))
    except etree.ParserError:  # an empty document
        return None


_CROWDED = etree.XPath(f"boolean(//*[{MAX_CHILDREN + 1}])")
_BELOW = etree.XPath(f"count(//*[ancestor::*[{DEEP}]])")


@cache
def _deeper_than(depth: int) -> etree.XPath:
    """Whether a tree nests deeper than ``depth``: one step a level is linear, counting ancestors is not."""
    return etree.XPath(f"boolean({'/*' * (depth + 1)})")

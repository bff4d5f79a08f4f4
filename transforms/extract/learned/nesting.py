"""What a page would cost its parser, counted before the parser sees it.

An HTML5 parser looks up through the open elements at each start of a block, and at each end tag that fits none of them;
lexbor looks through all options of a ``<select>`` at each of them. 140,000 nested ``<div>`` took it 79 seconds, and
74,000 options 22. The depth of its tree comes too late to spare that.
"""

from __future__ import annotations

import re

from gristmill.transforms.extract.engines.engine import Refused

MAX_STEPS = 500_000_000
"""Most elements that are looked at: about two seconds. No page of 22,000 nodes has so many."""

_NEAR = 32
"""An end tag closes an element among so many innermost ones, or none."""

_TAG = re.compile(rb"<(/?)([a-zA-Z][^\s/>]*)")
_UNNESTED = frozenset(
    b"area base basefont bgsound body br caption circle col colgroup dd dt ellipse embed frame head hr html image img "
    b"input keygen li line link meta option p param path polygon polyline rect source stop tbody td tfoot th thead tr "
    b"track use wbr".split()
)
"""Tags that hold nothing, or whose elements end where the next one begins."""


def require_short_parse(html: bytes, nodes: int) -> None:
    """Raises ``Refused`` for a page of so many markup nodes that would take a parser minutes."""
    if nodes * nodes > MAX_STEPS:
        deepest, options = open_at_once(html)
        if nodes * deepest > MAX_STEPS:
            raise Refused("too_deep", f"{deepest} elements open at once in a page of {nodes} nodes")
        if options * options > MAX_STEPS:
            raise Refused("too_many_nodes", f"{options} options in one list")


def open_at_once(html: bytes) -> tuple[int, int]:
    """How many elements, and how many options of one list, are open at once, at most.

    They are no fewer than a parser opens, but where tags nest in SVG that do not in HTML.
    """
    stack: list[bytes] = []
    deepest = options = most_options = 0
    for slash, name in _TAG.findall(html):
        name = name.lower()
        if name in _UNNESTED:
            if name == b"option" and not slash:
                options += 1
                most_options = max(most_options, options)
        elif not slash:
            stack.append(name)
            deepest = max(deepest, len(stack))
            if name == b"select":
                options = 0
        elif name in (near := stack[-_NEAR:]):
            while near.pop() != name:
                stack.pop()
            stack.pop()
    return deepest, most_options

# cython: annotation_typing=False, boundscheck=False, initializedcheck=False
"""The attributes of a tag, and character references.

Compiled where there is a C compiler, with the types in ``html_attributes.pxd``; otherwise it runs as plain Python.
"""

from __future__ import annotations

import re
from html import unescape

_HUGE = re.compile(r"&#[0-9]{9,}")


def attribute_values(source: str) -> dict[str, str]:
    """The attributes of a tag by name, from the source text behind the tag's name. The first of two alike counts."""
    values: dict[str, str] = {}
    size = len(source)
    at = 0
    while at < size:
        if source[at] <= " " or source[at] == "/":
            at += 1
            continue
        begin = at
        at += 1
        while at < size and source[at] > " " and source[at] != "=" and source[at] != "/":
            at += 1
        name = source[begin:at].lower()
        while at < size and source[at] <= " ":
            at += 1
        value = ""
        if at < size and source[at] == "=":
            at += 1
            while at < size and source[at] <= " ":
                at += 1
            if at < size and (source[at] == '"' or source[at] == "'"):
                begin = at + 1
                at = source.find(source[at], begin)
                if at < 0:
                    at = size
                value = source[begin:at]
                at += 1
            else:
                begin = at
                while at < size and source[at] > " ":
                    at += 1
                value = source[begin:at]
            if "&" in value:
                value = resolve_references(value)
        values.setdefault(name, value)
    return values


def resolve_references(text: str) -> str:
    """Text with its character references resolved."""
    try:
        return unescape(text)
    except ValueError:  # more digits than Python converts to an integer; no such character exists anyway
        return unescape(_HUGE.sub("&#xFFFD", text))

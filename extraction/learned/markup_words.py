# cython: annotation_typing=False
"""Words from the markup that describe elements and the whole page, as they occur in the network's vocabularies.

Compiled where there is a C compiler, with the types in ``markup_words.pxd``; otherwise it runs as plain Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit

from gristmill.extraction.learned.html_attributes import attribute_values
from gristmill.extraction.learned.html_blocks import Page
from gristmill.extraction.learned.text_scan import identifier_words

MAX_TITLE = 20
MAX_TYPES = 100
_META_NAMES = ("og:type", "generator")
_WORD = re.compile(r"\w+")
_PART = re.compile(r"[a-z]+|\d+")
_TYPE = '"@type"'
_TYPE_NAME = re.compile(r'\s*:\s*(?:\[\s*)?"([A-Za-z]{1,40})"')
_PREFIXES = {
    "id": "",
    "role": "role:",
    "itemprop": "prop:",
    "itemtype": "type:",
    "aria-label": "label:",
    "data-testid": "test:",
    "data-component": "part:",
    "data-type": "data:",
}
"""Attributes other than ``class`` whose words are used, and the prefix of these words."""


class ElementWords(NamedTuple):
    """Words from the attributes of elements: the ``words`` of each group, and the ``group [m]`` of each element.

    Elements with the same attribute source form a group; group 0 has no words.
    """

    words: list[list[str]]
    group: list[int]


def element_words(attributes: list[str], has_text: Sequence[bool]) -> ElementWords:
    """The words of classes, ids and roles, and whether an element is hidden.

    ``attributes [m]`` is the source text of the attributes; elements without text (``has_text [m]``) get no words.
    """
    words: list[list[str]] = [[]]
    groups = {"": 0}
    group = []
    for source, used in zip(attributes, has_text, strict=True):
        if used and source not in groups:
            groups[source] = len(words)
            words.append(_attribute_words(attribute_values(source)))
        group.append(groups[source] if used else 0)
    return ElementWords(words, group)


def _attribute_words(attributes: dict[str, str]) -> list[str]:
    words = identifier_words(attributes.get("class", ""))
    for key, value in attributes.items():
        if key == "style":
            if "display:none" in value.replace(" ", ""):
                words.append("style:none")
        elif key == "hidden" or (key == "aria-hidden" and value == "true"):
            words.append("hidden:")
        elif key in _PREFIXES:
            prefix = _PREFIXES[key]
            words += [prefix + name for name in identifier_words(value)]
    return words


def page_words(page: Page, html: str, url: str | None) -> list[str]:
    """Words that describe the page: from its URL, title, head, the body's attributes and schema.org types."""
    title = dict.fromkeys(match[0] for match in islice(_WORD.finditer(page.title.lower()), MAX_TITLE))
    return [
        *("@" + name for name in _types(html)),
        *_meta_words(page.metas),
        *url_words(url or ""),
        *("t:" + word for word in title),
        *("b:" + name for name in _attribute_words(attribute_values(page.attributes[0]))),
    ]


def _types(html: str) -> Iterable[str]:
    """The distinct schema.org types that the page declares."""
    types: dict[str, None] = {}
    at = html.find(_TYPE)
    while at >= 0 and len(types) < MAX_TYPES:
        at += len(_TYPE)
        if match := _TYPE_NAME.match(html, at):
            types[match[1]] = None
        at = html.find(_TYPE, at)
    return types


def _meta_words(metas: list[str]) -> list[str]:
    """The first word of the ``<meta>`` content of each of ``_META_NAMES``."""
    contents: dict[str, str] = {}
    for source in metas:
        if any(name in source for name in _META_NAMES):
            meta = attribute_values(source)
            contents[meta.get("property") or meta.get("name", "")] = meta.get("content", "")
    return [f"{key}:{value.split()[0].lower()}" for key in _META_NAMES if (value := contents.get(key, "")).strip()]


def url_words(url: str) -> list[str]:
    """Words from a URL's host, path and query, and from its shape; none without a URL."""
    try:
        parts = urlsplit(url.lower())
    except ValueError:
        return []
    if not parts.netloc:
        return []
    labels = parts.netloc.removeprefix("www.").split(".")
    segments = [segment for segment in parts.path.split("/") if segment]
    parts_of = [_PART.findall(segment) for segment in segments]
    words = [f"u:.{labels[-1]}", *(f"u:{label}." for label in labels[:-2]), f"u:depth{min(len(segments), 5)}"]
    words += ["u:#" if word.isdigit() else f"u:{word}" for segment in parts_of for word in segment[:10]]
    words += ["u:slug"] * any(len(segment) >= 5 for segment in parts_of)
    words += ["u:html"] * bool(segments and segments[-1].endswith((".html", ".htm")))
    words += [f"u:?{word}" for word in _PART.findall(parts.query)[:6]]
    return list(dict.fromkeys(words))

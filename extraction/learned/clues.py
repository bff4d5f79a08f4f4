# cython: annotation_typing=False
"""Words that the markup says of elements and of the page as a whole, as the network's vocabularies know them.

Where there is a C compiler this very module is compiled (``clues.pxd`` has its types), else it runs as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit

from gristmill.extraction.learned.characters import names
from gristmill.extraction.learned.page import Page, attribute_values

MAX_TITLE = 20
MAX_TYPES = 100
_HINTS = ("og:type", "generator")
_WORD = re.compile(r"\w+")
_PART = re.compile(r"[a-z]+|\d+")
_TYPE = '"@type"'
_TYPE_NAME = re.compile(r'\s*:\s*(?:\[\s*)?"([A-Za-z]{1,40})"')
_TELLING = {
    "id": "",
    "role": "role:",
    "itemprop": "prop:",
    "itemtype": "type:",
    "aria-label": "label:",
    "data-testid": "test:",
    "data-component": "part:",
    "data-type": "data:",
}
"""Attributes beside ``class`` whose words tell something, and what marks them."""


class Clues(NamedTuple):
    """What attributes say of elements: the ``words`` of each kind, and the ``kind [m]`` of each element.

    Elements whose attributes are written alike are of one kind; those of the first say nothing.
    """

    words: list[list[str]]
    kind: list[int]


def element_clues(attributes: list[str], holds: Sequence[bool]) -> Clues:
    """The words of classes, ids and roles, and whether an element is hidden.

    ``attributes [m]`` as they are written; nothing is read of an element that ``holds [m]`` no text.
    """
    words: list[list[str]] = [[]]
    kinds = {"": 0}
    kind = []
    for written, held in zip(attributes, holds, strict=True):
        if held and written not in kinds:
            kinds[written] = len(words)
            words.append(_clues(attribute_values(written)))
        kind.append(kinds[written] if held else 0)
    return Clues(words, kind)


def _clues(attributes: dict[str, str]) -> list[str]:
    clues = names(attributes.get("class", ""))
    for key, value in attributes.items():
        if key == "style":
            if "display:none" in value.replace(" ", ""):
                clues.append("style:none")
        elif key == "hidden" or (key == "aria-hidden" and value == "true"):
            clues.append("hidden:")
        elif key in _TELLING:
            prefix = _TELLING[key]
            clues += [prefix + name for name in names(value)]
    return clues


def page_clues(page: Page, html: str, url: str | None) -> list[str]:
    """What is known of the page's kind: by its URL, title, head, the body's classes and schema.org types."""
    title = dict.fromkeys(found[0] for found in islice(_WORD.finditer(page.title.lower()), MAX_TITLE))
    return [
        *("@" + name for name in _types(html)),
        *_hints(page.metas),
        *url_clues(url or ""),
        *("t:" + word for word in title),
        *("b:" + name for name in _clues(attribute_values(page.attributes[0]))),
    ]


def _types(html: str) -> Iterable[str]:
    """The schema.org types that the page names, each once."""
    types: dict[str, None] = {}
    at = html.find(_TYPE)
    while at >= 0 and len(types) < MAX_TYPES:
        at += len(_TYPE)
        if found := _TYPE_NAME.match(html, at):
            types[found[1]] = None
        at = html.find(_TYPE, at)
    return types


def _hints(metas: list[str]) -> list[str]:
    """The first word that ``<meta>`` tags have for each of ``_HINTS``."""
    said: dict[str, str] = {}
    for written in metas:
        if any(hint in written for hint in _HINTS):
            meta = attribute_values(written)
            said[meta.get("property") or meta.get("name", "")] = meta.get("content", "")
    return [f"{key}:{value.split()[0].lower()}" for key in _HINTS if (value := said.get(key, "")).strip()]


def url_clues(url: str) -> list[str]:
    """The words of a URL and its shape; none for no URL."""
    try:
        parts = urlsplit(url.lower())
    except ValueError:
        return []
    if not parts.netloc:
        return []
    labels = parts.netloc.removeprefix("www.").split(".")
    segments = [segment for segment in parts.path.split("/") if segment]
    words = [_PART.findall(segment) for segment in segments]
    clues = [f"u:.{labels[-1]}", *(f"u:{label}." for label in labels[:-2]), f"u:depth{min(len(segments), 5)}"]
    clues += ["u:#" if word.isdigit() else f"u:{word}" for segment in words for word in segment[:10]]
    clues += ["u:slug"] * any(len(segment) >= 5 for segment in words)
    clues += ["u:html"] * bool(segments and segments[-1].endswith((".html", ".htm")))
    clues += [f"u:?{word}" for word in _PART.findall(parts.query)[:6]]
    return list(dict.fromkeys(clues))

"""Words that the markup says of elements and of the page as a whole, as the network's vocabularies know them."""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice
from urllib.parse import urlsplit

from gristmill.transforms.extract.learned.page import Attributes, Page

MAX_NAMES = 24
MAX_TITLE = 20
MAX_TYPES = 2000
_REMEMBERED = 400
"""Longest value whose words are remembered; longer ones, each another, would fill the memory of a long run."""

_WORD = re.compile(r"\w+")
_NAME = re.compile(r"[A-Z]?[a-z]+|[A-Z]{2,}(?![a-z])")
_PART = re.compile(r"[a-z]+|\d+")
_SCHEMA_TYPE = re.compile(r'\s*:\s*(?:\[\s*)?"([A-Za-z]{1,40})"')
_TELLING = {
    "id": "",
    "role": "role:",
    "itemprop": "prop:",
    "itemtype": "type:",
    "aria-label": "label:",
    "data-testid": "test:",
    "data-component": "part:",
    "data-type": "data:",
    "style": "style:",
    "hidden": "hidden:",
    "aria-hidden": "hidden:",
}
"""Attributes beside ``class`` that tell something, and what marks their words."""


def element_clues(attributes: Attributes) -> tuple[str, ...]:
    """What an element's attributes say: words of its classes and id, of its role, whether it is hidden."""
    if not attributes:
        return ()
    classes = attributes.get("class")
    if len(attributes) == 1 and classes is not None:
        return names(classes)
    clues = names(classes) if classes else ()
    for key in attributes:
        if key in _TELLING:
            clues += _told(key, attributes[key] or "")
    return clues


def page_clues(page: Page, html: str, url: str | None) -> list[str]:
    """What is known of the page's kind: by its URL, title, head, the body's classes and schema.org types."""
    types = dict.fromkeys(
        found[1] for text in html.split('"@type"', MAX_TYPES)[1:] if (found := _SCHEMA_TYPE.match(text))
    )
    title = dict.fromkeys(found[0] for found in islice(_WORD.finditer(page.title.lower()), MAX_TITLE))
    return [
        *("@" + name for name in types),
        *page.hints,
        *url_clues(url or ""),
        *("t:" + word for word in title),
        *("b:" + name for name in element_clues(page.attributes[0])),
    ]


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


def _told(key: str, value: str) -> tuple[str, ...]:
    prefix = _TELLING[key]
    if key == "style":
        return (prefix + "none",) if "display:none" in value.replace(" ", "") else ()
    if key == "hidden" or key == "aria-hidden":
        return (prefix,) if key == "hidden" or value == "true" else ()
    return _marked(prefix, value) if len(value) <= _REMEMBERED else tuple(prefix + name for name in _names(value))


def names(value: str) -> tuple[str, ...]:
    """The words of an attribute's value, ``postBody`` and ``post-body`` alike, each once."""
    return _known_names(value) if len(value) <= _REMEMBERED else _names(value)


def _names(value: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found[0].lower() for found in islice(_NAME.finditer(value), MAX_NAMES)))


_known_names = lru_cache(2**14)(_names)


@lru_cache(2**14)
def _marked(prefix: str, value: str) -> tuple[str, ...]:
    return tuple(prefix + name for name in names(value))

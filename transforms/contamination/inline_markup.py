"""Blanks inline markup in place: tags, character references and the targets of Markdown links.

A copy of a test item on a page that was never rendered has such markup between its words. ``blank_markup`` returns a
text of the same length, so offsets into it are offsets into the original text. Other Markdown is left as it is: it is
punctuation, which separates words anyway. No pattern looks beyond the next ``<``, ``(``, line end or comment, so none
takes quadratic time.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

BLOCK_TAG_NAMES = (
    "address article aside blockquote body br button canvas caption center col colgroup dd details dialog div dl dt "
    "fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe img "
    "input legend li link main map menu meta nav noscript object ol optgroup option p param picture pre progress "
    "script section select source style summary svg table tbody td template textarea tfoot th thead time title tr "
    "track ul video wbr"
)

INLINE_TAG_NAMES = (
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp small span strike "
    "strong sub sup tt u var"
)

_BLOCKS, _INLINE = frozenset(BLOCK_TAG_NAMES.split()), frozenset(INLINE_TAG_NAMES.split())

JOINER = "\u2060"
"""Replaces markup inside a word; it counts as part of the word."""

_FLAGS = "allowfullscreen|async|checked|controls|defer|disabled|hidden|itemscope|multiple|noshade|nowrap|open|readonly|"
_FLAGS += "required|reversed|selected"
_ATTRIBUTE = rf"""\s+(?:[\w:@.-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=]+)|(?:{_FLAGS})(?=[\s/>]))"""
_ELEMENT = rf"</?[a-zA-Z][a-zA-Z0-9]*(?:{_ATTRIBUTE})*\s*/?>"
# A literal at the start makes the search 15 times as fast.
_TAGS = re.compile(rf"{_ELEMENT}(?:{_ELEMENT})*")
_TAG = re.compile(r"</?([a-zA-Z0-9]+)[^<>]*>")
_DECLARATIONS = re.compile(r"<!--(?:(?!<!--).)*?-->|<!doctype[^<>]*>", re.IGNORECASE | re.DOTALL)
_REFERENCES = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_TARGETS = re.compile(r"""\]\((?:[a-z]+:|[/#.?])[^\s()]*(?:\s+"[^"\n]*")?\)""")


def blank_markup(text: str) -> str:
    """Return ``text`` with its markup blanked, of the same length.

    Inside a word, tags of inline elements (``un<b>like</b>ly``) and the rest of a character reference (``na&iuml;ve``)
    become ``JOINER``, which keeps the word together; all other markup becomes spaces.
    """
    if "<!" in text:
        text = _DECLARATIONS.sub(_blank, text)
    if "<" in text:
        text = _TAGS.sub(_blank_tags, text)
    if "&" in text:
        text = _REFERENCES.sub(_decode_reference, text)
    return _TARGETS.sub(_blank, text) if "](" in text else text


def _blank(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _blank_tags(match: re.Match[str]) -> str:
    """Blank adjacent tags. Only names of HTML elements count: ``list<int>`` is not a tag."""
    tags = match[0]
    kinds = _kinds(tags)
    if kinds == {None}:
        return tags
    if None in kinds:
        return _TAG.sub(lambda tag: _blank(tag) if _kinds(tag[0]) != {None} else tag[0], tags)
    if kinds == {"inline"}:
        start, end = match.span()
        if match.string[max(0, start - 1) : start].isalnum() and match.string[end : end + 1].isalnum():
            return JOINER * len(tags)
    return " " * len(tags)


@lru_cache(maxsize=4096)
def _kinds(tags: str) -> frozenset[str | None]:
    """Return the kinds of elements that tags belong to: ``inline``, ``block``, or None if it is not in HTML."""
    names = {name.lower() for name in _TAG.findall(tags)}
    return frozenset("inline" if name in _INLINE else "block" if name in _BLOCKS else None for name in names)


def _decode_reference(match: re.Match[str]) -> str:
    decoded = html.unescape(match[0])
    separates = decoded.isascii() and not decoded.isalnum()
    return decoded + (" " if separates else JOINER) * (len(match[0]) - len(decoded))

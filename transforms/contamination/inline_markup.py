"""Markup laid aside: tags, character references and the targets of Markdown links, in place.

A copy of a test item on a page that was never rendered has all of these between its words. ``plain`` gives a text of
the same length, so that a place in it is the same place in the text that it was made from. Other Markdown needs
nothing: it is punctuation, which separates words anyway. No pattern looks beyond the next ``<``, ``(`` or line, or the
next comment, so none takes quadratic time.
"""

from __future__ import annotations

import html
import re
from functools import lru_cache

_BLOCK_NAMES = (
    "address article aside blockquote body br button canvas caption center col colgroup dd details dialog div dl dt "
    "fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe img "
    "input legend li link main map menu meta nav noscript object ol optgroup option p param picture pre progress "
    "script section select source style summary svg table tbody td template textarea tfoot th thead time title tr "
    "track ul video wbr"
)

_TEXT_NAMES = (
    "a abbr acronym b bdi bdo big cite code data del dfn em font i ins kbd label mark q s samp small span strike "
    "strong sub sup tt u var"
)

_BLOCKS, _TEXTS = frozenset(_BLOCK_NAMES.split()), frozenset(_TEXT_NAMES.split())

JOINER = "\u2060"
"""Stands for markup inside a word, and belongs to it."""

_FLAGS = "allowfullscreen|async|checked|controls|defer|disabled|hidden|itemscope|multiple|noshade|nowrap|open|readonly|"
_FLAGS += "required|reversed|selected"
_ATTRIBUTE = rf"""\s+(?:[\w:@.-]+\s*=\s*(?:"[^"<>]*"|'[^'<>]*'|[^\s"'<>=]+)|(?:{_FLAGS})(?=[\s/>]))"""
_ELEMENT = rf"</?[a-zA-Z][a-zA-Z0-9]*(?:{_ATTRIBUTE})*\s*/?>"
_TAGS = re.compile(rf"{_ELEMENT}(?:{_ELEMENT})*")  # begins with a character, for which re looks 15 times as fast
_TAG = re.compile(r"</?([a-zA-Z0-9]+)[^<>]*>")
_DECLARATIONS = re.compile(r"<!--(?:(?!<!--).)*?-->|<!doctype[^<>]*>", re.IGNORECASE | re.DOTALL)
_REFERENCES = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
_TARGETS = re.compile(r"""\]\((?:[a-z]+:|[/#.?])[^\s()]*(?:\s+"[^"\n]*")?\)""")


def plain(text: str) -> str:
    """``text`` with its markup laid aside, of the same length.

    Inside a word an element of text (``un<b>like</b>ly``) or a character reference (``na&iuml;ve``) leaves it whole;
    between words, and where another element stands, is space.
    """
    if "<!" in text:
        text = _DECLARATIONS.sub(_space, text)
    if "<" in text:
        text = _TAGS.sub(_tags, text)
    if "&" in text:
        text = _REFERENCES.sub(_character, text)
    return _TARGETS.sub(_space, text) if "](" in text else text


def _space(match: re.Match[str]) -> str:
    return " " * len(match[0])


def _tags(match: re.Match[str]) -> str:
    """Tags that touch each other. Names are HTML's and attributes have its form: ``list<int>`` is no tag."""
    tags = match[0]
    kinds = _kinds(tags)
    if kinds == {None}:
        return tags
    if None in kinds:
        return _TAG.sub(lambda tag: _space(tag) if _kinds(tag[0]) != {None} else tag[0], tags)
    if kinds == {"text"}:
        start, end = match.span()
        if match.string[max(0, start - 1) : start].isalnum() and match.string[end : end + 1].isalnum():
            return JOINER * len(tags)
    return " " * len(tags)


@lru_cache(maxsize=4096)
def _kinds(tags: str) -> frozenset[str | None]:
    """What elements tags are of: of ``text``, other ones (``block``), or none of HTML's (None)."""
    names = {name.lower() for name in _TAG.findall(tags)}
    return frozenset("text" if name in _TEXTS else "block" if name in _BLOCKS else None for name in names)


def _character(match: re.Match[str]) -> str:
    found = html.unescape(match[0])
    separates = found.isascii() and not found.isalnum()
    return found + (" " if separates else JOINER) * (len(match[0]) - len(found))

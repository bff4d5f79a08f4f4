"""Faster versions of trafilatura's XPath expressions: they select the same elements in a fraction of the time.

trafilatura finds boilerplate with expressions that search the classes, ids and roles of every element for some hundred
words. They walk a page a dozen times, each element is a call from C into Python, and that took half of its total time.
Their conditions on attributes are known in advance. So each page is read once, each attribute value is searched once,
and an element is marked with the conditions that hold for it, in attributes ``Q0``, ``Q1`` …; the rewritten expressions
test only for marks. Marks are copied with the tree, and clearing an element's attributes clears its marks.

The selected elements stay the same:

- A mark stands for a *chain*: conditions on an element's own attributes, joined by ``or``. All other parts of an
  expression (names, descendants, positions) are kept. Expressions that do not consist of these parts are not rewritten.
- XPath treats an absent attribute as an empty string; expressions with a condition that an empty string meets are not
  rewritten.
- A union (``@id|@class``) stands for its first attribute in document order, for ``re:test`` as for ``string()``.
- The root lists the marks in its tree. A tree without this list is not marked, and gets the original expression.
- HTML attributes are lower-case, so no page can have a ``Q0`` of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

from lxml.etree import XPath  # type: ignore[import-untyped]
from lxml.html import HtmlElement  # type: ignore[import-untyped]
from trafilatura import xpaths

from gristmill.extraction.engines.regex_alternatives import any_matcher

LISTS = (
    "RAW_TREE_PRUNE_XPATH",
    "REMOVE_COMMENTS_XPATH",
    "REMOVE_COMMENTS_AND_LISTS_XPATH",
    "COMMENTS_XPATH",
    "COMMENTS_DISCARD_XPATH",
    "BODY_XPATH",
    "OVERALL_DISCARD_XPATH",
    "TEASER_DISCARD_XPATH",
    "PRECISION_DISCARD_XPATH",
    "DISCARD_IMAGE_ELEMENTS",
)
"""trafilatura's lists of expressions that look for text; the others look for metadata."""

_MARK = "Q"
_CACHE_SIZE = 1 << 13
_MAX_CACHED_LENGTH = 256  # longer values are rare, and the caches must stay small

_NAMES = r"@[\w-]+(?:\s*\|\s*@[\w-]+)*"
_CONDITION = rf"""
    (?P<function>re:test|contains|starts-with)\(\s*
        (?:(?P<names>{_NAMES})|translate\(\s*(?P<changed>{_NAMES})\s*,\s*'(?P<old>[^']*)'\s*,\s*'(?P<new>[^']*)'\s*\))
        \s*,\s*'(?P<text>[^']*)'\s*(?:,\s*'(?P<flag>i)'\s*)?\)
    |(?P<name>@[\w-]+)(?:\s*=\s*'(?P<value>[^']*)')?
"""
_PART = re.compile(_CONDITION, re.VERBOSE)
_UNNAMED = re.sub(r"\?P<\w+>", "?:", _CONDITION)
_CHAIN = re.compile(rf"(?:{_UNNAMED})(?:\s+or\s+(?:{_UNNAMED}))*", re.VERBOSE)
_REST = re.compile(rf"(?:\s|\.//\*|\.//\w+|\(|\)|\[|\]|\||not\(|self::\w+|\bor\b|\d+|@{_MARK}\d+)*")
_UNSUPPORTED = re.compile(r"\(\?[^:!=<]|\\[1-9]")  # inline flags, backreferences
_MARK_LAST = re.compile(rf"(\[self::\w+(?:\s+or\s+self::\w+)*\])\[\s*(@{_MARK}\d+)\s*\]")
_MARK_FIRST = re.compile(rf"\(?\.//\*\[@({_MARK}\d+)\][^|]*")

Expression = Callable[[HtmlElement], list[HtmlElement]]
Reader = Callable[[str], int]
"""Maps the value of an attribute to the marks, as bits, of the conditions that it meets."""


class Condition(NamedTuple):
    """Holds for an element if the pattern occurs in the first, in document order, of its attributes in ``names``."""

    names: frozenset[str]
    pattern: str


@cache
def install() -> Marks:
    """Replaces trafilatura's expressions in this process; returns the marks that trees need for the new ones."""
    lists = [vars(xpaths)[name] for name in LISTS if name in vars(xpaths)]
    marks = Marks([expression for expressions in lists for expression in expressions])
    for expressions in lists:
        expressions[:] = [marks.rewrite(expression) for expression in expressions]
    return marks


class Marks:
    """The marks that stand for the chains of some expressions. Its caches are bounded and do not affect results."""

    def __init__(self, expressions: Iterable[XPath]) -> None:
        distinct = dict.fromkeys(chain for expression in expressions for chain in chains(expression.path))
        self._numbers = {chain: number for number, chain in enumerate(distinct)}
        self._conditions = [
            (1 << number, condition) for chain, number in self._numbers.items() for condition in conditions(chain)
        ]
        self._used_names = frozenset(name for _, condition in self._conditions for name in condition.names)
        self._readers = lru_cache(_CACHE_SIZE)(self._readers_of)
        self._ordered_readers = lru_cache(_CACHE_SIZE)(self._readers_in_order)
        self._reader = cache(self._reader_of)

    def rewrite(self, expression: XPath) -> Expression:
        """An expression that selects the same elements as ``expression``, faster in a marked tree."""
        if not chains(expression.path):
            original: Expression = expression
            return original
        path = _CHAIN.sub(lambda chain: f"@{_name(self._numbers[chain[0]])}", expression.path)
        path = _MARK_LAST.sub(r"[\2]\1", path).strip()
        needed = _MARK_FIRST.fullmatch(path)
        return _MarkedExpression(expression, XPath(path), f" {needed[1]} " if needed else " ")

    def mark(self, tree: HtmlElement) -> None:
        """Marks each element below the root ``tree`` with its chains that hold; lists the marks at the root."""
        all_marks = 0
        for element in tree.iterdescendants("*"):
            marks = 0
            for name, read in self._readers(tuple(element.keys())):
                marks |= read(element.get(name))
            if marks:
                all_marks |= marks
                for name in _names(marks):
                    element.set(name, "")
        tree.set(_MARK, f" {' '.join(_names(all_marks))} ")

    def _readers_of(self, names: tuple[str, ...]) -> list[tuple[str, Reader]]:
        """The relevant ones of an element's attributes, each with its reader."""
        return self._ordered_readers(tuple(name for name in names if name in self._used_names))

    def _readers_in_order(self, names: tuple[str, ...]) -> list[tuple[str, Reader]]:
        first = [next((name for name in names if name in wanted.names), "") for _, wanted in self._conditions]
        return [
            (name, self._reader(frozenset(n for n, attribute in enumerate(first) if attribute == name)))
            for name in names
        ]

    def _reader_of(self, numbers: frozenset[int]) -> Reader:
        """The reader of a value for the conditions with these numbers."""
        patterns: dict[int, list[str]] = {}
        for mark, condition in (self._conditions[number] for number in sorted(numbers)):
            patterns.setdefault(mark, []).append(condition.pattern)
        matches_any = any_matcher(pattern for some in patterns.values() for pattern in some)
        matchers = [(mark, any_matcher(some)) for mark, some in patterns.items()]

        def read(value: str) -> int:
            return sum(mark for mark, matches in matchers if matches(value)) if matches_any(value) else 0

        cached = lru_cache(_CACHE_SIZE)(read)
        return lambda value: cached(value) if len(value) <= _MAX_CACHED_LENGTH else read(value)


@dataclass(frozen=True)
class _MarkedExpression:
    """An expression in both forms. It can only select elements if the root's list of marks contains ``needed``."""

    original: XPath
    marked: XPath
    needed: str

    def __call__(self, tree: HtmlElement) -> list[HtmlElement]:
        marks = tree.getroottree().getroot().get(_MARK)
        selected: list[HtmlElement] = []
        if marks is None:
            selected = self.original(tree)
        elif self.needed in marks:
            selected = self.marked(tree)
        return selected


def chains(path: str) -> list[str]:
    """The chains in an expression, in order; none if the expression cannot be rewritten."""
    matched = [chain[0] for chain in _CHAIN.finditer(path)]
    understood = _REST.fullmatch(_CHAIN.sub(f"@{_MARK}0", path)) and all(map(conditions, matched))
    return matched if understood else []


@cache
def conditions(chain: str) -> tuple[Condition, ...]:
    """The conditions of a chain; none if one is not supported, or holds for an element without attributes."""
    parts = [_condition(part) for part in _PART.finditer(chain)]
    supported = tuple(condition for condition in parts if condition is not None)
    return supported if len(supported) == len(parts) else ()


def _condition(part: re.Match[str]) -> Condition | None:
    names = frozenset(re.findall(r"[\w-]+", part["name"] or part["names"] or part["changed"]))
    if part["name"]:
        return Condition(names, "^" if part["value"] is None else rf"^{re.escape(part['value'])}\Z")
    pattern = _pattern(part)
    return None if pattern is None or re.search(pattern, "") else Condition(names, pattern)


def _pattern(part: re.Match[str]) -> str | None:
    """The regular expression equivalent to an XPath or EXSLT function call; None if it is not supported."""
    if part["function"] == "re:test":
        return None if _UNSUPPORTED.search(part["text"]) else f"(?i:{part['text']})" if part["flag"] else part["text"]
    old, new = part["old"] or "", part["new"] or ""
    if len(set(old)) != len(new) or len(old) != len(new):
        return None
    start = "^" if part["function"] == "starts-with" else ""
    return start + "".join(_before(letter, old, new) for letter in part["text"])


def _before(letter: str, old: str, new: str) -> str:
    """A pattern for the characters that ``translate`` maps to a letter."""
    letters = [before for before, after in zip(old, new, strict=True) if after == letter]
    if letter not in old:
        letters.append(letter)
    if len(letters) == 1:
        return re.escape(letters[0])
    return f"(?:{'|'.join(map(re.escape, letters))})" if letters else "(?!)"


def _name(number: int) -> str:
    return f"{_MARK}{number}"


@lru_cache(_CACHE_SIZE)
def _names(marks: int) -> tuple[str, ...]:
    return tuple(_name(number) for number in range(marks.bit_length()) if marks >> number & 1)

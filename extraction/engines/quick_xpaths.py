"""trafilatura's XPath expressions, asked of marks: the same elements in a fraction of the time.

trafilatura finds boilerplate by expressions that search classes, ids and roles of every element for some hundred words.
A page is walked by them a dozen times, each element is a call from C into Python, and that was half of all its time.
What they ask of attributes is known before: so every page is read once, each value of an attribute is searched once,
and an element is marked with what holds of it, in attributes ``Q0``, ``Q1`` …; expressions look for the mark alone.
Marks go with elements into copies of the tree, and what clears an element's attributes clears its marks.

What an expression selects stays the same:

- A mark stands for a *chain*: conditions on an element's own attributes, joined by ``or``. What else an expression
  asks (names, what is inside, which is first) stays in it. One that has more to it than that is left as it is.
- An absent attribute is an empty text, so a condition that holds for that is left as it is.
- A union (``@id|@class``) is its first attribute in the source, for ``re:test`` as for ``string()``.
- The root says which marks its tree has. A tree that says nothing was not marked, and is asked as ever.
- HTML's attributes are lower-case: no page can have ``Q0`` of its own.
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

from gristmill.extraction.engines.quick_patterns import any_found

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
"""Those of trafilatura's lists of expressions that look for text; the others look for metadata."""

_MARK = "Q"
_REMEMBERED = 1 << 13
_SHORT = 256  # longer values are rare, and what is remembered must stay small

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
_PECULIAR = re.compile(r"\(\?[^:!=<]|\\[1-9]")  # flags of its own, references to groups
_MARK_LAST = re.compile(rf"(\[self::\w+(?:\s+or\s+self::\w+)*\])\[\s*(@{_MARK}\d+)\s*\]")
_MARK_FIRST = re.compile(rf"\(?\.//\*\[@({_MARK}\d+)\][^|]*")

Expression = Callable[[HtmlElement], list[HtmlElement]]
Reader = Callable[[str], int]
"""What tells the marks, as bits, that the value of an attribute earns."""


class Condition(NamedTuple):
    """Holds of an element where the pattern is found in the first, in the source, of those named that it has."""

    names: frozenset[str]
    pattern: str


@cache
def install() -> Marks:
    """Put quick expressions in the place of trafilatura's own, in this process; what marks trees for them."""
    lists = [vars(xpaths)[name] for name in LISTS if name in vars(xpaths)]
    marks = Marks([one for expressions in lists for one in expressions])
    for expressions in lists:
        expressions[:] = [marks.quick(one) for one in expressions]
    return marks


class Marks:
    """The marks that stand for the chains of some expressions. What is remembered is bounded and of no consequence."""

    def __init__(self, expressions: Iterable[XPath]) -> None:
        found = dict.fromkeys(chain for one in expressions for chain in chains(one.path))
        self._numbers = {chain: number for number, chain in enumerate(found)}
        self._conditions = [(1 << n, one) for chain, n in self._numbers.items() for one in conditions(chain)]
        self._asked = frozenset(name for _, condition in self._conditions for name in condition.names)
        self._readers = lru_cache(_REMEMBERED)(self._readers_of)
        self._ordered_readers = lru_cache(_REMEMBERED)(self._readers_in_order)
        self._reader = cache(self._reader_of)

    def quick(self, expression: XPath) -> Expression:
        """What selects the same as ``expression``, sooner in a tree that was marked."""
        if not chains(expression.path):
            stock: Expression = expression
            return stock
        path = _CHAIN.sub(lambda chain: f"@{_name(self._numbers[chain[0]])}", expression.path)
        path = _MARK_LAST.sub(r"[\2]\1", path).strip()
        needed = _MARK_FIRST.fullmatch(path)
        return _Quick(expression, XPath(path), f" {needed[1]} " if needed else " ")

    def put(self, tree: HtmlElement) -> None:
        """Mark the elements below the root ``tree`` with the chains that hold of them, and tell it which there are."""
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
        """Which attributes of an element that has these are to be read, and what reads them."""
        return self._ordered_readers(tuple(name for name in names if name in self._asked))

    def _readers_in_order(self, names: tuple[str, ...]) -> list[tuple[str, Reader]]:
        first = [next((name for name in names if name in one.names), "") for _, one in self._conditions]
        return [(name, self._reader(frozenset(n for n, of in enumerate(first) if of == name))) for name in names]

    def _reader_of(self, numbers: frozenset[int]) -> Reader:
        """What reads a value for the conditions of these numbers."""
        patterns: dict[int, list[str]] = {}
        for mark, condition in (self._conditions[number] for number in sorted(numbers)):
            patterns.setdefault(mark, []).append(condition.pattern)
        any_mark = any_found(pattern for some in patterns.values() for pattern in some)
        each = [(mark, any_found(some)) for mark, some in patterns.items()]

        def read(value: str) -> int:
            return sum(mark for mark, found in each if found(value)) if any_mark(value) else 0

        remembered = lru_cache(_REMEMBERED)(read)
        return lambda value: remembered(value) if len(value) <= _SHORT else read(value)


@dataclass(frozen=True)
class _Quick:
    """An expression in both forms. ``needed`` stands in what the root says of a tree where it may select anything."""

    stock: XPath
    marked: XPath
    needed: str

    def __call__(self, tree: HtmlElement) -> list[HtmlElement]:
        marks = tree.getroottree().getroot().get(_MARK)
        selected: list[HtmlElement] = []
        if marks is None:
            selected = self.stock(tree)
        elif self.needed in marks:
            selected = self.marked(tree)
        return selected


def chains(path: str) -> list[str]:
    """The chains that marks may stand for, as an expression has them; none where it is not understood."""
    found = [chain[0] for chain in _CHAIN.finditer(path)]
    understood = _REST.fullmatch(_CHAIN.sub(f"@{_MARK}0", path)) and all(map(conditions, found))
    return found if understood else []


@cache
def conditions(chain: str) -> tuple[Condition, ...]:
    """The conditions of a chain; none where one is not understood, or holds of an element without attributes."""
    found = [_condition(part) for part in _PART.finditer(chain)]
    known = tuple(one for one in found if one is not None)
    return known if len(known) == len(found) else ()


def _condition(part: re.Match[str]) -> Condition | None:
    names = frozenset(re.findall(r"[\w-]+", part["name"] or part["names"] or part["changed"]))
    if part["name"]:
        return Condition(names, "^" if part["value"] is None else rf"^{re.escape(part['value'])}\Z")
    pattern = _pattern(part)
    return None if pattern is None or re.search(pattern, "") else Condition(names, pattern)


def _pattern(part: re.Match[str]) -> str | None:
    """The pattern that a function of XPath, or of EXSLT, looks for; None where this module cannot tell."""
    if part["function"] == "re:test":
        return None if _PECULIAR.search(part["text"]) else f"(?i:{part['text']})" if part["flag"] else part["text"]
    old, new = part["old"] or "", part["new"] or ""
    if len(set(old)) != len(new) or len(old) != len(new):
        return None
    start = "^" if part["function"] == "starts-with" else ""
    return start + "".join(_before(letter, old, new) for letter in part["text"])


def _before(letter: str, old: str, new: str) -> str:
    """A pattern of what ``translate`` turns into a letter."""
    letters = [before for before, after in zip(old, new, strict=True) if after == letter]
    if letter not in old:
        letters.append(letter)
    if len(letters) == 1:
        return re.escape(letters[0])
    return f"(?:{'|'.join(map(re.escape, letters))})" if letters else "(?!)"


def _name(number: int) -> str:
    return f"{_MARK}{number}"


@lru_cache(_REMEMBERED)
def _names(marks: int) -> tuple[str, ...]:
    return tuple(_name(number) for number in range(marks.bit_length()) if marks >> number & 1)

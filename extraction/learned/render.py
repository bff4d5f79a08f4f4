"""Kept blocks to text: a line each, items marked, cells of a row on one line, code as it stands."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Literal, NamedTuple

from gristmill.extraction.learned.page import BREAK, Page
from gristmill.extraction.learned.tags import TAGS

_HEADINGS = {TAGS[f"h{level}"]: level for level in range(1, 7)}
_NAMES = {TAGS["li"]: "item", TAGS["tr"]: "row", TAGS["pre"]: "code", TAGS["blockquote"]: "quote"}
_LISTS = frozenset({TAGS["ul"], TAGS["ol"]})


class Place(NamedTuple):
    """What text stands in: the level of a heading, or 0; an item, a row, code or a quote, or -1; so many lists."""

    heading: int = 0
    item: int = -1
    row: int = -1
    code: int = -1
    quote: int = -1
    lists: int = 0

    def inside(self, element: int, tag: int) -> Place:
        """The place in an element that stands here itself."""
        if tag in _HEADINGS:
            return self._replace(heading=_HEADINGS[tag])
        if tag in _LISTS:
            return self._replace(lists=self.lists + 1)
        return self._replace(**{_NAMES[tag]: element}) if tag in _NAMES else self


class Line(NamedTuple):
    """A kept block, what it stands in, and whether it is the first of an item of a list."""

    text: str
    place: Place
    begins: bool


def render(page: Page, kept: list[int], form: Literal["text", "markdown"]) -> str:
    """The text of the blocks ``kept``, as plain text or Markdown."""
    lines = list(_lines(page, kept))
    if form == "markdown":
        return "\n\n".join(_markdown(lines))
    return "\n".join(_plain(lines))


def _lines(page: Page, kept: list[int]) -> Iterator[Line]:
    places = _Places(page.parents, page.tags)
    begun = {-1}
    for block in kept:
        place = places.of(page.element[block])
        yield Line(page.texts[block], place, place.item not in begun)
        if place.row < 0:  # cells bear no mark
            begun.add(place.item)


class _Places:
    """What each element stands in, found once."""

    def __init__(self, parents: list[int], tags: list[int]) -> None:
        self._parents, self._tags = parents, tags
        self._found: dict[int, Place] = {-1: Place()}

    def of(self, element: int) -> Place:
        path = []
        while element not in self._found:
            path.append(element)
            element = self._parents[element]
        place = self._found[element]
        for element in reversed(path):
            place = self._found[element] = place.inside(element, self._tags[element])
        return place


def _plain(lines: list[Line]) -> Iterator[str]:
    for row, group in _rows(lines):
        if row >= 0:
            yield " | ".join(_spaced(line.text) for line in group)
        else:
            for line in group:
                yield ("- " if line.begins else "") + _broken(line.text)


def _markdown(lines: list[Line]) -> Iterator[str]:
    for row, group in _rows(lines):
        if row >= 0:
            yield "| " + " | ".join(_spaced(line.text) for line in group) + " |"
        else:
            for code, run in groupby(group, lambda line: line.place.code):
                if code >= 0:
                    yield "\n".join(["```", *(_broken(line.text) for line in run), "```"])
                else:
                    yield from map(_marked, run)


def _marked(line: Line) -> str:
    text = _broken(line.text)
    place = line.place
    if place.heading:
        return "#" * place.heading + " " + _spaced(line.text)
    if place.item >= 0:
        indent = "  " * max(place.lists - 1, 0)
        return f"{indent}- {text}" if line.begins else f"{indent}  {text}"
    return "> " + text.replace("\n", "\n> ") if place.quote >= 0 else text


def _rows(lines: list[Line]) -> Iterator[tuple[int, list[Line]]]:
    """Lines that stand together in a table's row, or outside any (-1). Code in a table is no cell."""
    for row, group in groupby(lines, lambda line: line.place.row if line.place.code < 0 else -1):
        yield row, list(group)


def _broken(text: str) -> str:
    return text.replace(f" {BREAK} ", "\n").replace(BREAK, "\n")


def _spaced(text: str) -> str:
    return " ".join(text.replace(BREAK, " ").split())

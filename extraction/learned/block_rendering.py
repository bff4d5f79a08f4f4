"""Writes the kept blocks as text: one line each, list items marked, the cells of a row on one line, code verbatim."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Literal, NamedTuple

from gristmill.extraction.learned.html_blocks import BREAK, Page
from gristmill.extraction.learned.html_tags import TAGS

_HEADINGS = {TAGS[f"h{level}"]: level for level in range(1, 7)}
_FIELDS = {TAGS["li"]: "item", TAGS["tr"]: "row", TAGS["pre"]: "code", TAGS["blockquote"]: "quote"}
_LISTS = frozenset({TAGS["ul"], TAGS["ol"]})


class Nesting(NamedTuple):
    """The structures that contain a text.

    heading: The level of the heading, or 0.
    item, row, code, quote: The element, or -1.
    lists: How many lists are nested.
    """

    heading: int = 0
    item: int = -1
    row: int = -1
    code: int = -1
    quote: int = -1
    lists: int = 0

    def inside(self, element: int, tag: int) -> Nesting:
        """The nesting inside an element that is itself nested here."""
        if tag in _HEADINGS:
            return self._replace(heading=_HEADINGS[tag])
        if tag in _LISTS:
            return self._replace(lists=self.lists + 1)
        return self._replace(**{_FIELDS[tag]: element}) if tag in _FIELDS else self


class KeptBlock(NamedTuple):
    """A kept block, its nesting, and whether it is the first one of a list item."""

    text: str
    nesting: Nesting
    first_in_item: bool


def render(page: Page, kept: list[int], output_format: Literal["text", "markdown"]) -> str:
    """The text of the blocks ``kept``, as plain text or Markdown."""
    blocks = list(_kept_blocks(page, kept))
    if output_format == "markdown":
        return "\n\n".join(_markdown(blocks))
    return "\n".join(_plain(blocks))


def _kept_blocks(page: Page, kept: list[int]) -> Iterator[KeptBlock]:
    nestings = _Nestings(page.parents, page.tags)
    started_items = {-1}
    for block in kept:
        nesting = nestings.of(page.element[block])
        yield KeptBlock(page.texts[block], nesting, nesting.item not in started_items)
        if nesting.row < 0:  # table cells get no item mark
            started_items.add(nesting.item)


class _Nestings:
    """The nesting of each element, computed once."""

    def __init__(self, parents: list[int], tags: list[int]) -> None:
        self._parents, self._tags = parents, tags
        self._known: dict[int, Nesting] = {-1: Nesting()}

    def of(self, element: int) -> Nesting:
        path = []
        while element not in self._known:
            path.append(element)
            element = self._parents[element]
        nesting = self._known[element]
        for element in reversed(path):
            nesting = self._known[element] = nesting.inside(element, self._tags[element])
        return nesting


def _plain(blocks: list[KeptBlock]) -> Iterator[str]:
    for row, group in _rows(blocks):
        if row >= 0:
            yield " | ".join(_on_one_line(block.text) for block in group)
        else:
            for block in group:
                yield ("- " if block.first_in_item else "") + _with_line_breaks(block.text)


def _markdown(blocks: list[KeptBlock]) -> Iterator[str]:
    for row, group in _rows(blocks):
        if row >= 0:
            yield "| " + " | ".join(_on_one_line(block.text) for block in group) + " |"
        else:
            for code, run in groupby(group, lambda block: block.nesting.code):
                if code >= 0:
                    yield "\n".join(["```", *(_with_line_breaks(block.text) for block in run), "```"])
                else:
                    yield from map(_markdown_block, run)


def _markdown_block(block: KeptBlock) -> str:
    text = _with_line_breaks(block.text)
    nesting = block.nesting
    if nesting.heading:
        return "#" * nesting.heading + " " + _on_one_line(block.text)
    if nesting.item >= 0:
        indent = "  " * max(nesting.lists - 1, 0)
        return f"{indent}- {text}" if block.first_in_item else f"{indent}  {text}"
    return "> " + text.replace("\n", "\n> ") if nesting.quote >= 0 else text


def _rows(blocks: list[KeptBlock]) -> Iterator[tuple[int, list[KeptBlock]]]:
    """Groups blocks by table row, -1 for those outside any row. Code in a table is not treated as a cell."""
    for row, group in groupby(blocks, lambda block: block.nesting.row if block.nesting.code < 0 else -1):
        yield row, list(group)


def _with_line_breaks(text: str) -> str:
    return text.replace(f" {BREAK} ", "\n").replace(BREAK, "\n")


def _on_one_line(text: str) -> str:
    return " ".join(text.replace(BREAK, " ").split())

# cython: annotation_typing=False, boundscheck=False, initializedcheck=False
"""What the network is told of each block: whole numbers, so that every machine computes the same.

Lengths and counts come as places on a scale of half octaves (``log``), shares as thirty-seconds (``share``). A block is
told by its text, by its place in the page, and by what each of the ``LEVELS`` elements around it holds.

Where there is a C compiler this very module is compiled (``features.pxd`` names its types), else it runs as it stands.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gristmill.extraction.learned.bags import Ints
from gristmill.extraction.learned.characters import COLON, KINDS, LONG, STOP, UPPER, is_of, tally
from gristmill.extraction.learned.page import Page
from gristmill.extraction.learned.tags import TAGS

Floats = npt.NDArray[np.float32]

LEVELS = 6
"""Elements around a block that are looked at one by one: the one it stands in, that one's parent, and so on."""

NUMBERS = 84
"""How many numbers tell a block."""

_STEPS = [1, *sorted([2**k for k in range(1, 23)] + [3 * 2**k for k in range(21)])]
_SMALL = 4096
_LOG = bytearray(bisect_right(_STEPS, value) for value in range(_SMALL))
_YES = 8
_DIGIT, _COMMA, _MARK, _DIVIDER, _IDEOGRAPH, _SIGN, _BREAK = (
    KINDS.index(kind) for kind in ("digit", "comma", "mark", "divider", "ideograph", "sign", "break")
)
_P = TAGS["p"]
_FAMILY = 128  # more than there are tags


class Surroundings(NamedTuple):
    """Where the ``n`` blocks of a page stand among its ``m`` elements.

    ``ancestors [n, LEVELS]``: elements around each block from the nearest, -1 beyond the body. ``first``, ``last``
    ``[m]``: an element holds the blocks from ``first`` up to ``last``. ``words [n]``: runs of ``\\w`` in each block.
    """

    ancestors: Ints
    first: Ints
    last: Ints
    words: Ints


def log(value: int) -> int:
    """0 for 0, then a step up at each of 1, 2, 3, 4, 6, 8, 12, 16 …"""
    return _LOG[value] if value < _SMALL else bisect_right(_STEPS, value)


def share(part: int, whole: int) -> int:
    """Thirty-seconds, rounded down."""
    return part * 32 // whole if whole > 0 else part * 32


def features(page: Page, leads: list[list[str]]) -> tuple[Floats, Ints, Surroundings]:
    """Of a page with ``n`` blocks: numbers ``[n, NUMBERS]``, the tags around each ``[n, LEVELS]``, surroundings.

    ``leads`` are the ``lead_words`` of each block. Numbers are whole and lie between 0 and 64.
    """
    n, m = len(page.texts), len(page.parents)
    numbers = np.zeros((n, NUMBERS), np.float32)
    tags, ancestors = np.zeros((n, LEVELS), np.intp), np.full((n, LEVELS), -1, np.intp)
    first, last, words = np.zeros(m, np.intp), np.zeros(m, np.intp), np.zeros(n, np.intp)
    sums = np.zeros((4, n + 1), np.intp)
    _extents(page, first, last)
    _sum_up(page, sums)
    _tell_text(page, leads, numbers, words)
    _tell_place(page, sums, numbers, 19)
    _tell_elements(page, _siblings(page), sums, first, last, numbers, 30, tags, ancestors)
    return numbers, tags, Surroundings(ancestors, first, last, words)


def _extents(page: Page, first: Ints, last: Ints) -> None:
    """The blocks of each element: from ``first`` up to ``last``."""
    n, m = len(page.texts), len(page.parents)
    block = 0
    for element in range(m):
        while block < n and page.order[block] <= element:
            block += 1
        first[element] = block
        last[element] = block
    for element in page.element:
        last[element] += 1
    for element in range(m - 1, 0, -1):
        last[page.parents[element]] += last[element] - first[element]


def _sum_up(page: Page, sums: Ints) -> None:
    """Running sums over blocks ``[4, n + 1]``: characters, those in links, those in paragraphs, long blocks."""
    for block, text in enumerate(page.texts):
        length = len(text)
        linked = min(page.linked[block], length)
        sums[0, block + 1] = sums[0, block] + length
        sums[1, block + 1] = sums[1, block] + linked
        sums[2, block + 1] = sums[2, block] + (length if page.tags[page.element[block]] == _P else 0)
        sums[3, block + 1] = sums[3, block] + (length - linked > LONG)


def _tell_text(page: Page, leads: list[list[str]], numbers: Floats, words: Ints) -> None:
    """What each block's own text tells."""
    title = set(page.title.lower().split())
    times = Counter(page.texts)
    counts = array("i", bytes(4 * len(KINDS)))
    for block, text in enumerate(page.texts):
        count = tally(text, counts)
        length = len(text)
        words[block] = count
        numbers[block, 0] = log(length)
        numbers[block, 1] = log(count)
        numbers[block, 2] = share(min(page.linked[block], length), length)
        numbers[block, 3] = share(min(page.bold[block], length), length)
        numbers[block, 4] = share(counts[_DIGIT], length)
        numbers[block, 5] = share(counts[UPPER], length)
        numbers[block, 6] = share(counts[_MARK], length)
        numbers[block, 7] = share(counts[_IDEOGRAPH], length)
        numbers[block, 8] = log(counts[_COMMA])
        numbers[block, 9] = log(counts[STOP])
        numbers[block, 10] = log(counts[_DIVIDER])
        numbers[block, 11] = log(counts[_BREAK])
        numbers[block, 12] = _YES * is_of(text[length - 1], STOP)
        numbers[block, 13] = _YES * is_of(text[length - 1], COLON)
        numbers[block, 14] = _YES * is_of(text[0], UPPER)
        numbers[block, 15] = _YES * (counts[_SIGN] > 0)
        numbers[block, 16] = min(length // max(count, 1), 32)
        known = 0
        if title:
            for word in set(leads[block]):
                known += word in title
        numbers[block, 17] = share(known, len(leads[block]))
        numbers[block, 18] = _YES * (times[text] > 1)


def _tell_place(page: Page, sums: Ints, numbers: Floats, column: int) -> None:
    """How much of the page comes before each block, how deep it stands, and what the page holds, alike for all."""
    n = len(page.texts)
    length, linked, prose, longs = sums[0, n], sums[1, n], sums[2, n], sums[3, n]
    for block in range(n):
        numbers[block, column] = share(block, n)
        numbers[block, column + 1] = share(sums[0, block], length)
        numbers[block, column + 2] = share(sums[3, block], longs)
        numbers[block, column + 3] = min(page.depths[page.element[block]], 40)
        numbers[block, column + 4] = log(length)
        numbers[block, column + 5] = share(linked, length)
        numbers[block, column + 6] = share(prose, length)
        numbers[block, column + 7] = log(n)
        numbers[block, column + 8] = log(longs)
        numbers[block, column + 9] = share(longs, n)
        numbers[block, column + 10] = log(len(page.parents))


def _tell_elements(
    page: Page,
    siblings: list[int],
    sums: Ints,
    first: Ints,
    last: Ints,
    numbers: Floats,
    column: int,
    tags: Ints,
    ancestors: Ints,
) -> None:
    """What each of the elements around a block holds, and where in it the block stands; the elements and their tags."""
    n = len(page.texts)
    for block in range(n):
        element = page.element[block]
        level = 0
        at = column
        while level < ancestors.shape[1] and element >= 0:
            begin, end = first[element], last[element]
            length, longs = sums[0, end] - sums[0, begin], sums[3, end] - sums[3, begin]
            ancestors[block, level] = element
            tags[block, level] = page.tags[element]
            numbers[block, at] = log(length)
            numbers[block, at + 1] = share(sums[1, end] - sums[1, begin], length)
            numbers[block, at + 2] = share(sums[2, end] - sums[2, begin], length)
            numbers[block, at + 3] = log(end - begin)
            numbers[block, at + 4] = share(length, sums[0, n])
            numbers[block, at + 5] = log(longs)
            numbers[block, at + 6] = share(longs, end - begin)
            numbers[block, at + 7] = log(siblings[element])
            numbers[block, at + 8] = share(block - begin, end - begin)
            element = page.parents[element]
            level += 1
            at += 9


def _siblings(page: Page) -> list[int]:
    """How many elements of the same tag, itself among them, the parent of each element has."""
    families = [parent * _FAMILY + tag for parent, tag in zip(page.parents, page.tags, strict=True)]
    sizes = Counter(families)
    return [sizes[family] for family in families]

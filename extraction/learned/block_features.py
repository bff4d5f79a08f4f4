# cython: annotation_typing=False, boundscheck=False, initializedcheck=False
"""The numeric features of each block: integers, so that every machine computes the same values.

Lengths and counts are placed on a scale of half octaves (``log_step``), ratios are in thirty-seconds (``ratio_32``).
The features describe a block's text, its position in the page, and the contents of each of the ``LEVELS`` nearest
elements around it.

Compiled where there is a C compiler, with the types in ``block_features.pxd``; otherwise it runs as plain Python.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from typing import NamedTuple

import numpy as np

from gristmill.corpus.arrays import Float32s
from gristmill.extraction.learned.html_blocks import Page
from gristmill.extraction.learned.html_tags import TAGS
from gristmill.extraction.learned.text_scan import COLON, KINDS, LONG, STOP, UPPER, count_characters, is_kind
from gristmill.extraction.learned.word_bags import Ints

LEVELS = 6
"""How many elements around a block have features of their own: its innermost element, the parent of that, and so on."""

NUMBERS = 84
"""Features of a block."""

_STEPS = [1, *sorted([2**k for k in range(1, 23)] + [3 * 2**k for k in range(21)])]
_SMALL = 4096
_LOG = bytearray(bisect_right(_STEPS, value) for value in range(_SMALL))
_YES = 8
_DIGIT, _COMMA, _MARK, _DIVIDER, _IDEOGRAPH, _SIGN, _BREAK = (
    KINDS.index(kind) for kind in ("digit", "comma", "mark", "divider", "ideograph", "sign", "break")
)
_P = TAGS["p"]
_MAX_TAGS = 128


class BlockContext(NamedTuple):
    """How the ``n`` blocks of a page are nested in its ``m`` elements, and their sizes.

    ancestors: The elements around each block, innermost first, -1 beyond the body: ``[n, LEVELS]``.
    first, last: An element contains the blocks from ``first`` up to, not including, ``last``: ``[m]``.
    words: Runs of ``\\w`` in each block: ``[n]``.
    """

    ancestors: Ints
    first: Ints
    last: Ints
    words: Ints


def log_step(value: int) -> int:
    """0 for 0, then one more at each of 1, 2, 3, 4, 6, 8, 12, 16 …"""
    return _LOG[value] if value < _SMALL else bisect_right(_STEPS, value)


def ratio_32(part: int, whole: int) -> int:
    """``part / whole`` in thirty-seconds, rounded down."""
    return part * 32 // whole if whole > 0 else part * 32


def compute_features(page: Page, leads: list[list[str]]) -> tuple[Float32s, Ints, BlockContext]:
    """The features ``[n, NUMBERS]`` of a page's ``n`` blocks, the tags around each ``[n, LEVELS]``, and their context.

    ``leads`` are the ``lead_words`` of each block. Features are integers from 0 to 64.
    """
    n, m = len(page.texts), len(page.parents)
    numbers = np.zeros((n, NUMBERS), np.float32)
    tags, ancestors = np.zeros((n, LEVELS), np.intp), np.full((n, LEVELS), -1, np.intp)
    first, last, words = np.zeros(m, np.intp), np.zeros(m, np.intp), np.zeros(n, np.intp)
    sums = np.zeros((4, n + 1), np.intp)
    _set_block_ranges(page, first, last)
    _running_sums(page, sums)
    _text_features(page, leads, numbers, words)
    _position_features(page, sums, numbers, 19)
    _element_features(page, _sibling_counts(page), sums, first, last, numbers, 30, tags, ancestors)
    return numbers, tags, BlockContext(ancestors, first, last, words)


def _set_block_ranges(page: Page, first: Ints, last: Ints) -> None:
    """Sets the range of blocks that each element contains."""
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


def _running_sums(page: Page, sums: Ints) -> None:
    """Sets running sums over blocks ``[4, n + 1]`` of characters, those in links, those in ``<p>``, and long blocks."""
    for block, text in enumerate(page.texts):
        length = len(text)
        linked = min(page.linked[block], length)
        sums[0, block + 1] = sums[0, block] + length
        sums[1, block + 1] = sums[1, block] + linked
        sums[2, block + 1] = sums[2, block] + (length if page.tags[page.element[block]] == _P else 0)
        sums[3, block + 1] = sums[3, block] + (length - linked > LONG)


def _text_features(page: Page, leads: list[list[str]], numbers: Float32s, words: Ints) -> None:
    """Features 0 to 18: each block's own text."""
    title = set(page.title.lower().split())
    times = Counter(page.texts)
    counts = array("i", bytes(4 * len(KINDS)))
    for block, text in enumerate(page.texts):
        count = count_characters(text, counts)
        length = len(text)
        words[block] = count
        numbers[block, 0] = log_step(length)
        numbers[block, 1] = log_step(count)
        numbers[block, 2] = ratio_32(min(page.linked[block], length), length)
        numbers[block, 3] = ratio_32(min(page.bold[block], length), length)
        numbers[block, 4] = ratio_32(counts[_DIGIT], length)
        numbers[block, 5] = ratio_32(counts[UPPER], length)
        numbers[block, 6] = ratio_32(counts[_MARK], length)
        numbers[block, 7] = ratio_32(counts[_IDEOGRAPH], length)
        numbers[block, 8] = log_step(counts[_COMMA])
        numbers[block, 9] = log_step(counts[STOP])
        numbers[block, 10] = log_step(counts[_DIVIDER])
        numbers[block, 11] = log_step(counts[_BREAK])
        numbers[block, 12] = _YES * is_kind(text[length - 1], STOP)
        numbers[block, 13] = _YES * is_kind(text[length - 1], COLON)
        numbers[block, 14] = _YES * is_kind(text[0], UPPER)
        numbers[block, 15] = _YES * (counts[_SIGN] > 0)
        numbers[block, 16] = min(length // max(count, 1), 32)
        known = 0
        if title:
            for word in set(leads[block]):
                known += word in title
        numbers[block, 17] = ratio_32(known, len(leads[block]))
        numbers[block, 18] = _YES * (times[text] > 1)


def _position_features(page: Page, sums: Ints, numbers: Float32s, column: int) -> None:
    """How much of the page precedes each block, its depth, and totals of the page (the same for all blocks)."""
    n = len(page.texts)
    length, linked, prose, longs = sums[0, n], sums[1, n], sums[2, n], sums[3, n]
    for block in range(n):
        numbers[block, column] = ratio_32(block, n)
        numbers[block, column + 1] = ratio_32(sums[0, block], length)
        numbers[block, column + 2] = ratio_32(sums[3, block], longs)
        numbers[block, column + 3] = min(page.depths[page.element[block]], 40)
        numbers[block, column + 4] = log_step(length)
        numbers[block, column + 5] = ratio_32(linked, length)
        numbers[block, column + 6] = ratio_32(prose, length)
        numbers[block, column + 7] = log_step(n)
        numbers[block, column + 8] = log_step(longs)
        numbers[block, column + 9] = ratio_32(longs, n)
        numbers[block, column + 10] = log_step(len(page.parents))


def _element_features(
    page: Page,
    siblings: list[int],
    sums: Ints,
    first: Ints,
    last: Ints,
    numbers: Float32s,
    column: int,
    tags: Ints,
    ancestors: Ints,
) -> None:
    """The contents of each element around a block, and the block's position in it. Sets ``tags`` and ``ancestors``."""
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
            numbers[block, at] = log_step(length)
            numbers[block, at + 1] = ratio_32(sums[1, end] - sums[1, begin], length)
            numbers[block, at + 2] = ratio_32(sums[2, end] - sums[2, begin], length)
            numbers[block, at + 3] = log_step(end - begin)
            numbers[block, at + 4] = ratio_32(length, sums[0, n])
            numbers[block, at + 5] = log_step(longs)
            numbers[block, at + 6] = ratio_32(longs, end - begin)
            numbers[block, at + 7] = log_step(siblings[element])
            numbers[block, at + 8] = ratio_32(block - begin, end - begin)
            element = page.parents[element]
            level += 1
            at += 9


def _sibling_counts(page: Page) -> list[int]:
    """For each element, how many children of its parent have its tag, itself included."""
    families = [parent * _MAX_TAGS + tag for parent, tag in zip(page.parents, page.tags, strict=True)]
    sizes = Counter(families)
    return [sizes[family] for family in families]

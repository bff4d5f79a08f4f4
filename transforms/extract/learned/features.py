"""What the network is told of each block: whole numbers, so that every machine computes the same.

Lengths and counts come as places on a scale of half octaves (``log``), shares as thirty-seconds (``share``). A block is
told by its text, by its place in the page, and by what each of the ``LEVELS`` elements around it holds.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gristmill.transforms.extract.learned.page import BREAK, TAGS, Ints, Page, running

LEVELS = 6
"""Elements around a block that are looked at one by one: the one it stands in, that one's parent, and so on."""

LONG = 80
"""Characters outside links from which a block counts as long."""

LEAD_WORDS = 5

_STEPS = np.array([1, *sorted([2**k for k in range(1, 23)] + [3 * 2**k for k in range(21)])])
_YES = 8
_LETTER, _DIGIT, _UPPER, _COMMA, _STOP, _COLON, _MARK, _DIVIDER, _IDEOGRAPH, _SIGN, _BREAK = (1 << n for n in range(11))


class Surroundings(NamedTuple):
    """Where the ``n`` blocks of a page stand among its ``m`` elements.

    ``ancestors [n, LEVELS]``: elements around each block from the nearest, -1 beyond the body. ``first``, ``last``
    ``[m]``: an element holds the blocks from ``first`` up to ``last``. ``words [n]``: runs of ``\\w`` in each block.
    """

    ancestors: Ints
    first: Ints
    last: Ints
    words: Ints


def log(values: npt.ArrayLike) -> Ints:
    """0 for 0, then a step up at each of 1, 2, 3, 4, 6, 8, 12, 16 …"""
    return np.searchsorted(_STEPS, values, side="right")


def share(part: npt.ArrayLike, whole: npt.ArrayLike) -> Ints:
    """Thirty-seconds, rounded down."""
    return np.asarray(part) * 32 // np.maximum(whole, 1)


def lead_words(text: str) -> list[str]:
    """What a block begins with, in lower case and cut at spaces, and what a longer one ends with after ``$``."""
    words = text[:80].lower().split()[:LEAD_WORDS]
    if len(text) > LONG:
        words += ["$" + word for word in text[-24:].lower().split()[-1:]]
    return words


def features(page: Page, leads: list[list[str]]) -> tuple[npt.NDArray[np.float32], Ints, Surroundings]:
    """Of a page with ``n`` blocks: numbers ``[n, f]``, the numbers of tags around each ``[n, LEVELS]``, surroundings.

    ``leads`` are the ``lead_words`` of each block. Numbers are whole and lie between 0 and 64.
    """
    n = len(page.texts)
    lengths = np.fromiter(map(len, page.texts), np.int64, n)
    linked = np.minimum(page.linked, lengths)
    text, words = _of_text(page, lengths, linked)
    title = set(page.title.lower().split())
    known = [len(title.intersection(lead)) for lead in leads]
    counts = Counter(page.texts)
    repeated = [_YES * (counts[text] > 1) for text in page.texts]
    prose = lengths * (page.tags[page.element] == TAGS["p"])
    weights = _Weights(*map(running, (lengths, linked, prose, lengths - linked > LONG)))
    ancestors = _ancestors(page)
    around = Surroundings(ancestors, *_extents(page), words)
    numbers = [
        *text,
        share(known, list(map(len, leads))),
        repeated,
        *_of_place(page, weights),
        *_of_elements(page, around, weights),
        *_of_page(weights, len(page.parents)),
    ]
    return np.array(numbers, np.float32).T, np.append(page.tags, 0)[ancestors], around


class _Weights(NamedTuple):
    """Running sums over blocks ``[n + 1]``: characters, those in links, those in paragraphs, long blocks."""

    length: Ints
    linked: Ints
    prose: Ints
    long: Ints


def _of_text(page: Page, lengths: Ints, linked: Ints) -> tuple[list[Ints], Ints]:
    """What a block's characters tell, and its number of words."""
    starts = running(lengths[:-1] + 1)
    codes = np.frombuffer(("\n".join(page.texts) + "\n").encode("utf-32-le", "replace"), np.uint32)
    places = np.minimum(codes, len(_CLASSES) - 1)
    letters = _CLASSES.take(places) & _LETTER
    words = np.add.reduceat((letters > np.concatenate([[0], letters[:-1]])).astype(np.int64), starts)
    digits, upper, marks, ideographs, commas, stops, dividers, breaks, signs = (
        sums >> bit & _LANE
        for table in _COUNTERS
        for sums in (np.add.reduceat(table.take(places), starts),)
        for bit in _LANES
    )
    ending, opening = (_CLASSES.take(places[at]) for at in (starts + lengths - 1, starts))
    told = [
        log(lengths),
        log(words),
        share(linked, lengths),
        share(np.minimum(page.bold, lengths), lengths),
        *(share(part, lengths) for part in (digits, upper, marks, ideographs)),
        *(log(count) for count in (commas, stops, dividers, breaks)),
        *(_YES * (has != 0) for has in (ending & _STOP, ending & _COLON, opening & _UPPER, signs)),
        np.minimum(lengths // np.maximum(words, 1), 32),
    ]
    return told, words


def _of_place(page: Page, weights: _Weights) -> list[Ints]:
    """How much of the page comes before a block, and how deep it stands."""
    before = np.arange(len(page.texts))
    return [
        share(before, len(before)),
        share(weights.length[:-1], weights.length[-1]),
        share(weights.long[:-1], weights.long[-1]),
        np.minimum(page.depths[page.element], 40),
    ]


def _of_elements(page: Page, around: Surroundings, weights: _Weights) -> list[Ints]:
    """What each of the elements around a block holds, and where in it the block stands."""
    first, last = around.first, around.last
    held = last - first
    length, linked, prose, long = (sums[last] - sums[first] for sums in weights)
    told = (
        log(length),
        share(linked, length),
        share(prose, length),
        log(held),
        share(length, weights.length[-1]),
        log(long),
        share(long, held),
        log(_siblings(page)),
    )
    beyond = np.zeros((len(told), 1), np.int64)
    of_element = np.concatenate([np.stack(told), beyond], 1)[:, around.ancestors.T]
    outside = around.ancestors.T < 0
    place = np.arange(len(page.texts)) - first[around.ancestors.T]
    return [*of_element.reshape(-1, len(page.texts)), *np.where(outside, 0, share(place, held[around.ancestors.T]))]


def _of_page(weights: _Weights, elements: int) -> list[Ints]:
    """What the page holds, the same for each block."""
    n = len(weights.length) - 1
    length, linked, prose, long = (sums[-1] for sums in weights)
    told = (log(length), share(linked, length), share(prose, length), log(n), log(long), share(long, n), log(elements))
    return [np.full(n, value) for value in told]


def _ancestors(page: Page) -> Ints:
    """For each block the element it stands in, that one's parent, and so on; -1 beyond the body."""
    levels = [page.element]
    for _ in range(LEVELS - 1):
        levels.append(np.append(page.parents, -1)[levels[-1]])
    return np.stack(levels, 1)


def _extents(page: Page) -> tuple[Ints, Ints]:
    """The blocks of each element: from ``first`` up to ``last``."""
    elements = np.arange(len(page.parents))
    first = np.searchsorted(page.order, elements, side="right")
    blocks = running(np.bincount(page.element, minlength=len(elements)))
    return first, first + blocks[page.ends] - blocks[elements]


def _siblings(page: Page) -> Ints:
    """How many elements of the same tag, itself among them, the parent of each element has."""
    families = page.parents * (len(TAGS) + 1) + page.tags
    _, family, sizes = np.unique(families, return_inverse=True, return_counts=True)
    return np.asarray(sizes[family])


def _class_of(character: str) -> int:
    letter, space = character.isalnum(), character.isspace()
    holds = {
        _LETTER: letter or character == "_",
        _DIGIT: character.isdigit(),
        _UPPER: character.isupper(),
        _COMMA: character in ",，、;；،",
        _STOP: character in ".!?。！？…؟",
        _COLON: character in ":：",
        _MARK: not letter and not space,
        _DIVIDER: character in "|›»•·/>",
        _IDEOGRAPH: "\u2e80" <= character < "\u9fff" or "\uac00" <= character < "\ud7af",
        _SIGN: character in "©®™",
        _BREAK: character == BREAK,
    }
    return sum(kind for kind, held in holds.items() if held)


_CLASSES = np.array([*map(_class_of, map(chr, range(2**16))), _LETTER], np.int16)
"""The kinds of each character of the Basic Multilingual Plane; one entry for all beyond it."""

_LANES = (0, 21, 42)
_LANE = 2**21 - 1
_COUNTERS = [
    sum((_CLASSES & kind != 0).astype(np.int64) << bit for kind, bit in zip(kinds, _LANES, strict=True))
    for kinds in ((_DIGIT, _UPPER, _MARK), (_IDEOGRAPH, _COMMA, _STOP), (_DIVIDER, _BREAK, _SIGN))
]
"""What each character adds to three counters in one number, so that a sum counts three kinds; they wrap at 2^21."""

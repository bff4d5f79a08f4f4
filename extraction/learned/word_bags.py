# cython: annotation_typing=False, boundscheck=False, initializedcheck=False
"""Vocabulary lookups for bags of words, and sums of rows down a tree.

Compiled where there is a C compiler, with the types in ``word_bags.pxd``; otherwise it runs as plain Python.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from gristmill.corpus.arrays import Int32s

Ints = npt.NDArray[np.intp]


def look_up_words(bags: Sequence[Sequence[str]], numbers: Mapping[str, int], found: Ints, counts: Ints) -> int:
    """Writes the numbers of all known words into ``found``, and how many each bag has into ``counts [bags]``.

    Returns how many were found in all. ``found`` must be as long as all bags together.
    """
    at = 0
    for place, bag in enumerate(bags):
        begin = at
        for word in bag:
            number = numbers.get(word, -1)
            if number >= 0:
                found[at] = number
                at += 1
        counts[place] = at - begin
    return at


def add_parent_rows(rows: Int32s, parents: list[int]) -> None:
    """Adds to each row the row of its parent, so that it becomes the sum over itself and its ancestors.

    Parents come before their children.
    """
    for row in range(1, len(parents)):
        parent = parents[row]
        for column in range(rows.shape[1]):
            rows[row, column] += rows[parent, column]

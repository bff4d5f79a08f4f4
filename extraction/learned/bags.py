# cython: annotation_typing=False, boundscheck=False, initializedcheck=False
"""Bags of words, and sums over them.

Where there is a C compiler this very module is compiled (``bags.pxd`` has its types), else it runs as it stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int32]
Ints = npt.NDArray[np.intp]


def look_up(bags: Sequence[Sequence[str]], numbers: Mapping[str, int], found: Ints, counts: Ints) -> int:
    """Puts the numbers of all words that have one into ``found``, and into ``counts [bags]`` how many each bag has.

    Gives their number; ``found`` is as long as all bags together.
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


def pass_down(rows: Rows, parents: list[int]) -> None:
    """Adds to each row that of its parent, which comes before it and has all above it already."""
    for row in range(1, len(parents)):
        parent = parents[row]
        for column in range(rows.shape[1]):
            rows[row, column] += rows[parent, column]

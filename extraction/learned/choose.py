"""Which blocks to keep, from how likely each is main text.

A fixed threshold is right for no page: what counts is the F1 of the page's words, and the best threshold on it is half
the best F1 to be had (Lipton, Elkan and Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1
Measure"). So the likeliest blocks are kept, as many as make the expected F1 greatest: twice the words that are
expected right, over those kept and those expected in all.
"""

from __future__ import annotations

import numpy as np

from gristmill.extraction.learned.bags import Ints
from gristmill.extraction.learned.network import CERTAIN
from gristmill.extraction.learned.page import Page
from gristmill.extraction.learned.tags import TAGS

_CELLS = (TAGS["td"], TAGS["th"])
_P = TAGS["p"]


def whole_rows(probabilities: Ints, words: Ints, page: Page) -> Ints:
    """The probabilities, but for the cells of a table's row its mean over words: a row is kept or cut as a whole.

    Cells that hold further elements stay as they are: such tables are often a page's layout.
    """
    cells = [block for block, element in enumerate(page.element) if page.tags[element] in _CELLS]
    if not cells:
        return probabilities
    _, row = np.unique([page.parents[page.element[cell]] for cell in cells], return_inverse=True)
    weights = words[cells] + 1
    means = np.bincount(row, probabilities[cells] * weights) // np.bincount(row, weights)
    evened = probabilities.copy()
    evened[cells] = means[row]
    return evened


def choose(probabilities: Ints, words: Ints) -> list[int]:
    """The kept blocks' indices in order, for probabilities in ``CERTAIN``-ths and words ``[n]`` of each block."""
    order = np.argsort(-probabilities, kind="stable")
    expected = np.cumsum((probabilities * words)[order])
    if not len(order) or expected[-1] == 0:
        return []
    most = int(np.argmax(expected / (CERTAIN * np.cumsum(words[order]) + expected[-1])))
    return sorted(order[: most + 1].tolist())


def without_holes(kept: list[int], page: Page) -> list[int]:
    """``kept`` with the paragraphs that stand between two kept ones of the same element, unless they are mostly links.

    An article does not go on behind a paragraph that is none of it.
    """
    families: dict[int, list[int]] = {}
    for block, element in enumerate(page.element):
        if page.tags[element] == _P:
            families.setdefault(page.parents[element], []).append(block)
    chosen = set(kept)
    for members in families.values():
        places = [place for place, block in enumerate(members) if block in chosen]
        if places:
            inner = members[places[0] : places[-1]]
            chosen.update(block for block in inner if 2 * page.linked[block] < len(page.texts[block]))
    return sorted(chosen)

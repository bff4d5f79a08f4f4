"""Which blocks to keep, from how likely each is main text.

A fixed threshold is right for no page: what counts is the F1 of the page's words, and the best threshold on it is half
the best F1 to be had (Lipton, Elkan and Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1
Measure"). So the likeliest blocks are kept, as many as make the expected F1 greatest: twice the words that are
expected right, over those kept and those expected in all.
"""

from __future__ import annotations

import numpy as np

from gristmill.transforms.extract.learned.network import CERTAIN
from gristmill.transforms.extract.learned.page import TAGS, Ints, Page

_CELLS = (TAGS["td"], TAGS["th"])


def whole_rows(probabilities: Ints, words: Ints, page: Page) -> Ints:
    """The probabilities, but for the cells of a table's row its mean over words: a row is kept or cut as a whole.

    Cells that hold further elements stay as they are: such tables are often a page's layout.
    """
    cells = np.flatnonzero(np.isin(page.tags[page.element], _CELLS))
    if not len(cells):
        return probabilities
    _, row = np.unique(page.parents[page.element[cells]], return_inverse=True)
    weights = words[cells] + 1
    means = np.bincount(row, probabilities[cells] * weights) // np.bincount(row, weights)
    evened = probabilities.copy()
    evened[cells] = means[row]
    return evened


def choose(probabilities: Ints, words: Ints) -> Ints:
    """The kept blocks' indices in order, for probabilities in ``CERTAIN``-ths and words ``[n]`` of each block."""
    order = np.argsort(-probabilities, kind="stable")
    expected = np.cumsum((probabilities * words)[order])
    if not len(order) or expected[-1] == 0:
        return order[:0]
    most = int(np.argmax(expected / (CERTAIN * np.cumsum(words[order]) + expected[-1])))
    return np.sort(order[: most + 1])


def without_holes(kept: Ints, page: Page) -> Ints:
    """``kept`` with the paragraphs that stand between two kept ones of the same element, unless they are mostly links.

    An article does not go on behind a paragraph that is none of it.
    """
    prose = page.tags[page.element] == TAGS["p"]
    family = np.where(prose, page.parents[page.element], -1)
    chosen = np.zeros(len(page.texts), np.bool_)
    chosen[kept] = True
    for parent in np.unique(family[kept]).tolist():
        if parent >= 0:
            members = np.flatnonzero(family == parent)
            first, last = np.flatnonzero(chosen[members])[[0, -1]].tolist()
            inner = members[first : last + 1]
            chosen[inner] |= 2 * page.linked[inner] < [len(page.texts[block]) for block in inner.tolist()]
    return np.flatnonzero(chosen)

"""Selects the blocks to keep, given the probability that each is main text.

No fixed threshold suits every page: the measure is the F1 of a page's words, and the threshold that maximises it is
half the maximum F1 (Lipton, Elkan and Naryanaswamy 2014, "Optimal Thresholding of Classifiers to Maximize F1 Measure").
So the most probable blocks are kept, as many as maximise the expected F1: twice the expected number of correct words,
divided by the number of words kept plus the expected number of words of main text.
"""

from __future__ import annotations

import numpy as np

from gristmill.extraction.learned.block_network import PROBABILITY_SCALE
from gristmill.extraction.learned.html_blocks import Page
from gristmill.extraction.learned.html_tags import TAGS
from gristmill.extraction.learned.word_bags import Ints

_CELLS = (TAGS["td"], TAGS["th"])
_P = TAGS["p"]


def average_table_rows(probabilities: Ints, words: Ints, page: Page) -> Ints:
    """Replaces the probabilities of the cells of a table row by their mean over words, so that rows are kept whole.

    Cells that contain further elements are unchanged: such tables often only lay out the page.
    """
    cells = [block for block, element in enumerate(page.element) if page.tags[element] in _CELLS]
    if not cells:
        return probabilities
    _, row = np.unique([page.parents[page.element[cell]] for cell in cells], return_inverse=True)
    weights = words[cells] + 1
    means = np.bincount(row, probabilities[cells] * weights) // np.bincount(row, weights)
    averaged = probabilities.copy()
    averaged[cells] = means[row]
    result: Ints = averaged
    return result


def select_blocks(probabilities: Ints, words: Ints) -> list[int]:
    """The indices of the kept blocks in order.

    ``probabilities [n]`` are in units of 1 / ``PROBABILITY_SCALE``, ``words [n]`` are counts.
    """
    order = np.argsort(-probabilities, kind="stable")
    expected = np.cumsum((probabilities * words)[order])
    if not len(order) or expected[-1] == 0:
        return []
    last = int(np.argmax(expected / (PROBABILITY_SCALE * np.cumsum(words[order]) + expected[-1])))
    return sorted(order[: last + 1].tolist())


def fill_gaps(kept: list[int], page: Page) -> list[int]:
    """Adds to ``kept`` the paragraphs between two kept paragraphs of the same parent, unless they are mostly links.

    A paragraph in the middle of an article belongs to the article.
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

"""The network that tells main text from the rest, in whole numbers.

Weights, inputs and activations are integers, held as float32 for speed. Every sum of products stays below 2^24 (the
training script sees to it), where float32 is exact in any order of summation, and all else is element by element. So
the same page gets the same answer on every processor and with every linear-algebra library.

The shape, for ``n`` blocks and hidden width ``h``: each block alone (``alone``), with its neighbours (``near``), with
the means of elements around it (``tree``), with neighbours four blocks away (``wide``), and with maximum and mean over
the page (``page``); of all these one number, which ``odds`` turns into 4096ths.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gristmill.extraction.learned.bags import Ints, Rows, look_up, pass_down
from gristmill.extraction.learned.clues import Clues
from gristmill.extraction.learned.features import LEVELS, Floats, Surroundings

CERTAIN = 4096
"""What a block gets that is surely main text."""

MAX_ACTIVATION = 255
MAX_CLUES = 1023
CLOSE = 3
"""Levels of elements around a block whose clues are seen one by one; further up they are summed."""

MEANS = (1, 2, 3, 4)
"""Levels of elements around a block over whose blocks means are taken."""

NEAR, WIDE = (-2, -1, 0, 1, 2), (-8, -4, 0, 4, 8)


PART = 4096
"""Blocks that a layer sees at a time."""


class Told(NamedTuple):
    """What the network hears of a page of ``n`` blocks and ``m`` elements.

    ``numbers``, ``tags`` and ``where`` come from ``features``; ``parents [m]`` from the page; ``clues`` of elements,
    ``leads`` of blocks and what is known of the ``page`` are words.
    """

    numbers: Floats
    tags: Ints
    where: Surroundings
    parents: list[int]
    clues: Clues
    leads: list[list[str]]
    page: list[str]


class Layer(NamedTuple):
    """``[inputs, outputs]`` and ``[outputs]``; ``scale`` takes sums to activations."""

    weights: Floats
    bias: Floats
    scale: Floats

    @classmethod
    def of(cls, stored: Mapping[str, npt.NDArray[Any]], name: str) -> Layer:
        return cls(*(stored[f"{name}.{field}"].astype(np.float32) for field in cls._fields))

    def __call__(self, inputs: Floats) -> Floats:
        """Activations ``[n, outputs]``, from 0 to ``MAX_ACTIVATION``."""
        sums = self.sums(inputs)
        np.rint(sums, out=sums)
        return np.asarray(np.clip(sums, 0, MAX_ACTIVATION, out=sums))

    def in_parts(self, blocks: int, inputs: Callable[[slice], Floats]) -> Floats:
        """Activations of all blocks, of which ``inputs`` gives those of a part: memory stays within bounds."""
        parts = [slice(start, min(start + PART, blocks)) for start in range(0, blocks, PART)]
        found = [self(inputs(part)) for part in parts]
        return found[0] if len(found) == 1 else np.concatenate(found)

    def sums(self, inputs: Floats) -> Floats:
        """The weighted sums, before they are rounded and cut."""
        sums = inputs @ self.weights
        sums += self.bias
        sums *= self.scale
        return np.asarray(sums)


class Table(NamedTuple):
    """A vocabulary, and a row of numbers for each of its words."""

    words: dict[str, int]
    rows: Rows

    @classmethod
    def of(cls, stored: Mapping[str, npt.NDArray[Any]], name: str) -> Table:
        words = stored[f"{name}.words"].tobytes().decode().split("\n")
        return cls({word: number for number, word in enumerate(words)}, stored[f"{name}.rows"].astype(np.int32))

    def sums(self, bags: list[list[str]]) -> Rows:
        """For each bag the sum of the rows of its words ``[bags, width]``; words that are not known add nothing."""
        found, counts = np.empty(sum(map(len, bags)), np.intp), np.empty(len(bags), np.intp)
        rows = self.rows.take(found[: look_up(bags, self.words, found, counts)], axis=0)
        sums = np.zeros((len(bags), self.rows.shape[1]), np.int32)
        full = np.flatnonzero(counts)
        if len(full):
            sums[full] = np.add.reduceat(rows, np.cumsum(counts[full]) - counts[full], axis=0)
        return sums


class Network(NamedTuple):
    """What a model file holds."""

    low: Floats
    high: Floats
    tags: Ints
    elements: Table
    leads: Table
    pages: Table
    alone: Layer
    near: Layer
    tree: Layer
    wide: Layer
    page: Layer
    join: Layer
    last: Layer
    odds: Ints

    @classmethod
    def load(cls, path: Path) -> Network:
        """The network in an ``.npz`` file of the training script."""
        with np.load(path) as stored:
            return cls(
                low=stored["low"].astype(np.float32),
                high=stored["high"].astype(np.float32),
                tags=stored["tags"].astype(np.int64),
                odds=stored["odds"].astype(np.int64),
                elements=Table.of(stored, "elements"),
                leads=Table.of(stored, "leads"),
                pages=Table.of(stored, "pages"),
                alone=Layer.of(stored, "alone"),
                near=Layer.of(stored, "near"),
                tree=Layer.of(stored, "tree"),
                wide=Layer.of(stored, "wide"),
                page=Layer.of(stored, "page"),
                join=Layer.of(stored, "join"),
                last=Layer.of(stored, "last"),
            )

    def probabilities(self, told: Told) -> Ints:
        """How likely each of ``n`` blocks is main text, in 4096ths ``[n]``."""
        n = len(told.numbers)
        page = _clipped(self.pages.sums([told.page]))
        alone = self.alone.in_parts(n, self._inputs(told, page))
        near = alone + self.near.in_parts(n, lambda part: _shifted(alone, NEAR, part))
        both = near + self.tree.in_parts(n, _means(near, told.where))
        all_seen = both + self.wide.in_parts(n, lambda part: _shifted(both, WIDE, part))
        weights = told.where.words + 1.0
        mean = np.floor(weights @ all_seen / weights.sum())
        whole = self.page(_beside([all_seen.max(0)[None], mean[None], page]))
        joined = self.join.in_parts(n, lambda part: _beside([alone[part], all_seen[part], whole]))
        places = np.rint(self.last.sums(joined)[:, 0]).astype(np.intp) + len(self.odds) // 2
        return np.asarray(self.odds[np.clip(places, 0, len(self.odds) - 1)])

    def _inputs(self, told: Told, page: Rows) -> Callable[[slice], Floats]:
        """Of each block its numbers, the clues of elements around it, its words, those of the page, and tags."""
        own, over = self._of_elements(told)
        leads = _clipped(self.leads.sums(told.leads))

        def inputs(part: slice) -> Floats:
            ancestors, tags = told.where.ancestors[part], told.tags[part]
            return _beside(
                [
                    np.clip(told.numbers[part], self.low, self.high),
                    *(own.take(ancestors[:, level], axis=0) for level in range(CLOSE)),
                    over.take(ancestors[:, CLOSE], axis=0),
                    leads[part],
                    page,
                    self.tags[range(LEVELS), tags].reshape(len(tags), -1),
                ]
            )

        return inputs

    def _of_elements(self, told: Told) -> tuple[Rows, Rows]:
        """The clues of each element, and the sums over it and those around it; the last row is beyond the body."""
        sums = self.elements.sums(told.clues.words)
        own = np.concatenate([sums.take(told.clues.kind, axis=0), sums[:1] * 0])
        over = own.copy()
        pass_down(over, told.parents)
        return _clipped(own), _clipped(over)


def _clipped(values: Rows) -> Rows:
    return np.clip(values, -MAX_CLUES, MAX_CLUES)


def _beside(columns: Sequence[npt.NDArray[Any]]) -> Floats:
    """Columns side by side; a single row stands beside each of the others."""
    n = max(map(len, columns))
    wide = [column if len(column) == n else np.broadcast_to(column, (n, column.shape[1])) for column in columns]
    return np.concatenate(wide, axis=1, dtype=np.float32)


def _shifted(rows: Floats, steps: tuple[int, ...], part: slice) -> Floats:
    """Beside each other the rows at ``steps`` from each block of a part ``[part, len(steps) * h]``; zeros beyond."""
    n, width = rows.shape
    shifted = np.zeros((part.stop - part.start, len(steps) * width), np.float32)
    for place, step in enumerate(steps):
        first, last = max(part.start + step, 0), min(part.stop + step, n)
        if first < last:
            to = slice(first - step - part.start, last - step - part.start)
            shifted[to, place * width : (place + 1) * width] = rows[first:last]
    return shifted


def _means(rows: Floats, where: Surroundings) -> Callable[[slice], Floats]:
    """Of elements around each block of a part, the mean over their blocks, rounded down ``[part, len(MEANS) * h]``."""
    sums = np.zeros((len(rows) + 1, rows.shape[1]))
    np.cumsum(rows, axis=0, out=sums[1:], dtype=np.float64)
    first, last = np.append(where.first, 0), np.append(where.last, 0)  # beyond the body is nothing

    def of_part(part: slice) -> Floats:
        around = where.ancestors[part, MEANS]
        needed = np.zeros(len(first), np.bool_)
        needed[around] = True
        begin, end = first[needed], last[needed]
        found = np.floor((sums[end] - sums[begin]) / np.maximum(end - begin, 1)[:, None])
        places = (np.cumsum(needed) - 1).take(around)
        means: Floats = found.astype(np.float32).take(places, axis=0).reshape(len(around), -1)
        return means

    return of_part

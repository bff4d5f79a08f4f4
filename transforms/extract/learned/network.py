"""The network that tells main text from the rest, in whole numbers.

Weights, inputs and activations are integers, held as float32 for speed. Every sum of products stays below 2^24 (the
training script sees to it), where float32 is exact in any order of summation, and all else is element by element. So
the same page gets the same answer on every processor and with every linear-algebra library.

The shape, for ``n`` blocks and hidden width ``h``: each block alone (``alone``), with its neighbours (``near``), with
the means of elements around it (``tree``), with neighbours four blocks away (``wide``), and with maximum and mean over
the page (``page``); of all these one number, which ``odds`` turns into 4096ths.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, repeat
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gristmill.transforms.extract.learned.features import Surroundings
from gristmill.transforms.extract.learned.page import Ints, running

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int32]

CERTAIN = 4096
"""What a block gets that is surely main text."""

MAX_ACTIVATION = 255
_UNKNOWN = 0
MAX_CLUES = 1023
CLOSE = 3
"""Levels of elements around a block whose clues are seen one by one; further up they are summed."""

MEANS = (1, 2, 4)
"""Levels of elements around a block over whose blocks means are taken."""

NEAR, WIDE = (-1, 0, 1), (-4, 0, 4)


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
        return np.asarray(np.clip(np.rint(self.sums(inputs)), 0, MAX_ACTIVATION))

    def sums(self, inputs: Floats) -> Floats:
        """The weighted sums, before they are rounded and cut."""
        sums = inputs @ self.weights
        sums += self.bias
        sums *= self.scale
        return np.asarray(sums)


class Table(NamedTuple):
    """A vocabulary, and a row of numbers for each of its words; the first is for words that are not in it."""

    words: Mapping[str, int]
    rows: Rows

    @classmethod
    def of(cls, stored: Mapping[str, npt.NDArray[Any]], name: str) -> Table:
        words = stored[f"{name}.words"].tobytes().decode().split("\n")
        rows = stored[f"{name}.rows"].astype(np.int32)
        return cls({word: number for number, word in enumerate(words, 1)}, np.concatenate([rows[:1] * 0, rows]))

    def sums(self, bags: Collection[Sequence[str]]) -> Rows:
        """For each bag of words the sum of its rows ``[bags, width]``."""
        lengths = np.fromiter(map(len, bags), np.int64, len(bags))
        numbers = np.fromiter(map(self.words.get, chain.from_iterable(bags), repeat(_UNKNOWN)), np.int64, lengths.sum())
        sums = np.zeros((len(bags), self.rows.shape[1]), np.int32)
        full = np.flatnonzero(lengths)
        if len(full):
            sums[full] = np.add.reduceat(self.rows.take(numbers, axis=0), running(lengths[full])[:-1], axis=0)
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

    def probabilities(
        self,
        numbers: Floats,
        around: Ints,
        where: Surroundings,
        ends: Ints,
        clues: Sequence[tuple[str, ...]],
        leads: Sequence[Sequence[str]],
        kind: Sequence[str],
    ) -> Ints:
        """How likely each of ``n`` blocks is main text, in 4096ths ``[n]``.

        ``numbers``, ``around`` and ``where`` come from ``features``, ``ends`` from the page; ``clues`` of each element,
        ``leads`` of each block and ``kind`` of the page are words.
        """
        page = _clipped(self.pages.sums([kind]))
        inputs = np.concatenate(
            [
                np.clip(numbers, self.low, self.high),
                *self._of_elements(where.ancestors, ends, clues),
                _clipped(self.leads.sums(leads)),
                np.broadcast_to(page, (len(numbers), page.shape[1])),
                *(self.tags[level][tags] for level, tags in enumerate(around.T)),
            ],
            axis=1,
            dtype=np.float32,
        )
        alone = self.alone(inputs)
        near = alone + self.near(_shifted(alone, NEAR))
        tree = self.tree(_means(near, where))
        both = near + tree
        all_seen = both + self.wide(_shifted(both, WIDE))
        weight = where.words + 1
        mean = weight @ all_seen.astype(np.int64) // weight.sum()
        whole = self.page(np.concatenate([all_seen.max(0), mean, page[0]], dtype=np.float32)[None])
        joined = self.join(
            np.concatenate([alone, all_seen, np.broadcast_to(whole, alone.shape)], axis=1, dtype=np.float32)
        )
        places = np.clip(
            np.rint(self.last.sums(joined)[:, 0]).astype(np.int64) + len(self.odds) // 2, 0, len(self.odds) - 1
        )
        return np.asarray(self.odds[places])

    def _of_elements(self, ancestors: Ints, ends: Ints, clues: Sequence[tuple[str, ...]]) -> list[Rows]:
        """The clues of the nearest elements around each block, and the sum over those further up."""
        kinds: dict[tuple[str, ...], int] = {}
        kind = [kinds.setdefault(bag, len(kinds)) for bag in clues]
        sums = self.elements.sums(kinds).T
        own = np.zeros((len(sums), len(kind) + 1), np.int32)  # the last is beyond the body
        own[:, :-1] = sums.take(kind, axis=1)
        order = np.argsort(ends, kind="stable")
        done = np.searchsorted(ends[order], np.arange(len(ends)), side="right")
        over = np.zeros_like(own)
        over[:, :-1] = _running(own)[:, 1:-1] - _running(own.take(order, axis=1)).take(done, axis=1)
        near = _clipped(own)
        around = [near.take(ancestors[:, level], axis=1).T for level in range(CLOSE)]
        return [*around, _clipped(over).take(ancestors[:, CLOSE], axis=1).T]


def _running(rows: Rows) -> Rows:
    """Of each row, 0 and the sums up to each value."""
    sums = np.zeros((len(rows), rows.shape[1] + 1), np.int32)
    np.cumsum(rows, axis=1, out=sums[:, 1:])
    return sums


def _clipped(values: Rows) -> Rows:
    return np.clip(values, -MAX_CLUES, MAX_CLUES)


def _shifted(rows: Floats, steps: tuple[int, ...]) -> Floats:
    """Each block's row beside those of its neighbours at ``steps`` ``[n, len(steps) * h]``; zeros beyond the page."""
    margin = np.zeros((max(steps), rows.shape[1]), np.float32)
    padded = np.concatenate([margin, rows, margin])
    return np.concatenate([padded[len(margin) + step :][: len(rows)] for step in steps], axis=1)


def _means(rows: Floats, where: Surroundings) -> Floats:
    """Of elements around each block, the mean over their blocks, rounded down ``[n, len(MEANS) * h]``."""
    sums = np.zeros((len(rows) + 1, rows.shape[1]))
    np.cumsum(rows, axis=0, out=sums[1:], dtype=np.float64)
    elements, places = np.unique(where.ancestors[:, MEANS], return_inverse=True)
    first, last = (bound[elements] * (elements >= 0) for bound in (where.first, where.last))
    means: Floats = np.floor((sums[last] - sums[first]) / np.maximum(last - first, 1)[:, None]).astype(np.float32)
    return np.asarray(means[places.reshape(len(rows), -1)].reshape(len(rows), -1))

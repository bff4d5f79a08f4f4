"""The neural network that separates main text from boilerplate, in integer arithmetic.

Weights, inputs and activations are integers, stored as float32 for speed. Every sum of products stays below 2^24 (the
training script ensures this), where float32 is exact in any order of summation; everything else is element-wise. So the
result for a page is the same on every processor and with every linear-algebra library.

Layers, for ``n`` blocks and hidden width ``h``: each block alone (``alone``), with its neighbours (``near``), with the
means over the elements around it (``tree``), with neighbours four and eight blocks away (``wide``), and with the
maximum and mean over the page (``page``). They are joined into one number per block, which ``odds`` maps to a
probability.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from gristmill.corpus.arrays import Float32s, Int32s
from gristmill.extraction.learned.block_features import LEVELS, BlockContext
from gristmill.extraction.learned.markup_words import ElementWords
from gristmill.extraction.learned.word_bags import Ints, add_parent_rows, look_up_words

PROBABILITY_SCALE = 4096
"""The integer that stands for a probability of 1."""

MAX_ACTIVATION = 255
MAX_WORD_SUM = 1023
WORD_LEVELS = 3
"""How many elements around a block have their words as separate inputs; those of elements further up are summed."""

MEAN_LEVELS = (1, 2, 3, 4)
"""Levels of the elements around a block over whose blocks the layer ``tree`` takes means."""

NEAR_OFFSETS, WIDE_OFFSETS = (-2, -1, 0, 1, 2), (-8, -4, 0, 4, 8)
"""Positions, relative to a block, of the blocks that the layers ``near`` and ``wide`` see."""

CHUNK = 4096
"""Blocks that a layer computes at a time, which bounds memory."""


class PageFeatures(NamedTuple):
    """The network's input for a page of ``n`` blocks and ``m`` elements.

    numbers, tags, context: From ``compute_features``.
    parents: The parent of each element ``[m]``.
    element_words, leads, page_words: Words of the elements, the first words of the blocks, and words of the page.
    """

    numbers: Float32s
    tags: Ints
    context: BlockContext
    parents: list[int]
    element_words: ElementWords
    leads: list[list[str]]
    page_words: list[str]


class Layer(NamedTuple):
    """A dense layer: weights ``[inputs, outputs]``, bias ``[outputs]``, and the scale from sums to activations."""

    weights: Float32s
    bias: Float32s
    scale: Float32s

    @classmethod
    def load(cls, stored: Mapping[str, npt.NDArray[Any]], name: str) -> Layer:
        return cls(*(stored[f"{name}.{field}"].astype(np.float32) for field in cls._fields))

    def __call__(self, inputs: Float32s) -> Float32s:
        """Activations ``[n, outputs]``, from 0 to ``MAX_ACTIVATION``."""
        sums = self.sums(inputs)
        np.rint(sums, out=sums)
        return np.asarray(np.clip(sums, 0, MAX_ACTIVATION, out=sums))

    def in_chunks(self, blocks: int, inputs: Callable[[slice], Float32s]) -> Float32s:
        """Activations of all blocks, computed in chunks; ``inputs`` returns the inputs of the blocks in a slice."""
        chunks = [slice(start, min(start + CHUNK, blocks)) for start in range(0, blocks, CHUNK)]
        activations = [self(inputs(chunk)) for chunk in chunks]
        return activations[0] if len(activations) == 1 else np.concatenate(activations)

    def sums(self, inputs: Float32s) -> Float32s:
        """The scaled sums, before they are rounded and clipped."""
        sums = inputs @ self.weights
        sums += self.bias
        sums *= self.scale
        return np.asarray(sums)


class EmbeddingTable(NamedTuple):
    """A vocabulary and the embedding of each of its words."""

    words: dict[str, int]
    rows: Int32s

    @classmethod
    def load(cls, stored: Mapping[str, npt.NDArray[Any]], name: str) -> EmbeddingTable:
        words = stored[f"{name}.words"].tobytes().decode().split("\n")
        return cls({word: number for number, word in enumerate(words)}, stored[f"{name}.rows"].astype(np.int32))

    def sums(self, bags: list[list[str]]) -> Int32s:
        """The sum of the embeddings of each bag's words ``[bags, width]``; unknown words count as zero."""
        found, counts = np.empty(sum(map(len, bags)), np.intp), np.empty(len(bags), np.intp)
        rows = self.rows.take(found[: look_up_words(bags, self.words, found, counts)], axis=0)
        sums = np.zeros((len(bags), self.rows.shape[1]), np.int32)
        full = np.flatnonzero(counts)
        if len(full):
            sums[full] = np.add.reduceat(rows, np.cumsum(counts[full]) - counts[full], axis=0)
        return sums


class Network(NamedTuple):
    """The contents of a model file."""

    low: Float32s
    high: Float32s
    tags: Ints
    elements: EmbeddingTable
    leads: EmbeddingTable
    pages: EmbeddingTable
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
        """Reads an ``.npz`` file written by the training script."""
        with np.load(path) as stored:
            return cls(
                low=stored["low"].astype(np.float32),
                high=stored["high"].astype(np.float32),
                tags=stored["tags"].astype(np.int64),
                odds=stored["odds"].astype(np.int64),
                elements=EmbeddingTable.load(stored, "elements"),
                leads=EmbeddingTable.load(stored, "leads"),
                pages=EmbeddingTable.load(stored, "pages"),
                alone=Layer.load(stored, "alone"),
                near=Layer.load(stored, "near"),
                tree=Layer.load(stored, "tree"),
                wide=Layer.load(stored, "wide"),
                page=Layer.load(stored, "page"),
                join=Layer.load(stored, "join"),
                last=Layer.load(stored, "last"),
            )

    def probabilities(self, features: PageFeatures) -> Ints:
        """The probability that each block is main text, in units of 1 / ``PROBABILITY_SCALE``: ``[n]``."""
        n = len(features.numbers)
        page = _clip(self.pages.sums([features.page_words]))
        alone = self.alone.in_chunks(n, self._inputs(features, page))
        near = alone + self.near.in_chunks(n, lambda chunk: _shifted(alone, NEAR_OFFSETS, chunk))
        both = near + self.tree.in_chunks(n, _means(near, features.context))
        all_seen = both + self.wide.in_chunks(n, lambda chunk: _shifted(both, WIDE_OFFSETS, chunk))
        weights = features.context.words + 1.0
        mean = np.floor(weights @ all_seen / weights.sum())
        page_activations = self.page(_concatenate([all_seen.max(0)[None], mean[None], page]))
        joined = self.join.in_chunks(n, lambda chunk: _concatenate([alone[chunk], all_seen[chunk], page_activations]))
        places = np.rint(self.last.sums(joined)[:, 0]).astype(np.intp) + len(self.odds) // 2
        return np.asarray(self.odds[np.clip(places, 0, len(self.odds) - 1)])

    def _inputs(self, features: PageFeatures, page: Int32s) -> Callable[[slice], Float32s]:
        """The inputs of ``alone``: features, words of the elements around, first words, words of the page, and tags."""
        own, inherited = self._element_inputs(features)
        leads = _clip(self.leads.sums(features.leads))

        def inputs(chunk: slice) -> Float32s:
            ancestors, tags = features.context.ancestors[chunk], features.tags[chunk]
            return _concatenate(
                [
                    np.clip(features.numbers[chunk], self.low, self.high),
                    *(own.take(ancestors[:, level], axis=0) for level in range(WORD_LEVELS)),
                    inherited.take(ancestors[:, WORD_LEVELS], axis=0),
                    leads[chunk],
                    page,
                    self.tags[range(LEVELS), tags].reshape(len(tags), -1),
                ]
            )

        return inputs

    def _element_inputs(self, features: PageFeatures) -> tuple[Int32s, Int32s]:
        """Word sums of each element, and over it and its ancestors; the last row, of no element, is zero."""
        sums = self.elements.sums(features.element_words.words)
        own = np.concatenate([sums.take(features.element_words.group, axis=0), sums[:1] * 0])
        inherited = own.copy()
        add_parent_rows(inherited, features.parents)
        return _clip(own), _clip(inherited)


def _clip(values: Int32s) -> Int32s:
    return np.clip(values, -MAX_WORD_SUM, MAX_WORD_SUM)


def _concatenate(columns: Sequence[npt.NDArray[Any]]) -> Float32s:
    """Concatenates columns; a single row is repeated for every block."""
    n = max(map(len, columns))
    wide = [column if len(column) == n else np.broadcast_to(column, (n, column.shape[1])) for column in columns]
    return np.concatenate(wide, axis=1, dtype=np.float32)


def _shifted(rows: Float32s, steps: tuple[int, ...], chunk: slice) -> Float32s:
    """The rows at ``steps`` from each block of a chunk, ``[chunk, len(steps) * h]``; zeros past the ends."""
    n, width = rows.shape
    shifted = np.zeros((chunk.stop - chunk.start, len(steps) * width), np.float32)
    for place, step in enumerate(steps):
        first, last = max(chunk.start + step, 0), min(chunk.stop + step, n)
        if first < last:
            to = slice(first - step - chunk.start, last - step - chunk.start)
            shifted[to, place * width : (place + 1) * width] = rows[first:last]
    return shifted


def _means(rows: Float32s, context: BlockContext) -> Callable[[slice], Float32s]:
    """The means over the blocks of the elements around each block of a chunk, rounded down.

    Returns a function from a chunk to ``[chunk, len(MEAN_LEVELS) * h]``.
    """
    sums = np.zeros((len(rows) + 1, rows.shape[1]))
    np.cumsum(rows, axis=0, out=sums[1:], dtype=np.float64)
    first, last = np.append(context.first, 0), np.append(context.last, 0)  # no element: no blocks

    def of_chunk(chunk: slice) -> Float32s:
        around = context.ancestors[chunk, MEAN_LEVELS]
        needed = np.zeros(len(first), np.bool_)
        needed[around] = True
        begin, end = first[needed], last[needed]
        element_means = np.floor((sums[end] - sums[begin]) / np.maximum(end - begin, 1)[:, None])
        places = (np.cumsum(needed) - 1).take(around)
        means: Float32s = element_means.astype(np.float32).take(places, axis=0).reshape(len(around), -1)
        return means

    return of_chunk

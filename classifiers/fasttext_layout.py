"""Checks that the parts of a fastText model agree, which fastText itself does not: it uses sizes and indices as read.

With a bucket count of zero or a row number beyond a matrix, ``predict`` ends the process on some texts and not on
others, so loading a model and predicting once does not show it. The layout is that of ``FastText::saveModel`` in
fastText 0.9.2: arguments, dictionary, input matrix, output matrix; a ``.ftz`` has product-quantized matrices.
"""

from __future__ import annotations

import struct
from mmap import ACCESS_READ, mmap
from typing import Any

import numpy as np

_MAGIC, _VERSIONS = 793712314, (11, 12)
_SUPERVISED, _LOSSES = 3, (1, 2, 3, 4)
_CENTROIDS = 256
_CHUNK = 1 << 20

MAX_DIMENSION = 1 << 16
MAX_NGRAM = 64
"""Words, or characters of a word, that are combined; fastText's work per text is proportional to it."""
MAX_COUNT = 10**15
"""What the counts of all labels add up to at most; hierarchical softmax uses it as infinity."""
MAX_WEIGHT = 1e9


def check_layout(path: str) -> None:
    """Raise ValueError unless the file at ``path`` is a fastText classifier whose parts agree."""
    with open(path, "rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        try:
            _check(_Reader(data))
        except struct.error:
            raise ValueError("it is truncated") from None


class _Reader:
    """Reads a file from the start to the end."""

    def __init__(self, data: mmap) -> None:
        self.data = data
        self.place = 0

    def values(self, layout: str) -> tuple[Any, ...]:
        """The next values, little-endian. Raises struct.error at the end of the file."""
        found = struct.unpack_from(f"<{layout}", self.data, self.place)
        self.place += struct.calcsize(f"<{layout}")
        return found

    def skip(self, size: int) -> int:
        """Where the next ``size`` bytes begin."""
        start = self.place
        _require(0 <= size <= len(self.data) - start, "it is truncated")
        self.place += size
        return start

    def check_weights(self, count: int) -> None:
        """Read the next numbers, which must be finite and not huge."""
        start = self.skip(4 * count)
        for first in range(0, count, _CHUNK):
            weights = np.frombuffer(self.data[start + 4 * first : start + 4 * min(count, first + _CHUNK)], "<f4")
            _require(bool((np.abs(weights) <= MAX_WEIGHT).all()), "a weight is not a usable number")


def _check(reader: _Reader) -> None:
    magic, version = reader.values("ii")
    _require(magic == _MAGIC and version in _VERSIONS, "it is not a fastText model")
    dimension, *_, word_ngrams, loss, kind, buckets, shortest, longest, _, _ = reader.values("12id")
    _require(kind == _SUPERVISED, "it has word vectors and no classifier")
    longest = 0 if version == 11 else longest
    _require(0 < dimension <= MAX_DIMENSION and loss in _LOSSES, "its dimension or loss is unknown")
    _require(0 < word_ngrams <= MAX_NGRAM, "its word n-grams are out of range")
    _require(0 <= shortest <= MAX_NGRAM and 0 <= longest <= MAX_NGRAM, "its character n-grams are out of range")
    _require(buckets > 0 or (buckets == 0 and word_ngrams == 1 and longest == 0), "it has n-grams without buckets")
    entries, words, labels, _, pruned = reader.values("iiiqq")
    _require(words >= 0 and labels > 0 and entries == words + labels, "its dictionary has no labels")
    _check_entries(reader, words, labels)
    ngrams = buckets if word_ngrams > 1 or longest > 0 else 0
    if pruned >= 0:
        start = reader.skip(8 * pruned)
        ngrams = 1 + max((row for _, row in struct.iter_unpack("<ii", reader.data[start : reader.place])), default=-1)
        rows = (row for _, row in struct.iter_unpack("<ii", reader.data[start : reader.place]))
        _require(min(rows, default=0) >= 0, "its n-grams are out of range")
    quantized = _flag(reader)
    _require(quantized or pruned < 0, "it is pruned but not quantized")
    _check_matrix(reader, quantized, words + ngrams, dimension, "input")
    _check_matrix(reader, _flag(reader) and quantized, labels, dimension, "output")
    _require(reader.place == len(reader.data), "it is longer than its parts")


def _check_entries(reader: _Reader, words: int, labels: int) -> None:
    """The words of the dictionary, then the labels: name, count and type."""
    total = 0
    for number in range(words + labels):
        end = reader.data.find(b"\0", reader.place)
        _require(end >= 0, "it is truncated")
        reader.place = end + 1
        count, kind = reader.values("qb")
        _require(kind == (number >= words), "its words and labels are mixed")
        if kind:
            total += count
            _require(count >= 0 and total < MAX_COUNT, "the counts of its labels are out of range")


def _check_matrix(reader: _Reader, quantized: bool, least_rows: int, dimension: int, name: str) -> None:
    fault = f"the size of its {name} matrix does not fit"
    if not quantized:
        rows, columns = reader.values("qq")
        _require(rows >= least_rows and columns == dimension, fault)
        reader.check_weights(rows * columns)
        return
    with_norms = _flag(reader)
    rows, columns, codes = reader.values("qqi")
    _require(rows >= least_rows and columns == dimension, fault)
    reader.skip(codes)
    parts = _check_quantizer(reader, dimension, fault)
    _require(codes == rows * parts, fault)
    if with_norms:
        reader.skip(rows)
        _check_quantizer(reader, 1, fault)


def _check_quantizer(reader: _Reader, dimension: int, fault: str) -> int:
    """The number of parts that a vector is divided into."""
    parts: int
    found, parts, size, last = reader.values("4i")
    _require(found == dimension and size > 0 and parts == -(-dimension // size), fault)
    _require(last == (dimension % size or size), fault)
    reader.check_weights(dimension * _CENTROIDS)
    return parts


def _flag(reader: _Reader) -> bool:
    (flag,) = reader.values("B")
    _require(flag in (0, 1), "a flag is neither 0 nor 1")
    return bool(flag)


def _require(holds: bool, fault: str) -> None:
    if not holds:
        raise ValueError(fault)

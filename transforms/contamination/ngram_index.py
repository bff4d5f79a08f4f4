"""The n-grams of test sets, and where texts have them.

As in GPT-3 (Brown et al. 2020, appendix C), what tells is an n-gram of 13 words that an item and a document share. An
item's text is its fields joined, so n-grams across fields find copies that keep the layout, and those inside a field
find the others. ``gather.py`` says which n-grams are looked for; this is the index of them, and the look-up.

A look-up is made of whole arrays, for many texts at a time. Two bitmaps of the hashes of the first ``anchor`` words of
all that is looked for, as many as the shortest has, send most places home; a binary search settles the rest. What it
finds is compared word by word, and followed to both sides as far as words agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.corpus.arrays import Bools, Int32s, Int64s, UInt8s, UInt64s
from gristmill.corpus.words import UNICODE_VERSION, hashes_of_texts, shingle_hashes, shingle_hashes_at
from gristmill.errors import RunError

_ABOUT = "gristmill.ngrams"
_FILTER_BITS = 24
_SHIFT = np.uint64(64 - _FILTER_BITS)
_BATCH_CHARACTERS = 2**20


class BenchmarkCounts(NamedTuple):
    """A test set's items: all, those too short to be looked for, and those that have nothing of their own."""

    name: str
    items: int
    short: int
    frames_only: int


class Sequences(NamedTuple):
    """Test items as words, one after the other.

    ``words``: uint64 [words], their hashes. ``starts``: int64 [sequences + 1], where in it each sequence begins.
    ``items``: int64 [sequences], which item it is of, counted through all test sets. ``questions``: int64 [sequences],
    how many of its words are the question, 0 where that is too short to be looked for.
    """

    words: UInt64s
    starts: Int64s
    items: Int64s
    questions: Int64s

    def at(self, places: NDArray[np.integer[Any]]) -> Int64s:
        """Which sequence each word is of: int64 [places]."""
        return np.searchsorted(self.starts, places, "right") - 1


class Ngrams(NamedTuple):
    """What is looked for: ``hashes``: uint64 [n-grams], sorted; ``places``: int32 [n-grams], where in
    ``Sequences.words`` it begins; ``sizes``: uint8 [n-grams], how many words it has: n, or fewer if it is all that an
    item or its question has. An n-gram stands once for each item that has it.
    """

    hashes: UInt64s
    places: Int32s
    sizes: UInt8s

    def take(self, chosen: Bools) -> Ngrams:
        return Ngrams(self.hashes[chosen], self.places[chosen], self.sizes[chosen])


class Run(NamedTuple):
    """Words ``start`` to ``end`` of a text are those of a sequence of the index from its word ``at`` on."""

    start: int
    end: int
    sequence: int
    at: int


_NOWHERE = np.empty(0, np.int64)
_NO_RUN = Run(0, 0, -1, 0)


class NgramIndex:
    """The n-grams of test sets, of ``n`` words where they are long enough, with the sequences that they stand in.

    ``literals`` are the texts of formulas, which their words alone do not tell. ``bits`` has the sizes that are looked
    for and the bit of each in the filter; from the ninth on they share them.
    """

    def __init__(
        self,
        n: int,
        counts: list[BenchmarkCounts],
        sequences: Sequences,
        ngrams: Ngrams,
        literals: Mapping[int, str] | None = None,
    ) -> None:
        self.n, self.counts, self.literals = n, counts, literals or {}
        self.sequences, self.ngrams = sequences, ngrams
        self._first_items = np.cumsum([0, *(one.items for one in counts)])
        sizes = sorted(set(ngrams.sizes.tolist()))
        self.bits = [(size, np.uint8(1 << number % 8)) for number, size in enumerate(sizes)]
        self.anchor = min(sizes, default=n)
        anchors = shingle_hashes_at(sequences.words, ngrams.places, self.anchor)
        self._filter = np.zeros(1 << _FILTER_BITS, np.uint8)
        for size, bit in self.bits:
            self._filter[_top_bits(anchors[ngrams.sizes == size])] |= bit
        self._second_filter = np.zeros(1 << _FILTER_BITS, bool)
        self._second_filter[_next_bits(anchors)] = True

    def name(self, item: int) -> tuple[str, int]:
        """An item's test set and its number there."""
        benchmark = int(np.searchsorted(self._first_items, item, "right")) - 1
        return self.counts[benchmark].name, item - int(self._first_items[benchmark])

    def search(self, texts: Sequence[str]) -> list[list[Run]]:
        """The runs of words that each text shares with a sequence, by sequence and place; at least an n-gram each."""
        if not len(self.ngrams.hashes):
            return [[] for _ in texts]
        found: list[list[Run]] = []
        for batch in batches(texts):
            found += _Search(read_words(batch), self).runs()
        return found

    def ngrams_in(self, texts: Sequence[str]) -> Bools:
        """Whether each n-gram is in any of ``texts``: bool [n-grams]."""
        found = np.zeros(len(self.ngrams.hashes), bool)
        for batch in batches(texts):
            found[_Search(read_words(batch), self).shared()[1]] = True
        return found

    def begin(self, anchors: UInt64s) -> tuple[Int64s, UInt8s]:
        """Which of these words something may begin with: their places, and the bits of its sizes: uint8 [places]."""
        flags = self._filter.take(_top_bits(anchors))
        places = np.flatnonzero(flags)
        places = places[self._second_filter.take(_next_bits(anchors[places]))]
        return places, flags[places]

    def to_table(self) -> pa.Table:
        """The index as a table of one row, an array a column; the rest is in the schema's metadata."""
        about = {
            "n": self.n,
            "unicode": UNICODE_VERSION,
            "counts": [list(counts) for counts in self.counts],
            "literals": [*self.literals.items()],
        }
        columns = {**self.sequences._asdict(), **self.ngrams._asdict()}
        table = pa.table({name: _one_row(values) for name, values in columns.items()})
        return table.replace_schema_metadata({_ABOUT: json.dumps(about)})

    @classmethod
    def from_table(cls, table: pa.Table) -> NgramIndex:
        """The index in a table of ``to_table``. Raises RunError where other Unicode tables made its words."""
        about = json.loads(table.schema.metadata[_ABOUT.encode()])
        if about["unicode"] != UNICODE_VERSION:
            raise RunError(
                f"the n-gram index was built with Unicode {about['unicode']} and this worker has {UNICODE_VERSION}: "
                "run the launcher and the workers on the same Python"
            )
        columns = {name: table[name].combine_chunks().flatten().to_numpy() for name in table.column_names}
        sequences = Sequences(*(columns[name] for name in Sequences._fields))
        ngrams = Ngrams(*(columns[name] for name in Ngrams._fields))
        counts = [BenchmarkCounts(*one) for one in about["counts"]]
        return cls(about["n"], counts, sequences, ngrams, dict(about["literals"]))


class Texts(NamedTuple):
    """Texts as one array of words: ``hashes``: uint64 [words]; ``bounds``: int64 [texts + 1], where each begins."""

    hashes: UInt64s
    bounds: Int64s


def read_words(texts: Sequence[str]) -> Texts:
    """The words of texts."""
    encoded = [text.encode(errors="replace") for text in texts]
    ends = [0, *accumulate(map(len, encoded))]
    hashes, counts = hashes_of_texts(np.frombuffer(b"".join(encoded), np.uint8), ends)
    return Texts(hashes, np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))


def batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Texts, as many together as a batch holds; at least one."""
    batch: list[str] = []
    characters = 0
    for text in texts:
        batch.append(text)
        characters += len(text)
        if characters >= _BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


class _Search:
    """The look-up of a batch of texts in an index."""

    def __init__(self, texts: Texts, index: NgramIndex) -> None:
        self.hashes, self.bounds = texts
        self.index = index

    def shared(self) -> tuple[Int64s, Int64s]:
        """Where n-grams of the index are, and which: int64 [found], int64 [found]."""
        anchor = self.index.anchor
        if len(self.hashes) < anchor:
            return _NOWHERE, _NOWHERE
        maybe, flags = self.index.begin(shingle_hashes(self.hashes, anchor))
        ends = self.bounds[np.searchsorted(self.bounds, maybe, "right")]
        found = [self._shared(maybe[(flags & bit > 0) & (maybe + n <= ends)], n) for n, bit in self.index.bits]
        places, ngrams = zip(*found, strict=True)
        return np.concatenate(places), np.concatenate(ngrams)

    def _shared(self, places: Int64s, size: int) -> tuple[Int64s, Int64s]:
        hashes, begins, sizes = self.index.ngrams
        wanted = shingle_hashes_at(self.hashes, places, size)
        first = np.searchsorted(hashes, wanted)
        there = hashes.take(first, mode="clip") == wanted
        places, wanted, first = places[there], wanted[there], first[there]
        if not len(places):
            return _NOWHERE, _NOWHERE
        items = np.searchsorted(hashes, wanted, "right") - first
        ngrams = np.repeat(first - (np.cumsum(items) - items), items) + np.arange(items.sum())
        places = np.repeat(places, items)
        words = np.arange(size)
        ours = self.hashes.take(places[:, None] + words)
        theirs = self.index.sequences.words.take(begins.take(ngrams)[:, None] + words, mode="clip")
        same = (sizes.take(ngrams) == size) & (ours == theirs).all(axis=1)
        return places[same], ngrams[same]

    def runs(self) -> list[list[Run]]:
        """For each text its runs."""
        found: list[list[Run]] = [[] for _ in self.bounds[1:]]
        places, ngrams = self.shared()
        inside = self.index.ngrams.places[ngrams]
        sequences = self.index.sequences.at(inside)
        texts = np.searchsorted(self.bounds, places, "right") - 1
        order = np.lexsort((places, places - inside, sequences, texts))
        columns = (texts, places - self.bounds[texts], sequences, inside - self.index.sequences.starts[sequences])
        for text, place, sequence, at in zip(*(column[order].tolist() for column in columns), strict=True):
            last = found[text][-1] if found[text] else _NO_RUN
            same = last.sequence == sequence and last.start - last.at == place - at
            if not (same and place < last.end):
                found[text].append(self._followed(text, place, sequence, at))
        return found

    def _followed(self, text: int, place: int, sequence: int, at: int) -> Run:
        """The run through a word of a text and a word of a sequence, as long as words agree."""
        words, starts, *_ = self.index.sequences
        ours = self.hashes[self.bounds[text] : self.bounds[text + 1]]
        theirs = words[starts[sequence] : starts[sequence + 1]]
        before = _agreeing(ours[:place][::-1], theirs[:at][::-1])
        return Run(place - before, place + _agreeing(ours[place:], theirs[at:]), sequence, at - before)


def _agreeing(left: UInt64s, right: UInt64s) -> int:
    """How many first words are the same."""
    size = min(len(left), len(right))
    other = left[:size] != right[:size]
    return int(other.argmax()) if other.any() else size


def _one_row(values: NDArray[np.generic]) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), pa.array(values))


def _top_bits(hashes: UInt64s) -> Int64s:
    return (hashes >> _SHIFT).view(np.int64)


def _next_bits(hashes: UInt64s) -> Int64s:
    return _top_bits(hashes << np.uint64(_FILTER_BITS))

"""The index of the n-grams of test sets, and the search for them in texts.

As in GPT-3 (Brown et al. 2020, appendix C), an n-gram of 13 words that an item and a document share is evidence of
contamination. The text of an item is its fields joined, so n-grams across fields find copies in the same layout, and
n-grams inside a field find other copies. ``build_ngram_index`` selects the n-grams to search for.

The search works on whole arrays, for many texts at a time. Two bitmaps of the hashes of the first ``anchor`` words of
all n-grams (as many words as the shortest n-gram has) reject most positions; a binary search decides about the rest.
Each candidate is compared word by word, and extended in both directions as long as the words agree.
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
from gristmill.corpus.character_tables import UNICODE_VERSION
from gristmill.corpus.multilinear_hash import shingle_hashes, shingle_hashes_at
from gristmill.corpus.words import hashes_of_texts
from gristmill.errors import RunError
from gristmill.store import storage

_METADATA_KEY = "gristmill.ngrams"
_FILTER_BITS = 24
_SHIFT = np.uint64(64 - _FILTER_BITS)
_BATCH_CHARACTERS = 2**20


class BenchmarkCounts(NamedTuple):
    """The number of items of a test set, of those too short to search for, and of those without n-grams of their own.

    Items of the last kind consist of ignored n-grams only (``frames_only``), such as question templates.
    """

    name: str
    items: int
    short: int
    frames_only: int


class WordSequences(NamedTuple):
    """The words of test items, concatenated. An item has one or two sequences.

    Attributes:
        words: Hashes of the words: uint64 [words].
        starts: Where each sequence starts in ``words``: int64 [sequences + 1].
        items: The item of each sequence, numbered across all test sets: int64 [sequences].
        questions: The number of words of the question at the start of the sequence, or 0 if it is too short to search
            for: int64 [sequences].
    """

    words: UInt64s
    starts: Int64s
    items: Int64s
    questions: Int64s

    def containing(self, places: NDArray[np.integer[Any]]) -> Int64s:
        """Return the sequence of each word: int64 [places]."""
        return np.searchsorted(self.starts, places, "right") - 1


class Ngrams(NamedTuple):
    """The n-grams to search for; an n-gram is listed once for each item that has it.

    Attributes:
        hashes: Sorted: uint64 [n-grams].
        places: Where each n-gram starts in ``WordSequences.words``: int32 [n-grams].
        sizes: The number of words: n, or fewer for a whole item or question: uint8 [n-grams].
    """

    hashes: UInt64s
    places: Int32s
    sizes: UInt8s

    def take(self, mask: Bools) -> Ngrams:
        return Ngrams(self.hashes[mask], self.places[mask], self.sizes[mask])


class WordMatch(NamedTuple):
    """Words ``start`` to ``end`` (exclusive) of a text equal those of a sequence from its word ``at``."""

    start: int
    end: int
    sequence: int
    at: int


_NOWHERE = np.empty(0, np.int64)
_NO_MATCH = WordMatch(0, 0, -1, 0)


class NgramIndex:
    """The n-grams of test sets, and the word sequences that contain them.

    Attributes:
        n: Words of an n-gram.
        counts: The counts of each test set.
        literals: The texts of formulas, by item; their words alone do not identify them.
        bits: The sizes of n-grams, each with its bit in the filter; from the ninth on, sizes share bits.
        anchor: The size of the shortest n-gram.
    """

    def __init__(
        self,
        n: int,
        counts: list[BenchmarkCounts],
        sequences: WordSequences,
        ngrams: Ngrams,
        literals: Mapping[int, str] | None = None,
    ) -> None:
        self.n, self.counts, self.literals = n, counts, literals or {}
        self.sequences, self.ngrams = sequences, ngrams
        self._first_items = np.cumsum([0, *(benchmark.items for benchmark in counts)])
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
        """Return the test set of an item, and its number in the test set."""
        benchmark = int(np.searchsorted(self._first_items, item, "right")) - 1
        return self.counts[benchmark].name, item - int(self._first_items[benchmark])

    def search(self, texts: Sequence[str]) -> list[list[WordMatch]]:
        """Return for each text the matches that contain an n-gram, by sequence and position."""
        if not len(self.ngrams.hashes):
            return [[] for _ in texts]
        matches: list[list[WordMatch]] = []
        for batch in text_batches(texts):
            matches += _Search(read_words(batch), self).matches()
        return matches

    def ngrams_in(self, texts: Sequence[str]) -> Bools:
        """Return for each n-gram whether it occurs in any of ``texts``: bool [n-grams]."""
        occurs = np.zeros(len(self.ngrams.hashes), bool)
        for batch in text_batches(texts):
            occurs[_Search(read_words(batch), self).shared_ngrams()[1]] = True
        return occurs

    def candidates(self, anchors: UInt64s) -> tuple[Int64s, UInt8s]:
        """Return the words at which an n-gram may start, and the filter bits of its size: uint8 [places]."""
        flags = self._filter.take(_top_bits(anchors))
        places = np.flatnonzero(flags)
        places = places[self._second_filter.take(_next_bits(anchors[places]))]
        return places, flags[places]

    def to_table(self) -> pa.Table:
        """Return the index as a table of one row, with a list column for each array and the rest as metadata."""
        metadata = {
            "n": self.n,
            "unicode": UNICODE_VERSION,
            "counts": [list(counts) for counts in self.counts],
            "literals": [*self.literals.items()],
        }
        columns = {**self.sequences._asdict(), **self.ngrams._asdict()}
        table = pa.table({name: _one_row(values) for name, values in columns.items()})
        return table.replace_schema_metadata({_METADATA_KEY: json.dumps(metadata)})

    @classmethod
    def from_table(cls, table: pa.Table) -> NgramIndex:
        """Return the index from a table of ``to_table``.

        Raises RunError if it was built with other Unicode tables, since words depend on them.
        """
        metadata = json.loads(table.schema.metadata[_METADATA_KEY.encode()])
        if metadata["unicode"] != UNICODE_VERSION:
            raise RunError(
                f"the n-gram index was built with Unicode {metadata['unicode']}, but this worker has "
                f"{UNICODE_VERSION}: run the launcher and the workers on the same Python version"
            )
        columns = {name: table[name].combine_chunks().flatten().to_numpy() for name in table.column_names}
        sequences = WordSequences(*(columns[name] for name in WordSequences._fields))
        ngrams = Ngrams(*(columns[name] for name in Ngrams._fields))
        counts = [BenchmarkCounts(*benchmark) for benchmark in metadata["counts"]]
        return cls(metadata["n"], counts, sequences, ngrams, dict(metadata["literals"]))

    def to_bytes(self) -> bytes:
        """Return the index as an Arrow file."""
        sink = pa.BufferOutputStream()
        table = self.to_table()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]

    @classmethod
    def load(cls, url: str) -> NgramIndex:
        """Return the index from the Arrow file at ``url``."""
        with storage.open_input(url) as file, pa.ipc.open_file(file) as reader:
            return cls.from_table(reader.read_all())


class TextWords(NamedTuple):
    """The words of texts as one array.

    Attributes:
        hashes: uint64 [words].
        bounds: Where each text starts: int64 [texts + 1].
    """

    hashes: UInt64s
    bounds: Int64s


def read_words(texts: Sequence[str]) -> TextWords:
    """Return the words of texts."""
    encoded = [text.encode(errors="replace") for text in texts]
    ends = [0, *accumulate(map(len, encoded))]
    hashes, counts = hashes_of_texts(np.frombuffer(b"".join(encoded), np.uint8), ends)
    return TextWords(hashes, np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]))


def text_batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Yield texts in batches of about a million characters."""
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
    """The search of a batch of texts."""

    def __init__(self, texts: TextWords, index: NgramIndex) -> None:
        self.hashes, self.bounds = texts
        self.index = index

    def shared_ngrams(self) -> tuple[Int64s, Int64s]:
        """Return where n-grams of the index occur, and which: int64 [occurrences], int64 [occurrences]."""
        anchor = self.index.anchor
        if len(self.hashes) < anchor:
            return _NOWHERE, _NOWHERE
        candidates, flags = self.index.candidates(shingle_hashes(self.hashes, anchor))
        ends = self.bounds[np.searchsorted(self.bounds, candidates, "right")]
        occurrences = [
            self._shared_of_size(candidates[(flags & bit > 0) & (candidates + size <= ends)], size)
            for size, bit in self.index.bits
        ]
        places, ngrams = zip(*occurrences, strict=True)
        return np.concatenate(places), np.concatenate(ngrams)

    def _shared_of_size(self, places: Int64s, size: int) -> tuple[Int64s, Int64s]:
        hashes, begins, sizes = self.index.ngrams
        wanted = shingle_hashes_at(self.hashes, places, size)
        first = np.searchsorted(hashes, wanted)
        found = hashes.take(first, mode="clip") == wanted
        places, wanted, first = places[found], wanted[found], first[found]
        if not len(places):
            return _NOWHERE, _NOWHERE
        items = np.searchsorted(hashes, wanted, "right") - first
        ngrams = np.repeat(first - (np.cumsum(items) - items), items) + np.arange(items.sum())
        places = np.repeat(places, items)
        words = np.arange(size)
        text_words = self.hashes.take(places[:, None] + words)
        item_words = self.index.sequences.words.take(begins.take(ngrams)[:, None] + words, mode="clip")
        same = (sizes.take(ngrams) == size) & (text_words == item_words).all(axis=1)
        return places[same], ngrams[same]

    def matches(self) -> list[list[WordMatch]]:
        """Return the matches of each text."""
        matches: list[list[WordMatch]] = [[] for _ in self.bounds[1:]]
        places, ngrams = self.shared_ngrams()
        item_places = self.index.ngrams.places[ngrams]
        sequences = self.index.sequences.containing(item_places)
        texts = np.searchsorted(self.bounds, places, "right") - 1
        order = np.lexsort((places, places - item_places, sequences, texts))
        offsets = item_places - self.index.sequences.starts[sequences]
        columns = (texts, places - self.bounds[texts], sequences, offsets)
        for text, place, sequence, at in zip(*(column[order].tolist() for column in columns), strict=True):
            last = matches[text][-1] if matches[text] else _NO_MATCH
            same_diagonal = last.sequence == sequence and last.start - last.at == place - at
            if not (same_diagonal and place < last.end):
                matches[text].append(self._extend(text, place, sequence, at))
        return matches

    def _extend(self, text: int, place: int, sequence: int, at: int) -> WordMatch:
        """Return the longest match through a word of a text and a word of a sequence."""
        words, starts, *_ = self.index.sequences
        text_words = self.hashes[self.bounds[text] : self.bounds[text + 1]]
        item_words = words[starts[sequence] : starts[sequence + 1]]
        before = _common_prefix(text_words[:place][::-1], item_words[:at][::-1])
        after = _common_prefix(text_words[place:], item_words[at:])
        return WordMatch(place - before, place + after, sequence, at - before)


def _common_prefix(left: UInt64s, right: UInt64s) -> int:
    """Return the length of the common prefix."""
    size = min(len(left), len(right))
    differs = left[:size] != right[:size]
    return int(differs.argmax()) if differs.any() else size


def _one_row(values: NDArray[np.generic]) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), pa.array(values))


def _top_bits(hashes: UInt64s) -> Int64s:
    result: Int64s = (hashes >> _SHIFT).view(np.int64)
    return result


def _next_bits(hashes: UInt64s) -> Int64s:
    return _top_bits(hashes << np.uint64(_FILTER_BITS))

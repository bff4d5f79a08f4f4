"""Decontamination: documents that hold items of a test set.

As in GPT-3 (Brown et al. 2020, appendix C), a document is contaminated when it shares an n-gram of 13 words with an
item. An item's text is its fields joined, so n-grams across fields find copies that keep the layout, and those inside
a field find the others.

N-grams that stand in many items are frames ("for which of these two scenarios does the main character …"), not
items, and are left out; GPT-3 did the same with those frequent in the training text, which needs a pass over it. So
are those of figures and single letters. Items with fewer than n words have no n-gram: nothing that short tells a copy
from a coincidence, so they are counted and not looked for.

The index is three sorted arrays, 16 bytes an n-gram, and goes to workers as an Arrow table. A look-up is two
steps on whole arrays: a bitmap of the hashes' top bits sends most of a document's n-grams home, a binary search
settles the rest. With 64-bit hashes and a million n-grams, a false hit takes about 10¹³ words.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.corpus.errors import RunError
from gristmill.corpus.words import UNICODE_VERSION, normalise, shingle_hashes, word_hashes
from gristmill.transforms.refine.benchmarks import read_items
from gristmill.transforms.refine.section import DecontaminateSection

UInt64s: TypeAlias = NDArray[np.uint64]
Int32s: TypeAlias = NDArray[np.int32]

_ABOUT = "gristmill.ngrams"
_PREFILTER_BITS = 24
_PROPER_WORDS = 3
_SHIFT = np.uint64(64 - _PREFILTER_BITS)


class Match(NamedTuple):
    """A document shares ``ngrams`` n-grams with an item; the first begins at word ``start_word`` of the document."""

    benchmark: str
    item: int
    ngrams: int
    start_word: int

    @property
    def detail(self) -> str:
        """What the books say: ``gsm8k:17``."""
        return f"{self.benchmark}:{self.item}"


class BenchmarkCounts(NamedTuple):
    """A test set's items: all, those too short to have an n-gram that tells, and those whose n-grams are all frames."""

    name: str
    items: int
    short: int
    frames_only: int


class NgramIndex:
    """The n-grams of test sets, each with the first item that holds it.

    ``n``: words in an n-gram. ``counts``: one a test set. ``hashes``: uint64 [n-grams], sorted, distinct.
    ``benchmarks``, ``items``: int32 [n-grams], which of ``counts`` and which of its items an n-gram is from.
    """

    def __init__(
        self, n: int, counts: list[BenchmarkCounts], hashes: UInt64s, benchmarks: Int32s, items: Int32s
    ) -> None:
        self.n, self.counts = n, counts
        self.hashes, self.benchmarks, self.items = hashes, benchmarks, items
        self._prefilter = np.zeros(1 << _PREFILTER_BITS, bool)
        self._prefilter[_top_bits(hashes)] = True

    @classmethod
    def build(cls, section: DecontaminateSection) -> NgramIndex:
        """The index of a section's test sets. Raises InputError for a file that is missing or cannot be read."""
        texts = {benchmark.name: read_items(benchmark) for benchmark in section.benchmarks}
        return cls.of_texts(texts, section.n, section.max_items)

    @classmethod
    def of_texts(cls, texts: Mapping[str, Iterable[str]], n: int, max_items: int) -> NgramIndex:
        """The index of item texts by test set; n-grams in more than ``max_items`` items are left out."""
        ngrams = [[_telling_ngrams(text, n) for text in items] for items in texts.values()]
        sizes = [len(items) for items in ngrams]
        benchmark_of = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        item_of = np.concatenate([np.empty(0, np.int32), *(np.arange(size, dtype=np.int32) for size in sizes)])
        lengths = np.array([len(item) for items in ngrams for item in items], np.int64)

        every = np.concatenate([np.empty(0, np.uint64), *(item for items in ngrams for item in items)])
        owner = np.repeat(np.arange(len(lengths)), lengths)
        hashes, first, where, uses = np.unique(every, return_index=True, return_inverse=True, return_counts=True)
        telling = uses <= max_items
        telling_in = np.bincount(owner, weights=telling[where], minlength=len(lengths))
        counts = [
            BenchmarkCounts(
                name,
                sizes[number],
                short=int((lengths[benchmark_of == number] == 0).sum()),
                frames_only=int(((lengths > 0) & (telling_in == 0))[benchmark_of == number].sum()),
            )
            for number, name in enumerate(texts)
        ]
        owner = owner[first[telling]]
        return cls(n, counts, hashes[telling], benchmark_of[owner], item_of[owner])

    def matches(self, text: str) -> list[Match]:
        """The items that share n-grams with ``text``, by their first place in it."""
        words = word_hashes(text)
        if len(words) < self.n or not len(self.hashes):
            return []
        ngrams = shingle_hashes(words, self.n)
        places = np.flatnonzero(self._prefilter.take(_top_bits(ngrams)))
        at = np.searchsorted(self.hashes, ngrams[places])
        hit = self.hashes.take(at, mode="clip") == ngrams[places]
        at, first = np.unique(at[hit], return_index=True)
        places = places[hit][first]
        found: dict[tuple[int, int], list[int]] = {}
        for benchmark, item, place in zip(
            self.benchmarks[at].tolist(), self.items[at].tolist(), places.tolist(), strict=True
        ):
            found.setdefault((benchmark, item), []).append(place)
        matches = [Match(self.counts[b].name, item, len(at), min(at)) for (b, item), at in found.items()]
        return sorted(matches, key=lambda match: (match.start_word, match.benchmark, match.item))

    def contamination(self, text: str, min_ngrams: int = 1) -> Match | None:
        """The item that shares most n-grams with ``text``, the first of equals; None below ``min_ngrams``."""
        best = max(self.matches(text), key=lambda match: match.ngrams, default=None)
        return best if best is not None and best.ngrams >= min_ngrams else None

    def to_table(self) -> pa.Table:
        """The index as a table (``hash``, ``benchmark``, ``item``); the rest is in the schema's metadata."""
        about = {"n": self.n, "unicode": UNICODE_VERSION, "counts": [list(counts) for counts in self.counts]}
        columns = {"hash": self.hashes, "benchmark": self.benchmarks, "item": self.items}
        return pa.table(columns).replace_schema_metadata({_ABOUT: json.dumps(about)})

    @classmethod
    def from_table(cls, table: pa.Table) -> NgramIndex:
        """The index in a table of ``to_table``. Raises RunError where other Unicode tables made its words."""
        about = json.loads(table.schema.metadata[_ABOUT.encode()])
        if about["unicode"] != UNICODE_VERSION:
            raise RunError(
                f"the n-gram index was built with Unicode {about['unicode']} and this worker has {UNICODE_VERSION}: "
                "run the launcher and the workers on the same Python"
            )
        columns = (table[name].to_numpy() for name in ("hash", "benchmark", "item"))
        return cls(about["n"], [BenchmarkCounts(*counts) for counts in about["counts"]], *columns)


def _telling_ngrams(text: str, n: int) -> UInt64s:
    """Distinct n-grams of an item, without those of figures and single letters: 0 to F in a row is nobody's test."""
    hashes = word_hashes(text)
    if len(hashes) < n:
        return hashes[:0]
    proper = np.cumsum([0, *(not _is_figure(word) for word in normalise(text).split(" "))])
    return np.unique(shingle_hashes(hashes, n)[proper[n:] - proper[:-n] >= _PROPER_WORDS])


def _is_figure(word: str) -> bool:
    return word.isdecimal() or (len(word) == 1 and word.isascii())


def _top_bits(hashes: UInt64s) -> NDArray[np.int64]:
    return (hashes >> _SHIFT).view(np.int64)

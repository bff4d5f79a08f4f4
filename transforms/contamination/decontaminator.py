"""Finds the test items in documents, and decides what to cut.

A hit names the test item and the matching passages of the document, in characters, and gives the share of the item that
is present. Markup is blanked before the search (``inline_markup``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.words import word_places
from gristmill.transforms.contamination.decontaminate_section import DecontaminateSection
from gristmill.transforms.contamination.inline_markup import JOINER, blank_markup
from gristmill.transforms.contamination.ngram_index import NgramIndex, WordMatch
from gristmill.transforms.core.edits import Span, map_to_original

Ranges = list[tuple[int, int]]
"""Half-open, sorted and disjoint."""


class Hit(NamedTuple):
    """A test item in a document: ``ngrams`` n-grams of it occur in the ranges ``places``, in characters.

    ``share`` is the share of the n-grams of the item or of its question, whichever is larger, so it is 1.0 if the whole
    question occurs without its answer. An item or question shorter than an n-gram occurs as a whole and counts as one
    n-gram. Rounded to four digits.
    """

    benchmark: str
    item: int
    ngrams: int
    share: float
    places: Ranges

    @property
    def detail(self) -> str:
        """The name of the item in reports, such as ``gsm8k:17``."""
        return f"{self.benchmark}:{self.item}"

    def map_to_original(self, cuts: Sequence[Span]) -> Hit:
        """Return the hit in offsets into the text before ``cuts`` were removed."""
        spans = map_to_original((Span(start, end, self.detail, 1.0) for start, end in self.places), cuts)
        return self._replace(places=[(span.start, span.end) for span in spans]) if cuts else self


HITS_FIELD = pa.field(
    "hits",
    pa.list_(
        pa.struct(
            [
                ("benchmark", pa.string()),
                ("item", pa.int64()),
                ("ngrams", pa.int64()),
                ("share", pa.float64()),
                ("places", pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))),
            ]
        )
    ),
    nullable=False,
)
"""The sidecar column of a document's hits."""


class Decontaminator:
    """Finds hits with an n-gram index and the thresholds of a recipe."""

    def __init__(self, section: DecontaminateSection, index: NgramIndex) -> None:
        self.section, self.index = section, index

    def hits(self, texts: Sequence[str]) -> list[list[Hit]]:
        """Return the hits of each text, by their first position in it."""
        blanked = [*map(blank_markup, texts)]
        matches = self.index.search(blanked)
        return [self._hits(text, found) if found else [] for text, found in zip(blanked, matches, strict=True)]

    def cuts(self, text: str, hits: Iterable[Hit]) -> list[Span] | None:
        """Return the spans to cut from a text with hits, or None if the document is to be dropped."""
        if self.section.action == "label":
            return []
        cuts = passages_to_cut(hits, text, self.section.margin)
        if self.section.action == "drop" or len(cuts) > self.section.max_cuts:
            return None
        return [Span(start, end, "contaminated", 1.0) for start, end in cuts]

    def _hits(self, text: str, matches: Iterable[WordMatch]) -> list[Hit]:
        starts, ends = word_places(text)
        by_item: dict[int, dict[int, list[WordMatch]]] = {}
        for match in matches:
            item = int(self.index.sequences.items[match.sequence])
            by_item.setdefault(item, {}).setdefault(match.sequence, []).append(match)
        hits = []
        for item, by_sequence in by_item.items():
            ngrams, share = max(self._coverage(sequence, found) for sequence, found in by_sequence.items())
            words = _merge((match.start, match.end) for found in by_sequence.values() for match in found)
            places = [(int(starts[first]), int(ends[last - 1])) for first, last in words]
            if item in self.index.literals and not _contains_literal(text, places, self.index.literals[item]):
                continue
            if share >= self.section.min_share and (ngrams >= self.section.min_ngrams or share == 1):
                hits.append(Hit(*self.index.name(item), ngrams, share, places))
        return sorted(hits, key=lambda hit: (hit.places, hit.benchmark, hit.item))

    def _coverage(self, sequence: int, matches: Iterable[WordMatch]) -> tuple[int, float]:
        """Return the number of n-grams of a sequence in its matches, and the larger share, of the question or of all.

        An n-gram that occurs in several matches counts once.
        """
        sequences, n = self.index.sequences, self.index.n
        covered = [(match.at, match.at + match.end - match.start) for match in matches]
        size = int(sequences.starts[sequence + 1] - sequences.starts[sequence])
        question = int(sequences.questions[sequence])
        ngrams = _covered_ngrams(covered, size, n)
        shares = [ngrams / _all_ngrams(size, n)]
        if question:
            shares.append(_covered_ngrams(covered, question, n) / _all_ngrams(question, n))
        return max(ngrams, 1), round(max(shares), 4)


def _contains_literal(text: str, places: Ranges, literal: str) -> bool:
    """Return whether ``literal`` occurs at one of ``places``, ignoring case, white space and blanked markup."""
    around = 2 * len(literal)
    passages = (text[max(start - around, 0) : end + around] for start, end in places)
    return any(_without_space(literal) in _without_space(passage) for passage in passages)


def _without_space(text: str) -> str:
    return "".join(text.split()).replace(JOINER, "").casefold()


def passages_to_cut(hits: Iterable[Hit], text: str, margin: int) -> Ranges:
    """Return the ranges of hits in ``text``, extended by ``margin`` characters and then to the end of a word."""
    starts, ends = word_places(text)
    extended = []
    for start, end in (place for hit in hits for place in hit.places):
        start, end = start - margin, end + margin
        first = int(starts[np.searchsorted(ends, start, "right")])
        last = int(ends[np.searchsorted(starts, end) - 1])
        extended.append((max(0, min(start, first)), min(len(text), max(end, last))))
    return _merge(extended)


def hit_rows(hits: Iterable[Hit]) -> list[dict[str, Any]]:
    """Return the hits of a document as a value of the sidecar column."""
    return [{**hit._asdict(), "places": [{"start": start, "end": end} for start, end in hit.places]} for hit in hits]


def largest_hit(hits: Iterable[Hit]) -> Hit:
    """Return the hit with the most n-grams, the first of equals."""
    return max(hits, key=attrgetter("ngrams"))


def _all_ngrams(size: int, n: int) -> int:
    return max(size - n + 1, 1)


def _covered_ngrams(covered: Ranges, size: int, n: int) -> int:
    """Return the number of n-grams of the first ``size`` words inside ``covered``.

    If there are fewer than n words, all of them are one n-gram.
    """
    n = min(n, size)
    begins = ((start, min(end, size) - n + 1) for start, end in covered)
    return sum(end - start for start, end in _merge((start, end) for start, end in begins if start < end))


def _merge(ranges: Iterable[tuple[int, int]]) -> Ranges:
    merged: Ranges = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged

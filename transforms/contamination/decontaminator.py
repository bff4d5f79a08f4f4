"""Decontamination: documents that hold items of a test set, which items, and where.

What is found is followed from document to item and back: a hit names benchmark, item and the passages of the document,
in characters, and says how much of the item is there. Markup is laid aside first (``markup.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.words import word_places
from gristmill.transforms.contamination.inline_markup import JOINER, plain
from gristmill.transforms.contamination.ngram_index import NgramIndex, Run
from gristmill.transforms.core.edits import Span, in_original
from gristmill.transforms.refine.refine_section import DecontaminateSection

Ranges = list[tuple[int, int]]
"""Half-open, sorted, apart."""


class Hit(NamedTuple):
    """A document has ``ngrams`` n-grams of an item, at ``places`` of its text, in characters.

    ``share`` is how many of the item's n-grams that is, or of its question's, whichever is more: 1.0 where the question
    is there without its answer. An item or question of fewer words than an n-gram is there as a whole, and counts for
    one. Rounded to four digits.
    """

    benchmark: str
    item: int
    ngrams: int
    share: float
    places: Ranges

    @property
    def detail(self) -> str:
        """What the books say: ``gsm8k:17``."""
        return f"{self.benchmark}:{self.item}"

    def before(self, cuts: Sequence[Span]) -> Hit:
        """The hit in places of the text before ``cuts`` were taken out of it."""
        spans = in_original((Span(start, end, self.detail, 1.0) for start, end in self.places), cuts)
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
"""The hits of a document as its row of the sidecar has them."""


class Decontaminator:
    """Finds hits by an index and the thresholds of a recipe."""

    def __init__(self, section: DecontaminateSection, index: NgramIndex) -> None:
        self.section, self.index = section, index

    def hits(self, texts: Sequence[str]) -> list[list[Hit]]:
        """The hits of each text, by their first place in it."""
        cleaned = [*map(plain, texts)]
        found = zip(cleaned, self.index.search(cleaned), strict=True)
        return [self._hits(text, runs) if runs else [] for text, runs in found]

    def cuts(self, text: str, hits: Iterable[Hit]) -> list[Span] | None:
        """What of a text with hits is to go; None where all of it is."""
        if self.section.action == "label":
            return []
        cuts = passages(hits, text, self.section.margin)
        if self.section.action == "drop" or len(cuts) > self.section.max_cuts:
            return None
        return [Span(start, end, "contaminated", 1.0) for start, end in cuts]

    def _hits(self, text: str, runs: Iterable[Run]) -> list[Hit]:
        starts, ends = word_places(text)
        by_item: dict[int, dict[int, list[Run]]] = {}
        for run in runs:
            item = int(self.index.sequences.items[run.sequence])
            by_item.setdefault(item, {}).setdefault(run.sequence, []).append(run)
        found = []
        for item, readings in by_item.items():
            ngrams, share = max(self._told(sequence, those) for sequence, those in readings.items())
            words = _joined((run.start, run.end) for those in readings.values() for run in those)
            places = [(int(starts[first]), int(ends[last - 1])) for first, last in words]
            if item in self.index.literals and not _holds(text, places, self.index.literals[item]):
                continue
            if share >= self.section.min_share and (ngrams >= self.section.min_ngrams or share == 1):
                found.append(Hit(*self.index.name(item), ngrams, share, places))
        return sorted(found, key=lambda hit: (hit.places, hit.benchmark, hit.item))

    def _told(self, sequence: int, runs: Iterable[Run]) -> tuple[int, float]:
        """How many n-grams of a sequence are in its runs, and the greater share, of the question's or of all."""
        sequences, n = self.index.sequences, self.index.n
        covered = [(run.at, run.at + run.end - run.start) for run in runs]
        size = int(sequences.starts[sequence + 1] - sequences.starts[sequence])
        question = int(sequences.questions[sequence])
        ngrams = _ngrams(covered, size, n)
        shares = [ngrams / _all_ngrams(size, n)]
        if question:
            shares.append(_ngrams(covered, question, n) / _all_ngrams(question, n))
        return max(ngrams, 1), round(max(shares), 4)


def _holds(text: str, places: Ranges, literal: str) -> bool:
    """Whether ``literal`` is at one of ``places``, to the character, white space and what stands for markup apart."""
    around = 2 * len(literal)
    passages = (text[max(start - around, 0) : end + around] for start, end in places)
    return any(_solid(literal) in _solid(passage) for passage in passages)


def _solid(text: str) -> str:
    return "".join(text.split()).replace(JOINER, "").casefold()


def passages(hits: Iterable[Hit], text: str, margin: int) -> Ranges:
    """The places of hits in ``text`` with ``margin`` characters around them; what begins or ends in a word takes it."""
    starts, ends = word_places(text)
    wide = []
    for start, end in (place for hit in hits for place in hit.places):
        start, end = start - margin, end + margin
        first = int(starts[np.searchsorted(ends, start, "right")])
        last = int(ends[np.searchsorted(starts, end) - 1])
        wide.append((max(0, min(start, first)), min(len(text), max(end, last))))
    return _joined(wide)


def hit_row(hits: Iterable[Hit]) -> list[dict[str, Any]]:
    """A document's hits as its row of the sidecar has them."""
    return [{**hit._asdict(), "places": [{"start": start, "end": end} for start, end in hit.places]} for hit in hits]


def worst(hits: Iterable[Hit]) -> Hit:
    """The hit that shares most n-grams, the first of equals."""
    return max(hits, key=attrgetter("ngrams"))


def _all_ngrams(size: int, n: int) -> int:
    return max(size - n + 1, 1)


def _ngrams(covered: Ranges, size: int, n: int) -> int:
    """N-grams of the first ``size`` words that are inside ``covered``; fewer than n words count as one, if all are."""
    n = min(n, size)
    begins = ((start, min(end, size) - n + 1) for start, end in covered)
    return sum(end - start for start, end in _joined((start, end) for start, end in begins if start < end))


def _joined(ranges: Iterable[tuple[int, int]]) -> Ranges:
    joined: Ranges = []
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined

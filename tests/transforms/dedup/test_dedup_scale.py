"""What would take a pass over all pairs hours: one template, a long chain, and nothing at all."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import pytest

from gristmill.transforms.dedup.buckets import shared
from gristmill.transforms.dedup.components import components
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.greedy import Removals, Rule, greedy
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.rank import Ranked
from gristmill.transforms.dedup.shingles import UInt32s
from gristmill.transforms.dedup.sign import Signed, sign
from gristmill.transforms.dedup.signature_file import runs
from tests.transforms.dedup.dedup_reference import column

SECTION = DedupSection()
WORDS = [f"word{number}" for number in range(20_000)]
COUNTS = [5000, pytest.param(200_000, marks=pytest.mark.slow)]


class Corpus(NamedTuple):
    signed: list[Signed]
    components: int
    removals: Removals


def _deduplicated(texts: Iterable[str]) -> Corpus:
    """Texts in rank order, from words to removals."""
    every = iter(texts)
    signed = []
    while some := list(islice(every, 10_000)):
        signed.append(sign(column(some), MinHasher.of(SECTION), SECTION.ngram))
    bands = np.concatenate([one.bands for one in signed])
    values = np.concatenate([one.sketches for one in signed])
    lengths = np.concatenate([one.shingles for one in signed]).astype(np.int64)
    starts = lengths.cumsum() - lengths
    nodes = np.arange(len(lengths), dtype=np.uint64)
    members = shared(bands.ravel(), np.repeat(nodes, bands.shape[1]))
    ranked = Ranked(nodes, np.arange(len(nodes)), lengths, np.zeros(len(nodes), bool))

    def sketches(asked: np.ndarray) -> UInt32s:
        return runs(values, starts[asked.astype(np.int64)], lengths[asked.astype(np.int64)])

    rule = Rule(SECTION.threshold, SECTION.verify, SECTION.banding[0])
    found = components(members)
    return Corpus(signed, len(set(found.label.tolist())), greedy(ranked, members, sketches, rule))


def _templated(count: int, own: int) -> Iterator[str]:
    chance = random.Random(1)
    template = chance.choices(WORDS, k=100)
    for _ in range(count):
        yield " ".join([*template, *chance.choices(WORDS, k=own)])


@pytest.mark.parametrize("count", COUNTS)
def test_of_one_template_one_stays(count: int) -> None:
    """96 shingles in common and 5 of each page's own: similarity 0.9057."""
    found = _deduplicated(_templated(count, own=5))
    assert found.components == 1
    assert count - len(found.removals.node) <= 5  # the first, and those that share no band with it
    assert (found.removals.similarity >= 9057).all()
    assert not len(found.removals.capped)


@pytest.mark.parametrize("count", COUNTS)
def test_pages_of_one_template_that_are_not_alike_enough_are_not_compared_each_with_each(count: int) -> None:
    """Similarity 0.7164 and a threshold of 0.72: nearly all stay, and fill the lists of their common buckets."""
    found = _deduplicated(_templated(count, own=19))
    removed = found.removals.node.tolist()
    assert len(removed) < count / 4
    assert len(found.removals.capped) > count / 2  # and it is told
    assert set(removed).isdisjoint(found.removals.capped.tolist())
    assert (found.removals.similarity >= 7200).all()


def test_a_chain_of_ten_thousand_small_edits_keeps_a_page_every_so_often() -> None:
    """Each page has one word in 60 other than the one before: neighbours are alike, those far apart are not."""
    chance = random.Random(2)
    words = chance.choices(WORDS, k=60)
    texts = []
    for number in range(10_000):
        words[number % 60] = WORDS[chance.randrange(len(WORDS))]
        texts.append(" ".join(words))
    found = _deduplicated(texts)
    kept = sorted(set(range(10_000)) - set(found.removals.node.tolist()))
    assert found.components < 20
    assert 1000 < len(kept) < 5000
    for node, keeper in zip(found.removals.node.tolist(), found.removals.kept.tolist(), strict=True):
        assert 0 < node - keeper < 12  # five shingles of 56 change with a word: not alike after two words or three
    assert set(found.removals.kept.tolist()) <= set(kept)


def test_of_nothing_nothing_goes() -> None:
    members = shared(np.empty(0, np.uint64), np.empty(0, np.uint64))
    nothing = np.empty(0, np.int64)
    ranked = Ranked(members.node, nothing, nothing, nothing > 0)
    found = greedy(ranked, members, lambda asked: np.empty(0, np.uint32), Rule(0.7, "exact", 14))
    assert len(components(members).node) == len(found.node) == len(found.capped) == 0

"""Corpora for which comparing all pairs would take hours: one template, and a long chain. And an empty one."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import pytest

from gristmill.corpus.arrays import UInt32s
from gristmill.transforms.dedup.buckets import shared_buckets
from gristmill.transforms.dedup.components import connected_components
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.rank import RankedDocuments
from gristmill.transforms.dedup.removals import MatchRule, Removals, find_removals
from gristmill.transforms.dedup.sign import SignedTexts, sign_texts
from gristmill.transforms.dedup.signature_file import take_runs
from tests.transforms.dedup.dedup_reference import column

SECTION = DedupSection()
WORDS = [f"word{number}" for number in range(20_000)]
COUNTS = [5000, pytest.param(200_000, marks=pytest.mark.slow)]


class Corpus(NamedTuple):
    signed: list[SignedTexts]
    components: int
    removals: Removals


def _deduplicated(texts: Iterable[str]) -> Corpus:
    """Deduplicate texts given in rank order."""
    every = iter(texts)
    signed = []
    while some := list(islice(every, 10_000)):
        signed.append(sign_texts(column(some), MinHasher.from_section(SECTION), SECTION.ngram))
    bands = np.concatenate([one.bands for one in signed])
    values = np.concatenate([one.sketches for one in signed])
    lengths = np.concatenate([one.shingles for one in signed]).astype(np.int64)
    starts = lengths.cumsum() - lengths
    nodes = np.arange(len(lengths), dtype=np.uint64)
    members = shared_buckets(bands.ravel(), np.repeat(nodes, bands.shape[1]))
    ranked = RankedDocuments(nodes, np.arange(len(nodes)), lengths, np.zeros(len(nodes), bool))

    def sketches(asked: np.ndarray) -> UInt32s:
        return take_runs(values, starts[asked.astype(np.int64)], lengths[asked.astype(np.int64)])

    rule = MatchRule(SECTION.threshold, SECTION.verify, SECTION.banding[0])
    found = connected_components(members)
    return Corpus(signed, len(set(found.label.tolist())), find_removals(ranked, members, sketches, rule))


def _templated(count: int, own: int) -> Iterator[str]:
    chance = random.Random(1)
    template = chance.choices(WORDS, k=100)
    for _ in range(count):
        yield " ".join([*template, *chance.choices(WORDS, k=own)])


@pytest.mark.parametrize("count", COUNTS)
def test_one_page_of_a_template_is_kept(count: int) -> None:
    """Pages share 96 shingles and have 5 of their own: similarity 0.9057."""
    found = _deduplicated(_templated(count, own=5))
    assert found.components == 1
    assert count - len(found.removals.node) <= 5  # the first, and those that share no band with it
    assert (found.removals.similarity >= 9057).all()
    assert not len(found.removals.capped)


@pytest.mark.parametrize("count", COUNTS)
def test_dissimilar_pages_of_one_template_are_capped(count: int) -> None:
    """Similarity 0.7164 with threshold 0.72: nearly all are kept, and fill the lists of their common buckets."""
    found = _deduplicated(_templated(count, own=19))
    removed = found.removals.node.tolist()
    assert len(removed) < count / 4
    assert len(found.removals.capped) > count / 2
    assert set(removed).isdisjoint(found.removals.capped.tolist())
    assert (found.removals.similarity >= 7200).all()


def test_a_chain_of_ten_thousand_small_edits_keeps_pages_along_it() -> None:
    """Each page differs from the one before in one word of 60: neighbors are similar, distant pages are not."""
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
    for node, keeper in zip(found.removals.node.tolist(), found.removals.match.tolist(), strict=True):
        assert 0 < node - keeper < 12  # a word changes five of 56 shingles: not similar after two or three words
    assert set(found.removals.match.tolist()) <= set(kept)


def test_an_empty_corpus_has_no_removals() -> None:
    members = shared_buckets(np.empty(0, np.uint64), np.empty(0, np.uint64))
    nothing = np.empty(0, np.int64)
    ranked = RankedDocuments(members.node, nothing, nothing, nothing > 0)
    found = find_removals(ranked, members, lambda asked: np.empty(0, np.uint32), MatchRule(0.7, "exact", 14))
    assert len(connected_components(members).node) == len(found.node) == len(found.capped) == 0

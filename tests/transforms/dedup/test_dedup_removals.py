"""Removals against a plain comparison of all pairs; the rank; and deduplication against an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.corpus.arrays import UInt32s, UInt64s
from gristmill.corpus.multilinear_hash import mix64
from gristmill.transforms.dedup import candidate_lists, greedy_pass, removals
from gristmill.transforms.dedup.buckets import BucketMembers, shared_buckets
from gristmill.transforms.dedup.dedup_section import Scope, Verify
from gristmill.transforms.dedup.greedy_pass import EXACT, NEAR, NOT_COMPARED, SAME_URL, WHOLE, GreedyPass
from gristmill.transforms.dedup.minhash import BAND_MASK, URL_BAND, MinHasher
from gristmill.transforms.dedup.rank import RankedDocuments, rank_documents
from gristmill.transforms.dedup.removals import MatchRule, find_removals
from gristmill.transforms.dedup.signature_file import fingerprint_schema
from tests.compiled_modules import needs_compiler, uncompiled
from tests.transforms.dedup.dedup_reference import as_sets, jaccard, rounded

HASHER = MinHasher(bands=6, rows=1, seed=1)


class Removed(NamedTuple):
    match: int
    reason: int
    similarity: float


def _sets(documents: Sequence[frozenset[int]]) -> list[UInt32s]:
    return [np.sort((mix64(np.array(sorted(d), np.uint64)) >> np.uint64(32)).astype(np.uint32)) for d in documents]


def _bands(sets: list[UInt32s]) -> UInt64s:
    return HASHER.band_hashes(HASHER.signatures(as_sets(sets)))


def _members(nodes: Sequence[int], sets: list[UInt32s], first_of_run: int = 0) -> BucketMembers:
    order = [place for place in np.argsort(nodes) if len(sets[place])]  # documents without words have no bands
    names = np.array(nodes, np.uint64)[order]
    return shared_buckets(_bands(sets)[order].ravel(), np.repeat(names, HASHER.bands), first_of_run)


def _run(
    documents: Sequence[frozenset[int]],
    threshold: float,
    nodes: Sequence[int] | None = None,
    indexed: int = 0,
    members: BucketMembers | None = None,
    urls: Sequence[int] | None = None,
    scope: Scope = "all",
) -> dict[int, Removed]:
    """Deduplicate ``documents`` in rank order; equal sets are equal texts. The first ``indexed`` are of the index."""
    nodes = list(range(len(documents))) if nodes is None else list(nodes)
    sets = dict(zip(nodes, _sets(documents), strict=True))
    texts = sorted(set(documents), key=sorted)
    ranked = RankedDocuments(
        node=np.array(nodes, np.uint64),
        text=np.array([texts.index(d) if d else -1 - place for place, d in enumerate(documents)], np.int64),
        sketch_length=np.array([len(d) for d in documents], np.int64),
        from_index=np.arange(len(documents)) < indexed,
        url=None if urls is None else np.array(urls, np.int64),
    )
    if members is None:
        members = _members(nodes, list(sets.values()), first_of_run=nodes[indexed] if indexed < len(nodes) else 0)
    rule = MatchRule(threshold, "exact", HASHER.bands, scope)
    nothing = np.empty(0, np.uint32)
    found = find_removals(
        ranked, members, lambda wanted: np.concatenate([nothing, *(sets[n] for n in wanted.tolist())]), rule
    )
    fields = (field.tolist() for field in found[:4])
    return {node: Removed(kept, reason, similar / WHOLE) for node, kept, reason, similar in zip(*fields, strict=True)}


def _all_pairs(documents: Sequence[frozenset[int]], threshold: float) -> dict[int, tuple[int, float]]:
    """By the definition, with exact duplicates compared like all others: removed document to (match, similarity)."""
    bands = [set(row) for row in _bands(_sets(documents)).tolist()] if documents else []
    kept: list[int] = []
    removed = {}
    for place, document in enumerate(documents):
        matches = [
            (-len(bands[k] & bands[place]), k, jaccard(documents[k], document)) for k in kept if bands[k] & bands[place]
        ]
        matches = [m for m in matches if m[2] >= threshold]
        if matches:
            removed[place] = min(matches)[1:]
        else:
            kept.append(place)
    return removed


TEXTS = st.frozensets(st.integers(1, 12), min_size=1, max_size=9)
CORPORA = st.lists(TEXTS, min_size=1, max_size=8).flatmap(lambda pool: st.lists(st.sampled_from(pool), max_size=16)) | (
    st.lists(TEXTS, max_size=24)
)
THRESHOLDS = st.sampled_from([0.3, 0.5, 0.6667, 0.75, 1.0])


@settings(max_examples=150, deadline=None)
@given(CORPORA, THRESHOLDS, st.sampled_from([1, 9, 2**22]))
def test_removals_equal_those_of_comparing_all_pairs(
    documents: list[frozenset[int]], threshold: float, block: int
) -> None:
    """Removing exact duplicates first changes neither what is removed nor the matches of other documents."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(removals, "_BLOCK_VALUES", block)
        found = _run(documents, threshold)
    expected = _all_pairs(documents, threshold)
    assert found.keys() == expected.keys()
    sets = _sets(documents)
    for place, (kept, reason, similar) in found.items():
        first = documents.index(documents[place])
        assert reason == (EXACT if first < place else NEAR)
        assert kept not in found
        assert kept < place
        assert similar == jaccard(sets[place].tolist(), sets[kept].tolist()) >= threshold
        if first == place or first not in found:
            assert (kept, similar) == expected[place]


@needs_compiler
@pytest.mark.parametrize("common", [200, 255, 256, 300, 1000])
def test_the_compiled_pass_and_its_python_source_agree(common: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where more values are in common than a byte can count."""
    documents = [frozenset(range(start, start + common + 20)) for start in (1, 11, 10_000, 10_005, 20_000)]
    compiled = _run(documents, 0.7)
    monkeypatch.setattr(removals, "GreedyPass", uncompiled(greedy_pass).GreedyPass)
    assert _run(documents, 0.7) == compiled
    assert compiled.keys() == {1, 3}


@settings(max_examples=60, deadline=None)
@given(CORPORA, THRESHOLDS, st.randoms(use_true_random=False))
def test_names_and_order_of_members_do_not_matter(
    documents: list[frozenset[int]], threshold: float, random: object
) -> None:
    """With other node numbers, other bucket names and shuffled rows, removals and matches are the same."""
    names = list(range(100, 100 + len(documents)))
    random.shuffle(names)  # type: ignore[attr-defined]
    members = _members(names, _sets(documents)) if documents else BucketMembers(*[np.empty(0, np.uint64)] * 2)
    rows = list(zip((members.bucket ^ ~BAND_MASK).tolist(), members.node.tolist(), strict=True))
    random.shuffle(rows)  # type: ignore[attr-defined]
    shuffled = BucketMembers(*np.array(rows, np.uint64).reshape(-1, 2).T)
    found = _run(documents, threshold, nodes=names, members=shuffled)
    assert found == {names[n]: r._replace(match=names[r.match]) for n, r in _run(documents, threshold).items()}


@settings(max_examples=200, deadline=None)
@given(CORPORA, CORPORA, THRESHOLDS, st.sampled_from([1, 2, 64]))
def test_an_index_removes_what_deduplicating_together_removes(
    old: list[frozenset[int]], new: list[frozenset[int]], threshold: float, listed: int
) -> None:
    """Deduplicating old ∪ new equals deduplicating old, and then new against what was kept of it; capped or not.

    The same documents are removed. Only for copies of a text that the first run removed may the second run report
    something else, since it does not see that text: a near instead of an exact duplicate, or another matching document.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidate_lists, "LIST_CAPACITY", listed)
        together = _run([*old, *new], threshold)
        alone = _run(old, threshold)
        kept = [n for n in range(len(old)) if n not in alone]
        nodes = [*kept, *range(len(old), len(old) + len(new))]
        later = _run([([*old, *new])[n] for n in nodes], threshold, nodes=nodes, indexed=len(kept))
    assert alone.keys() | later.keys() == together.keys()
    assert not alone.keys() & later.keys()
    removed_nodes = {old[n] for n in alone if alone[n].reason == NEAR}
    for node, removed in (alone | later).items():
        if node < len(old) or new[node - len(old)] not in removed_nodes:
            assert removed == together[node]


class Page(NamedTuple):
    words: frozenset[int]
    url: int
    """-1 for none."""


PAGES = st.lists(
    st.builds(Page, st.sampled_from([frozenset()]) | TEXTS, st.integers(-1, 4)), min_size=1, max_size=10
).flatmap(
    lambda pool: st.lists(
        st.builds(Page, st.sampled_from([page.words for page in pool]), st.integers(-1, 4)) | st.sampled_from(pool),
        max_size=16,
    )
)
"""Some texts appear under several URLs, and some URLs with several texts."""


def _matches(pages: Sequence[Page], threshold: float, indexed: int, scope: Scope) -> dict[int, list[int]]:
    """By the definition: each removed document, and the kept documents ranked before it that it matches."""
    bands = [set(row) for row in _bands(_sets([page.words for page in pages])).tolist()] if pages else []
    kept: list[int] = []
    removed_nodes = {}
    for place, page in enumerate(pages):

        def match(k: int, page: Page = page, place: int = place) -> bool:
            other = pages[k]
            similar = bool(bands[k] & bands[place]) and jaccard(other.words, page.words) >= threshold
            return page.url == other.url >= 0 or (bool(page.words and other.words) and similar)

        found = [k for k in kept if match(k) and (scope == "all" or k < indexed)]
        if found and place >= indexed:
            removed_nodes[place] = found
        else:
            kept.append(place)
    return removed_nodes


def _run_pages(pages: Sequence[Page], threshold: float, **more: Any) -> dict[int, Removed]:
    return _run([page.words for page in pages], threshold, urls=[page.url for page in pages], **more)


@settings(max_examples=300, deadline=None)
@given(PAGES, THRESHOLDS, st.integers(0, 6), st.sampled_from(["all", "index"]), st.sampled_from([1, 2**22]))
def test_removals_with_urls_equal_those_of_comparing_all_pairs(
    pages: list[Page], threshold: float, indexed: int, scope: Scope, block: int
) -> None:
    """For documents that share texts, URLs or buckets, in either scope; and the reported matches are correct."""
    indexed = min(indexed, len(pages))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(removals, "_BLOCK_VALUES", block)
        found = _run_pages(pages, threshold, indexed=indexed, scope=scope)
    expected = _matches(pages, threshold, indexed, scope)
    assert found.keys() == expected.keys()
    for place, (kept, reason, similar) in found.items():
        assert kept in expected[place]
        if reason == SAME_URL:
            assert pages[place].url == pages[kept].url >= 0
            assert similar == NOT_COMPARED / WHOLE
        else:
            assert similar == jaccard(pages[place].words, pages[kept].words) >= threshold
        if reason == EXACT:
            assert pages[place].words in [page.words for page in pages[: indexed if scope == "index" else place]]


@settings(max_examples=300, deadline=None)
@given(PAGES, PAGES, THRESHOLDS, st.sampled_from([1, 2, 64]))
def test_an_index_with_urls_removes_what_deduplicating_together_removes(
    old: list[Page], new: list[Page], threshold: float, listed: int
) -> None:
    """The same documents are removed, whether or not lists are capped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidate_lists, "LIST_CAPACITY", listed)
        together = _run_pages([*old, *new], threshold)
        alone = _run_pages(old, threshold)
        kept = [n for n in range(len(old)) if n not in alone]
        nodes = [*kept, *range(len(old), len(old) + len(new))]
        every = [*old, *new]
        later = _run_pages([every[n] for n in nodes], threshold, nodes=nodes, indexed=len(kept))
    assert alone.keys() | later.keys() == together.keys()
    assert not alone.keys() & later.keys()


def test_copies_of_a_text_removed_by_url_are_compared() -> None:
    """b has a's URL and is removed; c has b's text, another URL, and is kept; d has that text too and is removed."""
    one, other = frozenset(range(1, 50)), frozenset(range(100, 150))
    pages = [Page(one, 7), Page(other, 7), Page(other, 8), Page(other, -1)]
    assert _run_pages(pages, 0.5) == {1: Removed(0, SAME_URL, NOT_COMPARED / WHOLE), 3: Removed(2, EXACT, 1.0)}


def test_colliding_url_buckets_remove_nothing() -> None:
    nodes = np.arange(3, dtype=np.uint64)
    ranked = RankedDocuments(nodes, np.arange(3), np.zeros(3, np.int64), np.zeros(3, bool), np.array([0, 1, 0]))
    members = BucketMembers(np.full(3, 5 << 12, np.uint64) | URL_BAND, nodes)
    found = find_removals(ranked, members, lambda asked: np.zeros(0, np.uint32), MatchRule(0.7, "none", 1))
    assert found.node.tolist() == [2]
    assert found.reason.tolist() == [SAME_URL]


def test_a_removed_document_removes_no_others_by_its_url() -> None:
    """c has the URL of b, which is removed because of a's text."""
    one, other = frozenset(range(1, 50)), frozenset(range(100, 150))
    pages = [Page(one, 7), Page(one, 8), Page(other, 8)]
    assert _run_pages(pages, 0.5) == {1: Removed(0, EXACT, 1.0)}


def test_scope_index_keeps_duplicates_within_the_run() -> None:
    """Copies of an indexed document are removed; copies, equal URLs and near-duplicates within the run are kept."""
    old, new = frozenset(range(1, 50)), frozenset(range(100, 150))
    near = [frozenset(range(200, 250)), frozenset(range(201, 251))]
    pages = [
        Page(old, 7),
        Page(old, -1),
        Page(new, -1),
        Page(new, 7),
        Page(old, 9),
        Page(near[0], 9),
        Page(near[1], -1),
    ]
    expected = {1: Removed(0, EXACT, 1.0), 3: Removed(0, SAME_URL, NOT_COMPARED / WHOLE), 4: Removed(0, EXACT, 1.0)}
    assert _run_pages(pages, 0.5, indexed=1, scope="index") == expected
    assert _run_pages(pages, 0.5, indexed=1).keys() == {1, 3, 4, 6}


def _capped(documents: Sequence[frozenset[int]], threshold: float, listed: int) -> set[int]:
    """The removed documents by the definition of capped lists."""
    bands = _bands(_sets(documents)).tolist() if documents else []
    lists: dict[tuple[int, ...], list[int]] = {}
    removed_nodes = set()

    def paths(place: int) -> list[list[tuple[int, ...]]]:
        around = [*bands[place], *bands[place]]
        return [
            [tuple(around[first : first + length]) for length in range(1, candidate_lists.LIST_LEVELS + 1)]
            for first in range(HASHER.bands)
        ]

    for place, document in enumerate(documents):
        met = set()
        for path in paths(place):
            for name in path:
                found = lists.get(name, [])
                met |= set(found)
                if len(found) < listed:
                    break
        if document in documents[:place] or any(jaccard(documents[m], document) >= threshold for m in met):
            removed_nodes.add(place)
            continue
        for path in paths(place):
            room = [name for name in path if len(lists.get(name, [])) < listed]
            if room:
                lists.setdefault(room[0], []).append(place)
    return removed_nodes


@settings(max_examples=150, deadline=None)
@given(st.lists(TEXTS, max_size=24, unique=True), THRESHOLDS, st.sampled_from([1, 2, 3]))
def test_capped_buckets_branch_by_the_next_bands(
    documents: list[frozenset[int]], threshold: float, listed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidate_lists, "LIST_CAPACITY", listed)
        found = _run(documents, threshold)
    assert found.keys() == _capped(documents, threshold, listed)


def test_kept_documents_beyond_a_first_list_are_reported_as_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three dissimilar documents, one bucket, lists of two: the third is capped and not compared by that bucket."""
    monkeypatch.setattr(candidate_lists, "LIST_CAPACITY", 2)
    documents = [*_blocks_of(50, 1, 101, 201), frozenset(range(202, 251))]
    nodes = np.arange(4, dtype=np.uint64)
    sets = _sets(documents)
    ranked = RankedDocuments(nodes, nodes.astype(np.int64), np.array([len(s) for s in sets]), np.zeros(4, bool))

    def capped(members: BucketMembers) -> tuple[list[int], list[int]]:
        rule = MatchRule(0.9, "exact", 2)
        found = find_removals(ranked, members, lambda n: np.concatenate([sets[i] for i in n.tolist()]), rule)
        return found.node.tolist(), found.capped.tolist()

    first = np.zeros(4, np.uint64)
    assert capped(BucketMembers(first, nodes)) == ([], [2, 3])
    second = np.array([1, 1], np.uint64)  # a bucket of the next band, shared by the two similar documents
    branch = BucketMembers(np.concatenate([first, second]), np.concatenate([nodes, nodes[2:]]))
    assert capped(branch) == ([3], [2])


@pytest.mark.parametrize(
    ("verify", "threshold", "matches"),
    [("estimate", 0.75, True), ("estimate", 0.7501, False), ("none", 1.0, True), ("exact", 0.75, False)],
)
def test_each_comparison_verifies_what_it_should(verify: Verify, threshold: float, matches: bool) -> None:
    """Two signatures are equal in three of four places; as sets they share three of five values."""
    values = {0: np.array([4, 2, 9, 7], np.uint32), 1: np.array([4, 2, 8, 7], np.uint32)}
    if verify == "exact":
        values = {node: np.sort(signature) for node, signature in values.items()}
    nodes = np.arange(2, dtype=np.uint64)
    ranked = RankedDocuments(nodes, nodes.astype(np.int64), np.full(2, 4), np.zeros(2, bool))
    members = BucketMembers(np.zeros(2, np.uint64), nodes)
    wanted = find_removals(
        ranked, members, lambda n: np.concatenate([values[i] for i in n.tolist()]), MatchRule(threshold, verify, 1)
    )
    assert bool(len(wanted.node)) == matches
    assert wanted.similarity.tolist() == ([{"estimate": 7500, "none": NOT_COMPARED}[verify]] if matches else [])


def _blocks_of(size: int, *starts: int) -> list[frozenset[int]]:
    return [frozenset(range(start, start + size)) for start in starts]


def test_the_end_of_a_chain_is_kept() -> None:
    """a ~ b ~ c, where a and c are not similar: b is removed and c is kept, though all three are one component."""
    documents = _blocks_of(90, 1, 11, 21)  # neighbors 80/100, ends 70/110
    everyone = BucketMembers(np.zeros(3, np.uint64), np.arange(3, dtype=np.uint64))
    assert _run(documents, 0.75, members=everyone) == {1: Removed(0, NEAR, 0.8)}


@pytest.mark.parametrize(("threshold", "matches"), [(0.8, True), (0.8001, False), (0.7999, True)])
def test_documents_at_the_threshold_match(threshold: float, matches: bool) -> None:
    everyone = BucketMembers(np.zeros(2, np.uint64), np.arange(2, dtype=np.uint64))
    assert bool(_run(_blocks_of(90, 1, 11), threshold, members=everyone)) == matches


def test_similarity_is_rounded_before_it_decides() -> None:
    """2/3 is 0.6667 to four digits."""
    everyone = BucketMembers(np.zeros(2, np.uint64), np.arange(2, dtype=np.uint64))
    documents = [frozenset([1, 2, 3]), frozenset([1, 2])]
    assert _run(documents, 0.6667, members=everyone) == {1: Removed(0, NEAR, 0.6667)}
    assert _run(documents, 0.6668, members=everyone) == {}


def test_documents_without_a_shared_bucket_are_not_compared() -> None:
    apart = BucketMembers(np.array([1, 2], np.uint64), np.array([0, 1], np.uint64))
    assert _run(_blocks_of(90, 1, 2), 0.5, members=apart) == {}


def test_exact_duplicates_need_no_sketches() -> None:
    nodes = np.arange(3, dtype=np.uint64)
    ranked = RankedDocuments(nodes, np.array([7, 7, 7]), np.array([4, 4, 4]), np.zeros(3, bool))
    members = BucketMembers(np.zeros(3, np.uint64), nodes)

    def refuse(wanted: UInt64s) -> UInt32s:
        raise AssertionError(f"asked for {wanted}")

    found = find_removals(ranked, members, refuse, MatchRule(0.7, "exact", 1))
    assert found.node.tolist() == [1, 2]
    assert found.match.tolist() == [0, 0]
    assert found.reason.tolist() == [EXACT, EXACT]
    assert found.similarity.tolist() == [WHOLE, WHOLE]


def test_documents_without_words_match_only_by_url() -> None:
    documents = [frozenset[int](), frozenset([1, 2]), frozenset[int](), frozenset[int]()]
    assert _run(documents, 0.5) == {}
    assert _run(documents, 0.5, urls=[4, 4, 5, 4]) == {
        1: Removed(0, SAME_URL, NOT_COMPARED / WHOLE),
        3: Removed(0, SAME_URL, NOT_COMPARED / WHOLE),
    }


def test_documents_of_the_index_are_kept_though_similar() -> None:
    everyone = BucketMembers(np.zeros(3, np.uint64), np.arange(3, dtype=np.uint64))
    documents = _blocks_of(90, 1, 2, 3)
    assert _run(documents, 0.9, members=everyone, indexed=2) == {2: Removed(0, NEAR, 0.9565)}
    assert _run(documents, 0.97, members=everyone, indexed=2) == {2: Removed(1, NEAR, 0.978)}


def test_bucket_members_that_are_not_ranked_are_ignored() -> None:
    everyone = BucketMembers(np.zeros(3, np.uint64), np.array([5, 6, 7], np.uint64))
    documents = _blocks_of(90, 1, 2)
    assert _run(documents, 0.9, nodes=[5, 7], members=everyone) == {7: Removed(5, NEAR, 0.978)}


def test_sketches_are_freed_when_no_later_document_shares_their_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pair of documents is its own block: at most the sketches of one pair are loaded."""
    pairs = 20
    documents = [d for pair in range(pairs) for d in _blocks_of(50, 1000 * pair + 1, 1000 * pair + 41)]
    nodes = np.arange(2 * pairs, dtype=np.uint64)
    ranked = RankedDocuments(nodes, nodes.astype(np.int64), np.full(2 * pairs, 50), np.zeros(2 * pairs, bool))
    sets, held = _sets(documents), []

    class Watched(GreedyPass):  # type: ignore[misc]
        def run(self, first: int, last: int, values: UInt32s, *where: Any) -> None:
            held.append(len(values))
            super().run(first, last, values, *where)

    monkeypatch.setattr(removals, "_BLOCK_VALUES", 100)
    monkeypatch.setattr(removals, "GreedyPass", Watched)
    members = BucketMembers(nodes // np.uint64(2) << np.uint64(12), nodes)
    rule = MatchRule(0.9, "exact", 1)
    assert not len(find_removals(ranked, members, lambda n: np.concatenate([sets[i] for i in n.tolist()]), rule).node)
    assert held == [100] * pairs


def _fingerprints(rows: list[dict[str, object]]) -> pa.Table:
    usual = {"source": "web", "date": None, "words": 10, "shingles": 6, "id": b"\0" * 16, "text_hash": b"\0" * 16}
    schema = fingerprint_schema(urls=any("url_hash" in row for row in rows))
    return pa.Table.from_pylist([{"row": i, **usual, **r} for i, r in enumerate(rows)], schema)


def _zeros(count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros(count, np.int64), np.zeros(count, np.int64)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"source": "books", "quality": 0.1}, {"source": "web", "quality": 0.9}),
        ({"quality": 0.5, "words": 1}, {"quality": 0.4, "words": 9}),
        ({"quality": -5.0}, {"quality": None}),
        ({"source": "books", "words": 1}, {"source": "web", "words": 9}),
        ({"source": "wiki"}, {"source": "web"}),
        ({"words": 11, "date": "2024"}, {"words": 10, "date": "2020"}),
        ({"date": "2020-01-01T00:00:00Z"}, {"date": "2020-01-01T00:00:01Z"}),
        ({"date": "9999-12-31T23:59:59Z"}, {"date": None}),
        ({"id": b"\1" * 16}, {"id": b"\1" * 15 + b"\2"}),
        ({"id": b"\x7f" * 16}, {"id": b"\x80" * 16}),
        ({"id": b"\1" * 16}, {"id": b"\1" * 16}),
    ],
)
def test_rank_order(better: dict[str, object], worse: dict[str, object]) -> None:
    for rows, nodes in (([better, worse], [1, 2]), ([worse, better], [2, 1])):
        found = rank_documents(_fingerprints(rows), np.array(nodes, np.uint64), *_zeros(2), ("books", "wiki"))
        assert found.node.tolist() == [1, 2]


def test_earlier_generations_rank_first() -> None:
    table = _fingerprints([{"words": 99}, {"words": 1}, {"words": 5}, {"words": 50}])
    found = rank_documents(table, np.arange(4, dtype=np.uint64), np.array([0, -2, -1, -1]), np.zeros(4, np.int64))
    assert found.node.tolist() == [1, 3, 2, 0]
    assert found.from_index.tolist() == [True, True, True, False]


def test_urls_are_equal_if_their_hashes_are_and_texts_without_words_never() -> None:
    rows = [{"url_hash": url, "words": words} for url, words in ((b"a" * 16, 3), (None, 2), (b"a" * 16, 0), (None, 0))]
    found = rank_documents(_fingerprints(rows), np.arange(4, dtype=np.uint64), *_zeros(4))
    assert found.url is not None
    assert found.url[0] == found.url[2] >= 0
    assert found.url[1] == found.url[3] == -1
    assert len(set(found.text.tolist())) == 3  # two with words and equal hashes, and each of the others by itself
    assert rank_documents(_fingerprints([{}]), np.arange(1, dtype=np.uint64), *_zeros(1)).url is None


def test_texts_are_equal_if_their_hashes_are() -> None:
    table = _fingerprints([{"text_hash": bytes([t]) * 16, "shingles": t, "id": bytes([9 - t]) * 16} for t in (1, 2, 3)])
    twice = pa.concat_tables([table, table])  # two chunks, each with its own dictionary
    sketches = np.array([1, 2, 3, 1, 2, 3])
    found = rank_documents(twice, np.arange(6, dtype=np.uint64), np.zeros(6, np.int64), sketches)
    assert found.sketch_length.tolist() == [3, 3, 2, 2, 1, 1]
    assert found.text[0] == found.text[1] != found.text[2] == found.text[3]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 400), st.integers(0, 200), st.integers(0, 200))
def test_bounds_never_reject_a_pair_at_its_own_similarity(common: int, left: int, right: int) -> None:
    """With the threshold at the pair's rounded similarity, the pair matches, however it was rounded."""
    documents = [frozenset(range(common + left)), frozenset([*range(common), *range(1000, 1000 + right)])]
    everyone = BucketMembers(np.zeros(2, np.uint64), np.arange(2, dtype=np.uint64))
    similar = rounded(common, common + left + right)
    exact = documents[0] == documents[1]
    assert _run(documents, similar, members=everyone) == {1: Removed(0, EXACT if exact else NEAR, similar)}
    assert _run(documents, similar + 1e-4, members=everyone) == ({1: Removed(0, EXACT, 1.0)} if exact else {})

"""All steps on real text: candidates against datasketch, removals against the true similarity of all pairs."""

from __future__ import annotations

import gzip
import io
import json
from itertools import combinations, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasketch import MinHash, MinHashLSH
from scipy.sparse import csr_array

from gristmill.corpus.arrays import UInt32s, UInt64s
from gristmill.corpus.words import word_hashes
from gristmill.transforms.dedup.buckets import BucketMembers, shared_buckets
from gristmill.transforms.dedup.components import connected_components
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.greedy_pass import EXACT, NEAR, WHOLE
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.rank import rank_documents
from gristmill.transforms.dedup.removals import MatchRule, Removals, find_removals
from gristmill.transforms.dedup.sign import sign_texts
from gristmill.transforms.dedup.signature_file import (
    BAND_SCHEMA,
    band_tables,
    fingerprint_table,
    join_band_rows,
    read_band_rows,
)
from tests.transforms.dedup.dedup_reference import as_sets, column, shingle_set

SECTION = DedupSection(partitions=4)
FILES = 3  # the documents are distributed over this many files in turn
Pairs = set[tuple[int, int]]
Exchanged = tuple[BucketMembers, pa.Table, UInt64s]


class Corpus(NamedTuple):
    texts: list[str]
    sets: list[UInt32s]
    signatures: UInt32s


@pytest.fixture(scope="module")
def corpus(shared_data: Path) -> Corpus:
    """1,500 pages of a templated reference, and every hundredth of them again in upper case."""
    with gzip.open(shared_data / "text" / "win32-docs-en.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, 34700, 36200)]
    texts += [text.upper() for text in texts[::100]]
    sets = [shingle_set(text, SECTION.ngram) for text in texts]
    return Corpus(texts, sets, MinHasher.from_section(SECTION).signatures(as_sets(sets)))


@pytest.fixture(scope="module")
def similarity(corpus: Corpus) -> np.ndarray:
    """True Jaccard similarity of every pair."""
    sizes = np.array([len(s) for s in corpus.sets])
    names, column = np.unique(np.concatenate(corpus.sets), return_inverse=True)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    sets = csr_array((np.ones(len(rows), np.int32), (rows, column)), shape=(len(sizes), len(names)))
    common = (sets @ sets.T).toarray()
    return np.round(common / (sizes[:, None] + sizes - common), 4)


def _number(node: int) -> int:
    """The number of a node's document in the corpus."""
    return (node & 0xFFFFFFFF) * FILES + (node >> 32)


def _through_files(texts: list[str]) -> Exchanged:
    """Sign the documents file by file, and write and read the exchange: (buckets, fingerprints, nodes)."""
    files, prints, nodes = [], [], []
    for number in range(FILES):
        own = texts[number::FILES]
        rows = np.arange(len(own), dtype=np.uint32)
        signed = sign_texts(column(own), MinHasher.from_section(SECTION), SECTION.ngram)
        ids = [f"{number + FILES * row:016}".encode() for row in range(len(own))]
        documents = pa.table({"id": pa.array(ids, pa.binary(16)), "source": ["web"] * len(own)})
        documents = documents.append_column("date", pa.nulls(len(own), pa.string()))
        prints.append(fingerprint_table(documents, rows, signed, signed.shingles.astype(np.int64)))
        nodes.append(rows.astype(np.uint64) | np.uint64(number << 32))
        buffer = io.BytesIO()
        with pq.ParquetWriter(buffer, BAND_SCHEMA) as writer:
            for table in _partitions(rows, signed.bands):
                writer.write_table(table, row_group_size=max(table.num_rows, 1))
        files.append(pq.ParquetFile(buffer))
    parts = [
        shared_buckets(*join_band_rows([read_band_rows(file, range(p, p + 2)) for file in files]))
        for p in range(0, SECTION.partitions, 2)
    ]
    return (
        BucketMembers(*map(np.concatenate, zip(*parts, strict=True))),
        pa.concat_tables(prints),
        np.concatenate(nodes),
    )


def _partitions(rows: UInt32s, bands: UInt64s) -> list[pa.Table]:
    return band_tables(np.repeat(rows, bands.shape[1]), bands.ravel(), SECTION.partitions)


@pytest.fixture(scope="module")
def exchanged(corpus: Corpus) -> Exchanged:
    return _through_files(corpus.texts)


@pytest.fixture(scope="module")
def pairs(exchanged: Exchanged) -> Pairs:
    """Documents that share a bucket."""
    members = exchanged[0]
    cuts = np.flatnonzero(np.diff(members.bucket)) + 1
    groups = [sorted(map(_number, group.tolist())) for group in np.split(members.node, cuts)]
    return {pair for group in groups for pair in combinations(group, 2)}


def _datasketch_pairs(sketches: list[MinHash]) -> Pairs:
    bands, rows = SECTION.banding
    index = MinHashLSH(num_perm=bands * rows, params=(bands, rows))
    for number, sketch in enumerate(sketches):
        index.insert(number, sketch)
    return {(a, b) for a, sketch in enumerate(sketches) for b in index.query(sketch) if a < b}


def test_candidates_equal_those_of_datasketch_for_the_same_signatures(corpus: Corpus, pairs: Pairs) -> None:
    permutations = MinHasher.from_section(SECTION)._permutations
    sketches = [MinHash(hashvalues=s, permutations=permutations, scheme="affine32") for s in corpus.signatures]
    assert _datasketch_pairs(sketches) == pairs


def test_recall_equals_that_of_datasketch(corpus: Corpus, pairs: Pairs, similarity: np.ndarray) -> None:
    """The S-curve predicts at least 92 % of the pairs with similarity 0.8; both reach that, within 3 points."""
    sketches = []
    for shingles in corpus.sets:
        sketch = MinHash(num_perm=112, hashfunc=lambda value: value)
        sketch.update_batch(shingles.tolist())
        sketches.append(sketch)
    near = set(zip(*(axis.tolist() for axis in np.nonzero(np.triu(similarity >= 0.8, 1))), strict=True))
    recall, reference = (len(near & found) / len(near) for found in (pairs, _datasketch_pairs(sketches)))
    assert len(near) > 200
    assert min(recall, reference) > 0.92
    assert abs(recall - reference) < 0.03


def _decide(corpus: Corpus, exchanged: Exchanged, select: np.ndarray | None = None) -> Removals:
    members, prints, nodes = exchanged
    chosen = np.arange(len(nodes)) if select is None else np.flatnonzero(np.isin(nodes, select))
    lengths = np.array([len(corpus.sets[_number(node)]) for node in nodes[chosen].tolist()], np.int64)
    ranked = rank_documents(prints.take(chosen), nodes[chosen], np.zeros(len(chosen), np.int64), lengths)
    rule = MatchRule(SECTION.threshold, "exact", SECTION.banding[0])
    return find_removals(ranked, members, lambda n: np.concatenate([corpus.sets[_number(i)] for i in n.tolist()]), rule)


def test_removed_documents_match_a_kept_one_ranked_before(
    corpus: Corpus, exchanged: Exchanged, pairs: Pairs, similarity: np.ndarray
) -> None:
    words = [len(word_hashes(text)) for text in corpus.texts]
    order = sorted(range(len(words)), key=lambda number: (-words[number], number))
    kept: list[int] = []
    for number in order:
        mates = [k for k in kept if (min(k, number), max(k, number)) in pairs]
        if not any(similarity[k, number] >= SECTION.threshold for k in mates):
            kept.append(number)
    found = _decide(corpus, exchanged)
    removed = {_number(node) for node in found.node.tolist()}
    assert removed == set(order) - set(kept)
    assert len(removed) > 100
    assert not len(found.capped)
    for node, match, reason, similar in zip(*(field.tolist() for field in found[:4]), strict=True):
        assert similar / WHOLE == similarity[_number(node), _number(match)]
        assert _number(match) in set(kept)
        assert reason == (EXACT if _number(node) >= 1500 else NEAR)  # the copies in upper case


def test_components_can_be_decided_separately(corpus: Corpus, exchanged: Exchanged) -> None:
    whole = _decide(corpus, exchanged)
    found = connected_components(exchanged[0])
    parts = [_decide(corpus, exchanged, found.node[found.label % 5 == part]) for part in range(5)]
    one_by_one = {row for part in parts for row in zip(*(field.tolist() for field in part[:4]), strict=True)}
    assert one_by_one == set(zip(*(field.tolist() for field in whole[:4]), strict=True))

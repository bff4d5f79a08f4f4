"""All steps in a row on real text: against datasketch on the way, against every pair's true similarity at the end."""

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

from gristmill.corpus.words import word_hashes
from gristmill.transforms.dedup.buckets import Members, shared
from gristmill.transforms.dedup.components import components
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.greedy import Removals, Rule, greedy
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.passing import EXACT, NEAR, WHOLE
from gristmill.transforms.dedup.rank import ranked
from gristmill.transforms.dedup.shingles import UInt32s, UInt64s
from gristmill.transforms.dedup.sign import sign
from gristmill.transforms.dedup.signature_file import (
    BAND_SCHEMA,
    band_rows,
    fingerprint_table,
    join_partitions,
    partition_tables,
)
from tests.transforms.dedup.dedup_reference import as_sets, column, shingle_set

SECTION = DedupSection(partitions=4)
FILES = 3  # the corpus lies in so many files, documents dealt out in turn
Pairs = set[tuple[int, int]]


class Corpus(NamedTuple):
    texts: list[str]
    sets: list[UInt32s]
    signatures: UInt32s


@pytest.fixture(scope="module")
def corpus(shared_data: Path) -> Corpus:
    """The 1,500 pages of the set that are most alike, and every hundredth again, in capitals."""
    with gzip.open(shared_data / "text" / "win32-docs-en.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["text"] for line in islice(lines, 34700, 36200)]
    texts += [text.upper() for text in texts[::100]]
    sets = [shingle_set(text, SECTION.ngram) for text in texts]
    return Corpus(texts, sets, MinHasher.of(SECTION).signatures(as_sets(sets)))


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
    """Which document a node is."""
    return (node & 0xFFFFFFFF) * FILES + (node >> 32)


def _through_files(texts: list[str]) -> tuple[Members, pa.Table, UInt64s]:
    """Sign the documents file by file, write and read the exchange: buckets, fingerprints and their nodes."""
    files, prints, nodes = [], [], []
    for number in range(FILES):
        own = texts[number::FILES]
        rows = np.arange(len(own), dtype=np.uint32)
        signed = sign(column(own), MinHasher.of(SECTION), SECTION.ngram)
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
        shared(*join_partitions([band_rows(file, range(p, p + 2)) for file in files]))
        for p in range(0, SECTION.partitions, 2)
    ]
    return Members(*map(np.concatenate, zip(*parts, strict=True))), pa.concat_tables(prints), np.concatenate(nodes)


def _partitions(rows: UInt32s, bands: UInt64s) -> list[pa.Table]:
    return partition_tables(np.repeat(rows, bands.shape[1]), bands.ravel(), SECTION.partitions)


@pytest.fixture(scope="module")
def exchanged(corpus: Corpus) -> tuple[Members, pa.Table, UInt64s]:
    return _through_files(corpus.texts)


@pytest.fixture(scope="module")
def pairs(exchanged: tuple[Members, pa.Table, UInt64s]) -> Pairs:
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


def test_candidates_are_those_of_datasketch_for_our_signatures(corpus: Corpus, pairs: Pairs) -> None:
    permutations = MinHasher.of(SECTION)._permutations
    sketches = [MinHash(hashvalues=s, permutations=permutations, scheme="affine32") for s in corpus.signatures]
    assert _datasketch_pairs(sketches) == pairs


def test_pairs_found_are_as_many_as_datasketch_finds(corpus: Corpus, pairs: Pairs, similarity: np.ndarray) -> None:
    """Of pairs of similarity 0.8 or more the S-curve promises 92 % and above; both find that, within 3 points."""
    sketches = []
    for shingles in corpus.sets:
        sketch = MinHash(num_perm=112, hashfunc=lambda value: value)
        sketch.update_batch(shingles.tolist())
        sketches.append(sketch)
    alike = set(zip(*(axis.tolist() for axis in np.nonzero(np.triu(similarity >= 0.8, 1))), strict=True))
    ours, theirs = (len(alike & found) / len(alike) for found in (pairs, _datasketch_pairs(sketches)))
    assert len(alike) > 200
    assert min(ours, theirs) > 0.92
    assert abs(ours - theirs) < 0.03


def _decide(corpus: Corpus, exchanged: tuple[Members, pa.Table, UInt64s], select: np.ndarray | None = None) -> Removals:
    members, prints, nodes = exchanged
    chosen = np.arange(len(nodes)) if select is None else np.flatnonzero(np.isin(nodes, select))
    lengths = np.array([len(corpus.sets[_number(node)]) for node in nodes[chosen].tolist()], np.int64)
    ranking = ranked(prints.take(chosen), nodes[chosen], np.zeros(len(chosen), np.int64), lengths)
    rule = Rule(SECTION.threshold, "exact", SECTION.banding[0])
    return greedy(ranking, members, lambda n: np.concatenate([corpus.sets[_number(i)] for i in n.tolist()]), rule)


def test_who_goes_is_who_matches_a_kept_one_ranked_before(
    corpus: Corpus, exchanged: tuple[Members, pa.Table, UInt64s], pairs: Pairs, similarity: np.ndarray
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
    for node, keeper, why, alike in zip(*(field.tolist() for field in found[:4]), strict=True):
        assert alike / WHOLE == similarity[_number(node), _number(keeper)]
        assert _number(keeper) in set(kept)
        assert why == (EXACT if _number(node) >= 1500 else NEAR)  # the page again, in capitals


def test_components_can_be_decided_one_by_one(corpus: Corpus, exchanged: tuple[Members, pa.Table, UInt64s]) -> None:
    whole = _decide(corpus, exchanged)
    found = components(exchanged[0])
    parts = [_decide(corpus, exchanged, found.node[found.label % 5 == part]) for part in range(5)]
    one_by_one = {row for part in parts for row in zip(*(field.tolist() for field in part[:4]), strict=True)}
    assert one_by_one == set(zip(*(field.tolist() for field in whole[:4]), strict=True))

"""The exchange: what is written by partition is what is read by partition."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.transforms.dedup import signature_file
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.shingles import text_hash, text_shingles
from gristmill.transforms.dedup.signature_file import (
    BAND_SCHEMA,
    FINGERPRINT_SCHEMA,
    band_rows,
    fingerprint_table,
    join_partition,
    node,
    partition_tables,
    sign,
)

HASHER = MinHasher(4, 2, seed=1)
TEXTS = ["the cat sat on the mat", "", "The cat, sat on the mat!", "a quite different text of seven words", "one"]


def _file(tables: list[pa.Table]) -> pq.ParquetFile:
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, BAND_SCHEMA) as writer:
        for table in tables:
            writer.write_table(table, row_group_size=max(table.num_rows, 1))
    return pq.ParquetFile(buffer)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=2), max_size=20),
    st.sampled_from([1, 2, 8]),
)
def test_every_row_is_in_the_partition_of_its_top_bits(bands: list[list[int]], partitions: int) -> None:
    array = np.array(bands, np.uint64).reshape(-1, 2)
    rows = np.arange(len(bands), dtype=np.uint32) + np.uint32(5)
    file = _file(partition_tables(rows, array, partitions))
    assert file.num_row_groups == partitions
    expected = sorted((band, row + 5) for row, pair in enumerate(bands) for band in pair)
    found = []
    for partition in range(partitions):
        band, nodes = join_partition([band_rows(file, partition)])
        assert all(int(b) * partitions >> 64 == partition for b in band)
        found += list(zip(band.tolist(), nodes.tolist(), strict=True))
    assert found == expected


def test_several_files_are_told_apart() -> None:
    bands = np.array([[1, 2**63]], np.uint64)
    files = [_file(partition_tables(np.array([row], np.uint32), bands, 2)) for row in (3, 4)]
    for partition, band in enumerate((1, 2**63)):
        found, nodes = join_partition([band_rows(file, partition) for file in files])
        assert found.tolist() == [band, band]
        assert nodes.tolist() == [3, (1 << 32) + 4]


def test_files_of_other_partitions_are_refused() -> None:
    bands = np.array([[1, 2**63]], np.uint64)
    files = [_file(partition_tables(np.array([0], np.uint32), bands, count)) for count in (2, 4)]
    with pytest.raises(ValueError, match=r"file 1 has 4 partitions.*dedup\.partitions"):
        join_partition([band_rows(file, 0) for file in files])


def test_no_files_no_rows() -> None:
    band, nodes = join_partition([])
    assert len(band) == len(nodes) == 0


def test_a_node_holds_the_largest_file_and_row() -> None:
    (name,) = node(2**32 - 1, np.array([2**32 - 1], np.uint32))
    assert int(name) == 2**64 - 1


@pytest.mark.parametrize("at_once", [1, 4, 2**20])
def test_signing_in_runs_gives_what_signing_one_by_one_gives(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature_file, "_SIGNED_AT_ONCE", at_once)
    signed = sign(TEXTS, HASHER, 3)
    assert signed.words.tolist() == [6, 0, 6, 7, 1]
    assert signed.shingles.tolist() == [4, 0, 4, 5, 1] == [len(text_shingles(t, 3)) for t in TEXTS]
    assert signed.bands.shape == (5, 4)
    for index, text in enumerate(TEXTS):
        alone = sign([text], HASHER, 3)
        assert alone.bands.tolist() == signed.bands[index : index + 1].tolist()
        assert alone.text_hash == signed.text_hash[index : index + 1]
    assert signed.text_hash[0] == signed.text_hash[2] != signed.text_hash[3]
    assert signed.text_hash[1] == text_hash(np.empty(0, np.uint64))


def test_signing_nothing() -> None:
    signed = sign([], HASHER, 3)
    assert len(signed.words) == len(signed.text_hash) == 0
    assert signed.bands.shape == (0, 4)


def test_fingerprints_stand_beside_their_documents() -> None:
    documents = pa.table(
        {
            "id": pa.chunked_array([pa.array([bytes([i]) * 16 for i in range(5)], pa.binary(16))]),
            "source": pa.array(["web"] * 4 + ["books"]).dictionary_encode(),
            "date": pa.array(["2024-01-01T00:00:00Z", None, None, None, None], pa.string()),
        }
    )
    rows = np.array([0, 2, 3, 7, 9], np.uint32)
    table = fingerprint_table(documents, rows, sign(TEXTS, HASHER, 3))
    assert table.schema == FINGERPRINT_SCHEMA
    assert table["row"].to_pylist() == rows.tolist()
    assert table["id"].to_pylist()[4] == b"\4" * 16
    assert table["source"].to_pylist()[4] == "books"
    assert table["shingles"].to_pylist() == [4, 0, 4, 5, 1]

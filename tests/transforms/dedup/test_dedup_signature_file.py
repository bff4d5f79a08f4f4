"""Signature files: what is written is read back, by partition and by row."""

from __future__ import annotations

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.transforms.core.exchange import node_ids
from gristmill.transforms.dedup import signature_file
from gristmill.transforms.dedup.minhash import MinHasher
from gristmill.transforms.dedup.sign import sign_texts
from gristmill.transforms.dedup.signature_file import (
    BAND_SCHEMA,
    FINGERPRINT_SCHEMA,
    band_tables,
    fingerprint_table,
    join_band_rows,
    read_band_rows,
    read_fingerprints,
    read_sketches,
)
from tests.transforms.dedup.dedup_reference import column

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
def test_rows_are_in_the_partition_of_their_top_bits(bands: list[list[int]], partitions: int) -> None:
    array = np.array(bands, np.uint64).reshape(-1, 2)
    rows = np.arange(len(bands), dtype=np.uint32) + np.uint32(5)
    file = _file(band_tables(np.repeat(rows, 2), array.ravel(), partitions))
    assert file.num_row_groups == partitions
    expected = sorted((band, row + 5) for row, pair in enumerate(bands) for band in pair)
    found = []
    for partition in range(partitions):
        band, nodes = join_band_rows([read_band_rows(file, range(partition, partition + 1))])
        assert all(int(b) * partitions >> 64 == partition for b in band)
        found += list(zip(band.tolist(), nodes.tolist(), strict=True))
    assert found == expected


def test_nodes_distinguish_files() -> None:
    bands = np.array([1, 2**63], np.uint64)
    files = [_file(band_tables(np.full(2, row, np.uint32), bands, 2)) for row in (3, 4)]
    for partition, band in enumerate((1, 2**63)):
        found, nodes = join_band_rows([read_band_rows(file, range(partition, partition + 1)) for file in files])
        assert found.tolist() == [band, band]
        assert nodes.tolist() == [3, (1 << 32) + 4]


def test_files_with_different_numbers_of_partitions_are_rejected() -> None:
    bands = np.array([1, 2**63], np.uint64)
    files = [_file(band_tables(np.zeros(2, np.uint32), bands, count)) for count in (2, 4)]
    with pytest.raises(ValueError, match=r"file 1 has 4 partitions.*dedup\.partitions"):
        join_band_rows([read_band_rows(file, range(1)) for file in files])


def test_no_files_have_no_rows() -> None:
    band, nodes = join_band_rows([])
    assert len(band) == len(nodes) == 0


def test_a_node_holds_the_largest_file_and_row() -> None:
    (name,) = node_ids(2**32 - 1, np.array([2**32 - 1], np.uint32))
    assert int(name) == 2**64 - 1


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=5), min_size=1, max_size=9), st.data())
def test_sketches_are_read_from_their_offsets(sketches: list[list[int]], data: st.DataObject) -> None:
    wanted = sorted(data.draw(st.sets(st.integers(0, len(sketches) - 1), min_size=1)))
    lengths = np.array([len(one) for one in sketches], np.int64)
    starts = lengths.cumsum() - lengths
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(signature_file, "_MAX_GAP", 2)
        path = Path(folder, "sketches.bin")
        path.write_bytes(np.array([value for one in sketches for value in one], "<u4").tobytes())
        found = read_sketches(str(path), starts[wanted], lengths[wanted])
    assert found.tolist() == [value for one in wanted for value in sketches[one]]


@pytest.mark.parametrize("rows", [[0], [4], [1, 2, 5], [0, 1, 2, 4, 5, 9]])
def test_fingerprints_are_read_by_row(rows: list[int], tmp_path: Path) -> None:
    documents = pa.table(
        {
            "id": pa.array([bytes([i]) * 16 for i in range(6)], pa.binary(16)),
            "source": ["web"] * 6,
            "date": pa.nulls(6, pa.string()),
            "quality": [0.12346, None, 2.0, 3.0, 4.0, 5.0],
        }
    )
    every = np.array([0, 1, 2, 4, 5, 9], np.uint32)
    signed = sign_texts(column(["a b c d e"] * 6), HASHER, 3)
    table = fingerprint_table(documents, every, signed, np.full(6, 3))
    path = str(tmp_path / "fingerprints.parquet")
    with pq.ParquetWriter(path, FINGERPRINT_SCHEMA) as writer:
        for begin, end in ((0, 2), (2, 2), (2, 5), (5, 6)):
            writer.write_table(table.slice(begin, end - begin), row_group_size=6)
    found = read_fingerprints(path, np.array(rows, np.uint32))
    assert found["row"].to_pylist() == rows
    assert found["sketch"].to_pylist() == [3 * every.tolist().index(row) for row in rows]
    assert found["quality"].to_pylist()[0] == (pytest.approx(0.1235) if rows[0] == 0 else found["quality"][0].as_py())


def test_fingerprint_table_keeps_the_documents_columns() -> None:
    documents = pa.table(
        {
            "id": pa.chunked_array([pa.array([bytes([i]) * 16 for i in range(5)], pa.binary(16))]),
            "source": pa.array(["web"] * 4 + ["books"]).dictionary_encode(),
            "date": pa.array(["2024-01-01T00:00:00Z", None, None, None, None], pa.string()),
        }
    )
    rows = np.array([0, 2, 3, 7, 9], np.uint32)
    table = fingerprint_table(documents, rows, sign_texts(column(TEXTS), HASHER, 3), np.array([4, 0, 4, 5, 1]))
    assert table.schema == FINGERPRINT_SCHEMA
    assert table["row"].to_pylist() == rows.tolist()
    assert table["id"].to_pylist()[4] == b"\4" * 16
    assert table["source"].to_pylist()[4] == "books"
    assert table["shingles"].to_pylist() == [4, 0, 4, 5, 1]
    assert table["sketch"].to_pylist() == [0, 4, 4, 8, 13]

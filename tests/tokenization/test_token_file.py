"""Token files: the index locates the tokens of every document, by bucket, followed by a separator."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.tokenization.token_batch import TokenBatch
from gristmill.tokenization.token_file import (
    TOKEN_INDEX_SCHEMA,
    TokenFile,
    bucket_rows,
    build_token_file,
    document_buckets,
    read_bucket,
)

EOS = 9
documents_of = st.lists(
    st.tuples(st.binary(min_size=16, max_size=16), st.lists(st.integers(0, 8), max_size=5)),
    max_size=25,
    unique_by=lambda document: document[0],
)


def build(documents: list[tuple[bytes, list[int]]], buckets: int, dtype: str = "<u2") -> TokenFile:
    tokens = np.array([token for _, document_tokens in documents for token in document_tokens], dtype)
    batch = TokenBatch(tokens, np.array([len(document_tokens) for _, document_tokens in documents], np.int64))
    ids = pa.array([name for name, _ in documents], pa.binary(16))
    return build_token_file(ids, "web", batch, eos_id=EOS, buckets=buckets, seed=3)


@settings(max_examples=60, deadline=None)
@given(documents_of, st.sampled_from([1, 2, 16]), st.sampled_from(["<u2", "<u4"]))
def test_the_index_matches_the_payload(documents: list[tuple[bytes, list[int]]], buckets: int, dtype: str) -> None:
    built = build(documents, buckets, dtype)
    assert built.payload.dtype == dtype
    rows = built.index.to_pylist()
    assert {row["id"]: built.payload[row["start"] : row["end"]].tolist() for row in rows} == {
        name: [*tokens, EOS] for name, tokens in documents
    }
    assert [row["start"] for row in rows] == [0, *(row["end"] for row in rows)][: len(rows)]
    position = {name: position for position, (name, _) in enumerate(documents)}
    order = [(row["bucket"], position[row["id"]]) for row in rows]
    assert order == sorted(order)
    assert {row["source"] for row in rows} <= {"web"}
    assert built.bucket_tokens.sum() == len(built.payload)

    file = BytesIO()
    with pq.ParquetWriter(file, TOKEN_INDEX_SCHEMA) as writer:
        for table in bucket_rows(built):
            writer.write_table(table)
    for bucket in range(buckets):
        part = read_bucket(file, bucket)
        assert part.schema.equals(TOKEN_INDEX_SCHEMA)
        assert part.to_pylist() == [row for row in rows if row["bucket"] == bucket]
        assert part.num_rows == built.bucket_documents[bucket]
        assert sum(row["end"] - row["start"] for row in part.to_pylist()) == built.bucket_tokens[bucket]
    with pytest.raises(ValueError, match="no bucket"):
        read_bucket(file, buckets)


def test_buckets_depend_on_id_and_seed_only_and_are_even() -> None:
    ids = pa.array([place.to_bytes(16, "little") for place in range(8000)], pa.binary(16))
    buckets = document_buckets(ids, 8, seed=0)
    assert (document_buckets(ids[::-1], 8, seed=0)[::-1] == buckets).all()
    assert (document_buckets(ids, 8, seed=1) != buckets).any()
    assert abs(np.bincount(buckets, minlength=8) - 1000).max() < 150


def test_numbers_that_disagree_are_rejected() -> None:
    ids = pa.array([b"x" * 16], pa.binary(16))
    for batch in (TokenBatch(np.zeros(2, "<u2"), np.array([1])), TokenBatch(np.zeros(2, "<u2"), np.array([1, 1]))):
        with pytest.raises(ValueError, match="disagree"):
            build_token_file(ids, "web", batch, eos_id=EOS, buckets=1, seed=0)

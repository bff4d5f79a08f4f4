"""A sample of what ``gigatoken`` encoded is compared with ``tokenizers``."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from gristmill.errors import RunError
from gristmill.tokenization import encoding_check
from gristmill.tokenization.encoding_check import require_same_tokens
from gristmill.tokenization.giga_encoder import GigaEncoder
from gristmill.tokenization.token_batch import TokenBatch
from gristmill.tokenization.token_encoder import Encoder


@pytest.fixture
def encoder(tokenizer_json: str) -> Encoder:
    return Encoder(tokenizer_json)


def block(texts: list[str]) -> pa.Table:
    ids = [place.to_bytes(16, "little") for place in range(len(texts))]
    return pa.table({"id": pa.array(ids, pa.binary(16)), "text": pa.array(texts, pa.large_string())})


def compared(encoder: Encoder, documents: pa.Table) -> list[str]:
    """Return the texts that are encoded by ``tokenizers``, when nothing differs."""
    seen: list[str] = []
    batch, slowly = encoder.encode_column(documents["text"]), encoder.encode_column_slowly
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoder, "encode_column_slowly", lambda texts: (seen.extend(texts.to_pylist()), slowly(texts))[1])
        require_same_tokens(encoder, documents, batch, "t.json")
    return seen


def test_the_sample_is_small_and_does_not_depend_on_the_order(encoder: Encoder) -> None:
    documents = block([f"document {place} of many" for place in range(20_000)])
    sample = compared(encoder, documents)
    size = sum(map(len, documents["text"].to_pylist()))
    assert 0.5 * size / encoding_check.SAMPLED < sum(map(len, sample)) <= size / encoding_check.SAMPLED
    assert encoding_check.SAMPLED >= 1000
    backwards = documents.take(pa.array(range(documents.num_rows))[::-1])
    assert compared(encoder, backwards) == sample


@pytest.mark.parametrize(
    ("texts", "sample"),
    [
        ([], []),
        (["one"], ["one"]),
        ([""], [""]),
        (["é" * 5000], ["é" * (encoding_check.LEAST_BYTES // 2)]),
        (["x" + "é" * 5000], ["x" + "é" * (encoding_check.LEAST_BYTES // 2 - 1)]),
    ],
)
def test_at_least_one_document_or_its_beginning_is_compared(
    encoder: Encoder, texts: list[str], sample: list[str]
) -> None:
    assert compared(encoder, block(texts)) == sample


@pytest.mark.parametrize("texts", [["one two"] * 1, ["one two three"] * 30_000], ids=["beginning", "whole documents"])
def test_a_difference_names_document_and_tokenizer(
    encoder: Encoder, texts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = GigaEncoder.encode

    def wrong(self: GigaEncoder, column: pa.Array, dtype: np.dtype) -> TokenBatch:
        batch = encode(self, column, dtype)
        return batch._replace(tokens=batch.tokens ^ 1)

    monkeypatch.setattr(GigaEncoder, "encode", wrong)
    documents = block(texts)
    with pytest.raises(
        RunError, match=r"encode document [0-9a-f]{32} differently with the tokenizer t\.json: "
    ) as raised:
        require_same_tokens(encoder, documents, encoder.encode_column(documents["text"]), "t.json")
    assert str(raised.value).isprintable()


def test_a_tokenizer_that_gigatoken_does_not_apply_is_not_compared(
    encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "_giga", None)
    monkeypatch.setattr(encoder, "encode_column_slowly", None)
    require_same_tokens(encoder, block(["one"]), TokenBatch(np.array([1]), np.array([1])), "t.json")

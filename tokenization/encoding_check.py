"""Compares a sample of the documents that ``gigatoken`` encoded with the tokens that ``tokenizers`` returns."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.errors import RunError
from gristmill.tokenization.id_hashing import hash_key, id_words, seeded_order
from gristmill.tokenization.token_batch import TokenBatch
from gristmill.tokenization.token_encoder import Encoder

SAMPLED = 4000
"""One byte in so many is compared: about a hundredth of the time, as ``tokenizers`` is some forty times as slow."""

LEAST_BYTES = 1024
"""Bytes of a document that are compared if a sample holds no whole document."""


def require_same_tokens(encoder: Encoder, documents: pa.Table, batch: TokenBatch, tokenizer: str) -> None:
    """Raise RunError if ``tokenizers`` encodes a sampled document of a block in another way than in ``batch``.

    The sample is the documents whose ids have the least hashes, so it does not depend on their order. If the first of
    them is larger than the sample may be, the beginning of its text is compared.

    Args:
        encoder: made ``batch``.
        documents: the block, with ``id`` and ``text``.
        batch: their tokens.
        tokenizer: names the tokenizer in the error.
    """
    if not encoder.is_accelerated or not documents.num_rows:
        return
    sizes = pc.binary_length(documents["text"]).to_numpy()
    order = seeded_order(id_words(documents["id"]), hash_key("encoding check"))
    rows = order[np.cumsum(sizes[order]) <= sizes.sum() // SAMPLED]
    if len(rows):
        sample, encoded = documents["text"].take(pa.array(rows)).combine_chunks(), batch.select(rows)
    else:
        rows = order[:1]
        sample = _beginning(documents["text"], int(rows[0]), max(int(sizes.sum()) // SAMPLED, LEAST_BYTES))
        encoded = encoder.encode_column(sample)
    expected = encoder.encode_column_slowly(sample)
    for row, tokens, right in zip(rows.tolist(), encoded.documents(), expected.documents(), strict=True):
        if not np.array_equal(tokens, right):
            raise RunError(
                f"gigatoken and tokenizers encode document {documents['id'][row].as_py().hex()} differently with the "
                f"tokenizer {tokenizer}: install the versions of both that constraints.txt pins"
            )


def _beginning(texts: pa.ChunkedArray, row: int, size: int) -> pa.Array:
    """Return one text of a column, cut to ``size`` bytes where a character ends."""
    return pa.array([texts[row].as_py().encode()[:size].decode(errors="ignore")], pa.large_string())

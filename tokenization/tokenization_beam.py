"""PTransforms of tokenization: one task samples documents and trains a tokenizer, then every unit is encoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gristmill.corpus.record import UnitSummary
from gristmill.store import storage
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.store.group_counts import GROUPS, GroupCounter
from gristmill.store.stage_directory import StageDirectory
from gristmill.tokenization.encoding_check import require_same_tokens
from gristmill.tokenization.id_hashing import id_words
from gristmill.tokenization.token_batch import TokenBatch
from gristmill.tokenization.token_encoder import Encoder, open_encoder, read_tokenizer
from gristmill.tokenization.token_file import TOKEN_INDEX_SCHEMA, bucket_rows, build_token_file
from gristmill.tokenization.tokenizer_compression import measure_compression
from gristmill.tokenization.tokenizer_sample import SampleWork, sampled
from gristmill.tokenization.tokenizer_section import TokenizerSection, TokenizeSection
from gristmill.tokenization.train_bpe import train_bpe
from gristmill.transforms.core.core_beam import MapItems, ReadUnits, WriteUnits

SAMPLE_COLUMNS = ["id", "source", "lang", "text"]


class ReadSample(ReadUnits):
    """Reads the sample of the tokenizer's only task as pairs of the rows read and the sampled rows."""

    def __init__(self) -> None:
        super().__init__(read_sample)


class TrainTokenizer(WriteUnits):
    """Writes the ``tokenizer.json`` trained on the sample or given by the recipe, and its compression of the sample."""

    def __init__(self, stage: StageDirectory, section: TokenizerSection) -> None:
        super().__init__(stage, partial(TokenizerWriter, section))


class EncodeDocuments(MapItems):
    """Maps blocks of documents to pairs of the block without its text, and the tokens."""

    def __init__(self, section: TokenizerSection, tokenizer_url: str) -> None:
        super().__init__(partial(load_encoder, section, tokenizer_url))


class WriteTokens(WriteUnits):
    """Writes the token payload and the index of documents of each unit."""

    def __init__(self, stage: StageDirectory, section: TokenizeSection, eos_id: int) -> None:
        super().__init__(stage, partial(TokenFileWriter, section, eos_id))


def read_sample(work: SampleWork) -> Iterator[tuple[int, pa.Table] | UnitSummary]:
    """Yield the sampled rows of each row group. Only ids are read from row groups without sampled rows."""
    rows = 0
    for url, threshold in work.files:
        with storage.open_input(url) as opened:
            file = pq.ParquetFile(opened)
            for group in range(file.num_row_groups):
                ids = file.read_row_group(group, ["id"])["id"]
                chosen = sampled(id_words(ids), threshold, work.seed)
                rows += len(ids)
                sampled_rows = (
                    file.read_row_group(group, SAMPLE_COLUMNS).filter(pa.array(chosen)) if chosen.any() else _NO_ROWS
                )
                yield len(ids), sampled_rows
    yield UnitSummary(rows, rows, work.rows)


class TokenizerWriter:
    """Collects the sample, about ``sample_bytes`` of text, then trains the tokenizer and writes it."""

    def __init__(self, section: TokenizerSection, attempt: Attempt) -> None:
        self.section = section
        self.tokenizer = attempt.payload("tokenizer", ".json")
        self.sample: list[pa.Table] = []
        self.seen = self.sampled = 0

    def add(self, item: tuple[int, pa.Table]) -> int:
        rows, chosen = item
        self.seen += rows
        self.sampled += chosen.num_rows
        if chosen.num_rows:
            self.sample.append(chosen)
        return rows

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        path = self.section.path
        text = read_tokenizer(path) if path else train_bpe(self._texts(), self.section)
        encoder = open_encoder(text, self.section)
        self.tokenizer.write(text.encode(), encoder.vocab_size)
        report = [
            {**row._asdict(), "bytes_per_token": row.bytes_per_token}
            for row in measure_compression(encoder, self.sample)
        ]
        summary = {
            "vocab_size": encoder.vocab_size,
            "eos_id": encoder.eos_id,
            "dtype": encoder.dtype.name,
            "compression": report,
        }
        not_sampled = self.seen - self.sampled
        counts = RecordCounts(
            end.records,
            self.sampled,
            {"not_sampled": not_sampled} if not_sampled else {},
            {},
            end.covered,
            end.expected,
        )
        return counts, summary

    def _texts(self) -> Iterator[str]:
        return (text for table in self.sample for text in table["text"].to_pylist())


class TokenFileWriter:
    """Collects the tokens of a unit in memory, two or four bytes each, then writes its files."""

    def __init__(self, section: TokenizeSection, eos_id: int, attempt: Attempt) -> None:
        self.section = section
        self.eos_id = eos_id
        self.source = ""
        self.payload = attempt.payload("tokens", ".bin")
        self.index = attempt.table("token_index", TOKEN_INDEX_SCHEMA, ".docs.parquet", beside="tokens")
        self.ids: list[pa.Array] = []
        self.batches: list[TokenBatch] = []
        self.groups = GroupCounter()

    def add(self, item: tuple[pa.Table, TokenBatch]) -> int:
        documents, batch = item
        self.source = documents["source"][0].as_py()  # a unit has one source
        self.ids.append(documents["id"].combine_chunks())
        self.batches.append(batch)
        kept, tokens = pa.nulls(documents.num_rows), pa.array(batch.lengths + 1)
        self.groups.add_columns(documents["lang"], kept, documents["text_bytes"], tokens)
        return int(documents.num_rows)

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        token_file = build_token_file(
            pa.concat_arrays([_NO_IDS, *self.ids]),
            self.source,
            *self.batches or [_NO_TOKENS],
            eos_id=self.eos_id,
            buckets=self.section.buckets,
            seed=self.section.seed,
        )
        self.payload.write(token_file.payload, len(token_file.payload))
        for rows in bucket_rows(token_file):
            self.index.write(rows)
        documents = int(token_file.bucket_documents.sum())
        summary = {
            "tokens": len(token_file.payload) - documents,
            "separators": documents,
            "bucket_tokens": token_file.bucket_tokens.tolist(),
            "bucket_documents": token_file.bucket_documents.tolist(),
            GROUPS: self.groups.rows(),
        }
        return RecordCounts(documents, documents, {}, {}, end.covered, end.expected), summary


def load_encoder(section: TokenizerSection, tokenizer_url: str) -> Callable[[pa.Table], tuple[pa.Table, TokenBatch]]:
    """Return a function from a block of documents to the block without its text, and the tokens."""
    encoder: Encoder = open_encoder(storage.read_bytes(tokenizer_url).decode(), section)

    def encode(block: pa.Table) -> tuple[pa.Table, TokenBatch]:
        batch = encoder.encode_column(block["text"])
        require_same_tokens(encoder, block, batch, section.path or tokenizer_url)
        return block.drop_columns("text"), batch

    return encode


_NO_IDS = pa.array([], TOKEN_INDEX_SCHEMA.field("id").type)
_NO_ROWS = pa.table({name: pa.array([], pa.string()) for name in SAMPLE_COLUMNS})
_NO_TOKENS = TokenBatch(np.empty(0, np.uint16), np.empty(0, np.int64))

"""Compares the speed and the tokens of the tokenize stage with ``tokenizers`` and with bare ``gigatoken``.

The texts are books, novels in two languages, PHP's manual in seven, the standard library's source and, for at most
40 %, the Win32 documentation: each document once. A tokenizer is trained on some of them. Then, on one core:

* the stage: each text is a unit, from its document file to its receipt, with the payload, the index and their sha256;
* ``encode_batch_fast`` of ``tokenizers``, over the same texts in memory;
* ``gigatoken``, a single instance, over the same columns in memory.

All three start cold, and loading a tokenizer is not counted. Times are processor time.
"""

from __future__ import annotations

import sysconfig
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import awkward as ak
import gigatoken
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.processor_time import processor_seconds
from benchmarks.harness.real_data import text_rows
from gristmill.corpus.document import DOCUMENT_SCHEMA
from gristmill.corpus.record import UnitSummary
from gristmill.store.attempts import ROW_GROUP_BYTES
from gristmill.store.stage_directory import StageDirectory
from gristmill.tokenization.giga_encoder import exact_tokenizer
from gristmill.tokenization.tokenization_beam import TokenFileWriter, load_encoder
from gristmill.tokenization.tokenizer_section import TokenizerSection, TokenizeSection
from gristmill.tokenization.tokenizer_trial import load_tokenizer
from gristmill.tokenization.train_bpe import train_bpe
from gristmill.transforms.core.row_blocks import AlignedFiles, FileColumns, read_blocks

COLLECTIONS = (
    "books-en", "eltec-deu", "eltec-fra",
    *(f"phpdoc-{lang}" for lang in ("de", "en", "es", "ja", "ru", "tr", "zh")),
)  # fmt: skip
WIN32_SHARE = 0.4
TRAINED_BYTES = 8_000_000
QUICK = 12
"""A quick run takes one document in so many."""

COLUMNS = ("id", "source", "lang", "text", "text_bytes")


class Seconds(NamedTuple):
    """Processor time for one text, and its size in UTF-8."""

    text_bytes: int
    stage: float
    tokenizers: float
    gigatoken: float

    def ratio(self, other: float) -> float:
        """How many times as fast as ``other`` the stage is."""
        return other / self.stage


def measure(options: Namespace) -> dict[str, float]:
    """Encode every text with all three; print and return the figures."""
    folder = empty_work_folder("tokenization")
    files = {name: write_documents(folder, name, texts) for name, texts in all_texts(options.quick).items()}
    tokenizer_json = train_bpe(training_texts(files), TokenizerSection())
    (folder / "tokenizer.json").write_text(tokenizer_json)

    stage = StageDirectory(str(folder), "tokenize", "benchmark")
    encode = load_encoder(TokenizerSection(), str(folder / "tokenizer.json"))
    exact = exact_tokenizer(tokenizer_json)
    if exact is None:
        raise SystemExit("gigatoken cannot apply the tokenizer exactly")
    giga = gigatoken.Tokenizer.from_json(exact)
    rows, differing = {}, 0
    for name, file in files.items():  # in turn, so that a machine that slows down slows all three
        of_stage = processor_seconds(partial(run_unit, stage, name, file, encode))
        of_giga = gigatoken_seconds(giga, file)
        of_tokenizers, count = tokenizers_seconds(tokenizer_json, file, tokens_by_id(stage, name))
        rows[name] = Seconds(text_bytes(file), of_stage, of_tokenizers, of_giga)
        differing += count
    whole = Seconds(*map(sum, zip(*rows.values(), strict=True)))
    print_table({**rows, "whole": whole})
    return {
        "ratio_tokenizers": whole.ratio(whole.tokenizers),
        "ratio_gigatoken": whole.ratio(whole.gigatoken),
        "ratio_least": min(row.ratio(row.tokenizers) for row in rows.values()),
        "differing": differing,
        "mb": whole.text_bytes / 1e6,
        "mb_per_s": whole.text_bytes / 1e6 / whole.stage,
    }


def all_texts(quick: bool) -> dict[str, list[str]]:
    """Return the documents of each text by its name."""
    step = QUICK if quick else 1
    texts = {name: [row["text"] for row in islice(text_rows(name), 0, None, step)] for name in COLLECTIONS}
    texts["stdlib"] = list(islice(standard_library(), 0, None, step))
    room = WIN32_SHARE / (1 - WIN32_SHARE) * sum(len(text.encode()) for some in texts.values() for text in some)
    texts["win32-docs-en"] = []
    for row in text_rows("win32-docs-en"):
        room -= len(row["text"].encode())
        if room < 0:
            break
        texts["win32-docs-en"].append(row["text"])
    return texts


def standard_library() -> Iterator[str]:
    """Yield the Python source files of the standard library."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(folder.rglob("*.py")):
        if "site-packages" not in path.parts:
            yield path.read_text(encoding="utf-8", errors="replace")


def write_documents(folder: Path, name: str, texts: list[str]) -> Path:
    """Write the documents of a text as the stage before does."""
    path = folder / f"{name}.parquet"
    schema = pa.schema([DOCUMENT_SCHEMA.field(column) for column in COLUMNS])
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        start = size = 0
        for place, text in enumerate(texts):
            size += len(text.encode())
            if size >= ROW_GROUP_BYTES or place == len(texts) - 1:
                writer.write_table(pa.Table.from_pylist(documents(name, start, texts[start : place + 1]), schema))
                start, size = place + 1, 0
    return path


def documents(name: str, start: int, texts: list[str]) -> list[dict[str, Any]]:
    """Return rows of a document file."""
    return [
        {
            "id": blake2b(f"{name}/{place}".encode(), digest_size=16).digest(),
            "source": name,
            "lang": None,
            "text": text,
            "text_bytes": len(text.encode()),
        }
        for place, text in enumerate(texts, start)
    ]


def training_texts(files: dict[str, Path]) -> Iterator[str]:
    """Yield documents, as many bytes of each text, about ``TRAINED_BYTES`` in all."""
    for file in files.values():
        budget = TRAINED_BYTES // len(files)
        texts = pq.read_table(file, columns=["text"])["text"].to_pylist()
        step = max(text_bytes(file) // budget, 1)
        for text in texts[:: min(step, max(len(texts) // 8, 1))]:
            if budget > 0:
                yield text[:budget]
            budget -= len(text.encode())


def text_bytes(file: Path) -> int:
    """Return the size of the texts of a document file."""
    return sum(pq.read_table(file, columns=["text_bytes"])["text_bytes"].to_pylist())


def run_unit(stage: StageDirectory, name: str, file: Path, encode: Callable[[pa.Table], Any]) -> None:
    """Do what the stage's transforms do with one unit."""
    with stage.attempt(name) as attempt:
        writer = TokenFileWriter(TokenizeSection(), 0, attempt)
        work = AlignedFiles((FileColumns(str(file), COLUMNS),), pq.ParquetFile(file).metadata.num_rows)
        for block in read_blocks(work):
            if isinstance(block, UnitSummary):
                counts, summary = writer.finish(block)
                attempt.commit({"source": name}, counts, summary)
            else:
                writer.add(encode(block))


def columns(file: Path) -> Iterator[tuple[Any, Any]]:
    """Yield the ids and the texts of each row group."""
    opened = pq.ParquetFile(file)
    for group in range(opened.num_row_groups):
        block = opened.read_row_group(group, ["id", "text"])
        yield block["id"].to_pylist(), block["text"].combine_chunks()


def gigatoken_seconds(giga: gigatoken.Tokenizer, file: Path) -> float:
    """Return the time that ``gigatoken`` takes for the columns of a file."""
    arrays = (ak.from_arrow(column) for _, column in columns(file))
    return sum(processor_seconds(partial(giga.encode_batch, array, parallel=False)) for array in arrays)


def tokenizers_seconds(tokenizer_json: str, file: Path, expected: dict[bytes, Any]) -> tuple[float, int]:
    """Return the time that ``tokenizers`` takes for a file, and in how many documents the stage's tokens differ."""
    tokenizer = load_tokenizer(tokenizer_json)
    seconds, differing = 0.0, 0
    for ids, column in columns(file):
        texts = column.to_pylist()
        for first in range(0, len(texts), 256):
            start = time.process_time()
            encodings = tokenizer.encode_batch_fast(texts[first : first + 256], add_special_tokens=False)
            seconds += time.process_time() - start
            for document, encoding in zip(ids[first:], encodings, strict=False):
                differing += not np.array_equal(expected[document], encoding.ids)
    return seconds, differing


def tokens_by_id(stage: StageDirectory, unit: str) -> dict[bytes, Any]:
    """Return the tokens of each document that the stage wrote, without the separator."""
    receipt = stage.receipt(unit)
    payload = np.fromfile(stage.file_url(receipt.file("tokens")), "<u2")
    rows = pq.read_table(stage.file_url(receipt.file("token_index")), columns=["id", "start", "end"]).to_pylist()
    return {row["id"]: payload[row["start"] : row["end"] - 1] for row in rows}


def print_table(rows: dict[str, Seconds]) -> None:
    """Print the rates and ratios of each text."""
    print(f"{'text':<14}{'MB':>7}{'stage MB/s':>12}{'tokenizers':>12}{'gigatoken':>11}{'ratio':>8}{'of bare':>9}")
    for name, row in rows.items():
        size = row.text_bytes / 1e6
        print(
            f"{name:<14}{size:>7.1f}{size / row.stage:>12.1f}{size / row.tokenizers:>12.2f}"
            f"{size / row.gigatoken:>11.1f}{row.ratio(row.tokenizers):>8.1f}{row.ratio(row.gigatoken):>9.2f}"
        )


def main() -> None:
    """Run the benchmark from the command line."""
    benchmark_main(measure, description=__doc__, quick=f"one document in {QUICK}; figures are rough")


if __name__ == "__main__":
    main()

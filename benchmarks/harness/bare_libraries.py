"""The work of three stages by the bare libraries, in one process and one loop, to compare the pipeline's speed with.

Each function returns how much it processed and the seconds that it took, without imports.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from gristmill.pipelines.work_directory import current, manifests
from gristmill.transforms.dedup.dedup_section import DedupSection

_BATCH = 256


class BareRun(NamedTuple):
    """Items (pages, documents) processed, the bytes of their text in UTF-8, and the wall time in seconds."""

    items: int
    text_bytes: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.items / self.seconds

    @property
    def mb_rate(self) -> float:
        return self.text_bytes / 1e6 / self.seconds

    def plus(self, other: BareRun) -> BareRun:
        """Return the sum of two runs."""
        return BareRun(self.items + other.items, self.text_bytes + other.text_bytes, self.seconds + other.seconds)


def extract(archives: list[str]) -> BareRun:
    """FastWARC and trafilatura without comments, as in most pipelines: from stored pages to text in memory."""
    import trafilatura
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    pages = size = 0
    start_time = time.monotonic()
    for archive in archives:
        for record in ArchiveIterator(archive, record_types=WarcRecordType.response, auto_decode="all"):
            text = trafilatura.extract(record.reader.read(), include_comments=False)
            pages += 1
            size += len((text or "").encode())
    return BareRun(pages, size, time.monotonic() - start_time)


def sign(work: str, step: int) -> BareRun:
    """datasketch's MinHash over shingles of words between spaces, for every ``step``-th judged document."""
    from datasketch import MinHash

    section = DedupSection()
    bands, rows = section.banding
    texts = list(islice(_judged_texts(work), 0, None, step))
    start_time = time.monotonic()
    for text in texts:
        words = text.lower().split()
        count = max(len(words) - section.ngram + 1, 1)
        shingles = {" ".join(words[at : at + section.ngram]).encode() for at in range(count)}
        MinHash(num_perm=bands * rows, seed=section.seed).update_batch(shingles)
    return BareRun(len(texts), _utf8_bytes(texts), time.monotonic() - start_time)


def tokenize(work: str, step: int) -> BareRun:
    """``encode_batch_fast`` of tokenizers with the tokenizer of the run, for every ``step``-th final document."""
    from tokenizers import Tokenizer

    directory, receipt = current(work)["tokenizer"], manifests(work)["tokenizer"].receipts[0]
    tokenizer = Tokenizer.from_file(directory.file_url(receipt.file("tokenizer")))
    texts = list(islice(_final_texts(work), 0, None, step))
    start_time = time.monotonic()
    for start in range(0, len(texts), _BATCH):
        for encoding in tokenizer.encode_batch_fast(texts[start : start + _BATCH], add_special_tokens=False):
            np.array(encoding.ids, np.uint16)
    return BareRun(len(texts), _utf8_bytes(texts), time.monotonic() - start_time)


def _judged_texts(work: str) -> Iterator[str]:
    verdicts = {receipt.input["documents"]: receipt.file("verdicts") for receipt in manifests(work)["judge"].receipts}
    for receipt in manifests(work)["extract"].receipts:
        documents = current(work)["extract"].file_url(receipt.file("documents"))
        kept = pq.read_table(current(work)["judge"].file_url(verdicts[receipt.unit]), columns=["kept"])["kept"]
        yield from pq.read_table(documents, columns=["text"])["text"].filter(kept).to_pylist()


def _final_texts(work: str) -> Iterator[str]:
    for entry in manifests(work)["refine"].files("documents"):
        yield from pq.read_table(current(work)["refine"].file_url(entry), columns=["text"])["text"].to_pylist()


def _utf8_bytes(texts: list[str]) -> int:
    return sum(len(text.encode()) for text in texts)

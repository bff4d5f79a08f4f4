"""The same work by the bare libraries, in one process and one loop: what the mill's own speed is held against.

Each function returns how much it worked on, and the seconds that took, imports left out.
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


class Raw(NamedTuple):
    """Items (pages, documents) worked on, their text in bytes of UTF-8, and the seconds it took."""

    items: int
    text_bytes: int
    seconds: float

    @property
    def rate(self) -> float:
        return self.items / self.seconds

    @property
    def mb_rate(self) -> float:
        return self.text_bytes / 1e6 / self.seconds

    def and_also(self, other: Raw) -> Raw:
        return Raw(self.items + other.items, self.text_bytes + other.text_bytes, self.seconds + other.seconds)


def extract(archives: list[str]) -> Raw:
    """FastWARC and trafilatura without comments, as most pipelines have it: from stored pages to text in memory."""
    import trafilatura
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    pages = size = 0
    begun = time.monotonic()
    for archive in archives:
        for record in ArchiveIterator(archive, record_types=WarcRecordType.response, auto_decode="all"):
            text = trafilatura.extract(record.reader.read(), include_comments=False)
            pages += 1
            size += len((text or "").encode())
    return Raw(pages, size, time.monotonic() - begun)


def sign(work: str, every: int) -> Raw:
    """datasketch's MinHash over shingles of words between spaces, for each ``every``-th document that was signed."""
    from datasketch import MinHash

    section = DedupSection()
    bands, rows = section.banding
    texts = list(islice(_judged(work), 0, None, every))
    begun = time.monotonic()
    for text in texts:
        words = text.lower().split()
        count = max(len(words) - section.ngram + 1, 1)
        shingles = {" ".join(words[at : at + section.ngram]).encode() for at in range(count)}
        MinHash(num_perm=bands * rows, seed=section.seed).update_batch(shingles)
    return Raw(len(texts), _size(texts), time.monotonic() - begun)


def tokenize(work: str, every: int) -> Raw:
    """``encode_batch_fast`` of tokenizers with the mill's own tokenizer, for each ``every``-th final document."""
    from tokenizers import Tokenizer

    directory, receipt = current(work)["tokenizer"], manifests(work)["tokenizer"].receipts[0]
    tokenizer = Tokenizer.from_file(directory.file_url(receipt.file("tokenizer")))
    texts = list(islice(_final(work), 0, None, every))
    begun = time.monotonic()
    for start in range(0, len(texts), _BATCH):
        for encoding in tokenizer.encode_batch_fast(texts[start : start + _BATCH], add_special_tokens=False):
            np.array(encoding.ids, np.uint16)
    return Raw(len(texts), _size(texts), time.monotonic() - begun)


def _judged(work: str) -> Iterator[str]:
    verdicts = {receipt.input["documents"]: receipt.file("verdicts") for receipt in manifests(work)["judge"].receipts}
    for receipt in manifests(work)["extract"].receipts:
        documents = current(work)["extract"].file_url(receipt.file("documents"))
        kept = pq.read_table(current(work)["judge"].file_url(verdicts[receipt.unit]), columns=["kept"])["kept"]
        yield from pq.read_table(documents, columns=["text"])["text"].filter(kept).to_pylist()


def _final(work: str) -> Iterator[str]:
    for entry in manifests(work)["refine"].files("documents"):
        yield from pq.read_table(current(work)["refine"].file_url(entry), columns=["text"])["text"].to_pylist()


def _size(texts: list[str]) -> int:
    return sum(len(text.encode()) for text in texts)

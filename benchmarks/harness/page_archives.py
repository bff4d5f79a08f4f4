"""Archives with any number of pages, made of the 2,000 real ones, in the form in which Common Crawl writes them.

Further copies of a page get record ids of their own. Every record has ``WARC-Identified-Payload-Type``, as records of
Common Crawl do and those of the real pages do not: without it datatrove asks libmagic.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path

from benchmarks.harness.real_data import real_archives, stored_pages

_RECORD_ID = re.compile(rb"(WARC-Record-ID: <urn:uuid:[0-9a-f-]+)>")


def build_archives(folder: Path, files: int, pages: int) -> list[Path]:
    """Write ``files`` archives with ``pages`` pages in all, distributed in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"pages-{number}.warc.gz" for number in range(files)]
    archives = [path.open("wb") for path in paths]
    for number, record in enumerate(islice(_records(), pages)):
        archives[number % files].write(gzip.compress(record, 6))
    for archive in archives:
        archive.close()
    return paths


def _records() -> Iterator[bytes]:
    """Yield the pages over and over again."""
    for copy in count():
        for stored in chain.from_iterable(map(stored_pages, real_archives())):
            suffix = b"-%d" % copy if copy else b""
            replacement = rb"\1%s>\r\nWARC-Identified-Payload-Type: text/html" % suffix
            yield _RECORD_ID.sub(replacement, gzip.decompress(stored), count=1)

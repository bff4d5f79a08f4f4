"""The 2,000 real pages as archives of any number of pages, dealt out evenly, as Common Crawl would have written them.

Later copies of a page get record ids of their own. Every record says ``WARC-Identified-Payload-Type``, as those of
Common Crawl do and these pages' do not: without it datatrove asks libmagic.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from itertools import chain, count, islice
from pathlib import Path

from inputs import real_archives, stored_pages

_ID = re.compile(rb"(WARC-Record-ID: <urn:uuid:[0-9a-f-]+)>")


def build_archives(folder: Path, files: int, pages: int) -> list[Path]:
    """``files`` archives with ``pages`` pages between them, dealt out in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"pages-{number}.warc.gz" for number in range(files)]
    opened = [path.open("wb") for path in paths]
    for number, record in enumerate(islice(_records(), pages)):
        opened[number % files].write(gzip.compress(record, 6))
    for file in opened:
        file.close()
    return paths


def _records() -> Iterator[bytes]:
    """Record after record, the pages over and over again."""
    for copy in count():
        for stored in chain.from_iterable(map(stored_pages, real_archives())):
            name = b"-%d" % copy if copy else b""
            yield _ID.sub(rb"\1%s>\r\nWARC-Identified-Payload-Type: text/html" % name, gzip.decompress(stored), count=1)

"""Which files of a Common Crawl crawl are read.

Each crawl lists its files in ``crawl-data/<crawl>/warc.paths.gz`` (``wet.paths.gz`` for texts), a path a line, relative
to the root of the archive. That root may be the web, ``s3://commoncrawl/`` or a folder with a copy: paths, and so the
ids of documents, are the same.
"""

from __future__ import annotations

import gzip
import posixpath
import zlib
from collections.abc import Iterable
from hashlib import blake2b

from gristmill.errors import InputError
from gristmill.store import storage

COMMON_CRAWL = "https://data.commoncrawl.org/"


def crawl_paths(root: str, crawl: str, kind: str) -> list[str]:
    """Paths of a crawl's files of a ``kind`` (warc, wet), as listed. Raises InputError where there is no such crawl."""
    listing = posixpath.join("crawl-data", crawl, f"{kind}.paths.gz")
    url = storage.join(root, listing)
    try:
        lines = gzip.decompress(storage.read_bytes(url)).decode("ascii").split()
    except (FileNotFoundError, PermissionError):  # which of the two depends on whether the store lets one list
        raise InputError(
            f"no crawl {crawl!r} with {kind} files: there is no {url}; "
            "https://index.commoncrawl.org lists the crawls, CC-MAIN-2024-10 is one"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError):
        raise InputError(f"{url} is not a list of paths; correct `root`, or fetch it anew") from None
    if not lines:
        raise InputError(f"{url} lists no files; choose another crawl")
    return lines


def choose(paths: Iterable[str], count: int, seed: int) -> list[str]:
    """The ``count`` paths that come first by a seeded hash of their file's name up to its first dot, sorted.

    The choice depends on neither the order nor the folders of the list; a smaller one is part of a larger one; and of
    the same crawl, WARC files and the WET files made from them are chosen alike.
    """

    def rank(path: str) -> tuple[bytes, str]:
        name = posixpath.basename(path).partition(".")[0]
        return blake2b(name.encode(), digest_size=8, key=seed.to_bytes(8, "little")).digest(), path

    return sorted(sorted(set(paths), key=rank)[:count])

"""The files of a Common Crawl crawl, and samples of them.

A crawl lists its files in ``crawl-data/<crawl>/warc.paths.gz`` (``wet.paths.gz`` for texts), one path per line,
relative to the root of the archive. The root may be the web site, ``s3://commoncrawl/`` or a local copy: paths, and so
the ids of documents, are the same.
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


def list_crawl_files(root: str, crawl: str, kind: str) -> list[str]:
    """Return the paths of a crawl's files of a ``kind`` (warc, wet). Raises InputError if there is no such crawl."""
    listing = posixpath.join("crawl-data", crawl, f"{kind}.paths.gz")
    url = storage.join(root, listing)
    try:
        lines = gzip.decompress(storage.read_bytes(url)).decode("ascii").split()
    except (FileNotFoundError, PermissionError):  # which one depends on whether the store permits listing
        raise InputError(
            f"no crawl {crawl!r} with {kind} files: {url} does not exist; "
            "choose a crawl listed at https://index.commoncrawl.org, such as CC-MAIN-2024-10"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error, UnicodeDecodeError):
        raise InputError(f"{url} is not a list of paths; correct `root`, or download the list again") from None
    if not lines:
        raise InputError(f"{url} lists no files; choose another crawl")
    return lines


def sample_paths(paths: Iterable[str], count: int, seed: int) -> list[str]:
    """Return ``count`` paths with the smallest seeded hashes of their file names up to the first dot, sorted.

    The sample does not depend on the order or the folders of the list. A smaller sample is a subset of a larger one,
    and samples of a crawl's WARC files and of the WET files made from them match.
    """

    def rank(path: str) -> tuple[bytes, str]:
        name = posixpath.basename(path).partition(".")[0]
        return blake2b(name.encode(), digest_size=8, key=seed.to_bytes(8, "little")).digest(), path

    return sorted(sorted(set(paths), key=rank)[:count])

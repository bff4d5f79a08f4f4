"""Files by URL, on any fsspec filesystem: local paths, ``s3://``, ``gs://``, ``https://`` (read only), …

Reads from remote storage are retried after transient errors (``store.remote``). There are three ways to write:

- ``create``: a small object, only if there is none yet (a link on local disks, a conditional put on object stores).
- ``put_file``: a finished local file, under a name that contains its content hash; a second writer has the same bytes.
- ``replace``: a derived object (manifest, ledger) that has a single writer, the launcher.

On local disks every write is atomic: data is written to a temporary file beside the target, then linked or renamed.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b, sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, TypeVar

from fsspec.core import has_magic
from fsspec.core import url_to_fs as _url_to_fs
from fsspec.implementations.local import LocalFileSystem

from gristmill.errors import InputError
from gristmill.store import remote

_FINGERPRINT_BLOCK = 64 * 1024
_THREADS = 32

T = TypeVar("T")


def url_to_fs(url: str) -> tuple[Any, str]:
    """The filesystem of a URL and the path in it. Raises InputError if no filesystem supports the URL."""
    try:
        return _url_to_fs(url)  # type: ignore[no-any-return]
    except (ValueError, ImportError) as error:
        raise InputError(f"{url} cannot be opened: {error}") from error


def is_local(url: str) -> bool:
    return isinstance(url_to_fs(url)[0], LocalFileSystem)


def join(root: str, *parts: str) -> str:
    """Join the relative ``parts`` to ``root``, with slashes on every platform."""
    return posixpath.join(root, *parts)


def open_input(url: str) -> IO[bytes]:
    """Open a seekable binary file for reading; remote files are read in blocks of 4 MiB. Raises FileNotFoundError."""
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        return open(path, "rb")
    return remote.open_remote(filesystem, path)


def read_bytes(url: str) -> bytes:
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        return filesystem.cat_file(path)  # type: ignore[no-any-return]
    return remote.read_file(filesystem, path)


def exists(url: str) -> bool:
    filesystem, path = url_to_fs(url)
    return bool(_uncached(filesystem, lambda: filesystem.exists(path), url))


def glob(root: str, pattern: str) -> list[tuple[str, int]]:
    """The files below ``root`` that match ``pattern``: (path relative to ``root``, size in bytes), sorted by path."""
    filesystem, base = url_to_fs(root)
    base = base.rstrip("/")
    if not has_magic(pattern) and not isinstance(filesystem, LocalFileSystem):  # one file, without listing its folder
        try:
            return [(posixpath.normpath(pattern), remote.size(filesystem, posixpath.join(base, pattern)))]
        except FileNotFoundError:
            return []
    full = posixpath.join(base, pattern)
    found = _uncached(filesystem, lambda: filesystem.glob(full, detail=True), posixpath.join(root, pattern))
    return sorted(
        (posixpath.relpath(path, base), info["size"]) for path, info in found.items() if info["type"] == "file"
    )


def split_pattern(url: str) -> tuple[str, str]:
    """Split a URL with ``*``, ``?`` or ``[`` in it into the folder before the first such part and the pattern."""
    parts = url.split("/")
    first = next(index for index, part in enumerate(parts) if set(part) & set("*?["))
    return "/".join(parts[:first]) or "/", "/".join(parts[first:])


def listing(url: str) -> dict[str, int]:
    """The names and sizes of the files directly in a folder; empty if there is no such folder."""
    filesystem, path = url_to_fs(url)
    try:
        entries = _uncached(filesystem, lambda: filesystem.ls(path, detail=True), url)
    except FileNotFoundError:
        return {}
    return {posixpath.basename(e["name"]): e["size"] for e in entries if e["type"] == "file"}


def fingerprint(url: str, size: int) -> str:
    """A hex digest of a file's size and of its first, middle and last 64 KiB, or of all of a small file.

    It identifies an input without reading terabytes before work starts.
    """
    digest = blake2b(size.to_bytes(8, "little"), digest_size=16)
    ends = [0, (size - _FINGERPRINT_BLOCK) // 2, size - _FINGERPRINT_BLOCK]
    ranges = [(0, size)] if size <= 3 * _FINGERPRINT_BLOCK else [(at, at + _FINGERPRINT_BLOCK) for at in ends]
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        with open(path, "rb") as file:
            for start, end in ranges:
                file.seek(start)
                digest.update(file.read(end - start))
    else:
        for start, end in ranges:
            digest.update(remote.read_range(filesystem, path, start, end))
    return digest.hexdigest()


def content_hash(url: str) -> str:
    """The sha256 of a file in hex. Raises FileNotFoundError."""
    digest = sha256()
    with open_input(url) as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def create(url: str, data: bytes) -> bool:
    """Write ``data`` unless the file exists; return whether it was written."""
    filesystem, path = url_to_fs(url)
    try:
        if isinstance(filesystem, LocalFileSystem):
            with _temporary_beside(path) as part:
                part.write_bytes(data)
                os.link(part, path)
        else:
            filesystem.pipe_file(path, data, mode="create")
    except OSError:
        if exists(url):
            return False
        raise
    return True


def put_file(local: Path, url: str) -> None:
    """Publish a finished local file under a name with its content hash; a file of that name has the same bytes."""
    filesystem, path = url_to_fs(url)
    if not isinstance(filesystem, LocalFileSystem):
        filesystem.put_file(str(local), path)
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(local, path)
    except FileExistsError:
        return
    except OSError:  # another device: copy the file next to the target first
        with _temporary_beside(path) as part:
            shutil.copyfile(local, part)
            os.replace(part, path)


def replace(url: str, data: bytes) -> None:
    """Write ``data`` to a file, replacing any earlier content atomically."""
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        with _temporary_beside(path) as part:
            part.write_bytes(data)
            os.replace(part, path)
    else:
        filesystem.pipe_file(path, data)


def remove(urls: Iterable[str]) -> None:
    for url in urls:
        filesystem, path = url_to_fs(url)
        filesystem.rm_file(path)


@contextmanager
def scratch(url: str) -> Iterator[Path]:
    """A temporary folder for unfinished files; inside ``url`` if that is local, so files can be published by a link."""
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        Path(path).mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".part-", dir=path, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        with TemporaryDirectory(prefix="gristmill-") as folder:
            yield Path(folder)


def map_in_threads(function: Any, items: Iterable[T]) -> list[Any]:
    """``[function(item) for item in items]`` in 32 threads, for functions that wait for storage."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(function, items))


def _uncached(filesystem: Any, look_up: Callable[[], Any], url: str) -> Any:
    """The result of ``look_up`` without fsspec's cache of listings, retried on remote storage."""

    def refreshed() -> Any:
        filesystem.invalidate_cache()
        return look_up()

    return look_up() if isinstance(filesystem, LocalFileSystem) else remote.with_retries(refreshed, url)


@contextmanager
def _temporary_beside(path: str) -> Iterator[Path]:
    """A name for a temporary file in the folder of ``path``; what is left there at the end is deleted."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".part-{uuid.uuid4().hex}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)

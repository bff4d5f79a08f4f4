"""Files by URL, on any fsspec filesystem: local paths, ``s3://``, ``gs://``, ``https://`` (to read), …

Reads of what is not local are tried again where that may help (``corpus.remote``). Three ways of writing, and no other:

- ``create``: a small object, only where none is (a link on local disks, a conditional put on object stores).
- ``put_file``: a finished local file under a name that holds its content's hash; who comes second has the same bytes.
- ``replace``: a derived object (manifest, ledger) that its one writer, the launcher, makes anew.

On local disks a name appears whole or not at all, since data is written beside it and then linked or renamed.
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
    """The filesystem of a URL and the path in it; raises InputError where nobody knows such a filesystem."""
    try:
        return _url_to_fs(url)  # type: ignore[no-any-return]
    except (ValueError, ImportError) as error:
        raise InputError(f"{url} cannot be opened: {error}") from error


def is_local(url: str) -> bool:
    return isinstance(url_to_fs(url)[0], LocalFileSystem)


def join(root: str, *parts: str) -> str:
    """``root`` with relative ``parts`` below it, in URL manner."""
    return posixpath.join(root, *parts)


def open_input(url: str) -> IO[bytes]:
    """A seekable binary file for reading; raises FileNotFoundError. Remote files are read ahead in 4 MiB blocks."""
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        return open(path, "rb")
    return remote.open_remote(filesystem, path)


def read_bytes(url: str) -> bytes:
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        return filesystem.cat_file(path)  # type: ignore[no-any-return]
    return remote.read_whole(filesystem, path)


def exists(url: str) -> bool:
    filesystem, path = url_to_fs(url)
    return bool(_look(filesystem, lambda: filesystem.exists(path), url))


def glob(root: str, pattern: str) -> list[tuple[str, int]]:
    """Files below ``root`` that match ``pattern``: (path relative to ``root``, size in bytes), sorted by path."""
    filesystem, base = url_to_fs(root)
    base = base.rstrip("/")
    if not has_magic(pattern) and not isinstance(filesystem, LocalFileSystem):  # one file: no folder is listed
        try:
            return [(posixpath.normpath(pattern), remote.size(filesystem, posixpath.join(base, pattern)))]
        except FileNotFoundError:
            return []
    full = posixpath.join(base, pattern)
    found = _look(filesystem, lambda: filesystem.glob(full, detail=True), posixpath.join(root, pattern))
    return sorted(
        (posixpath.relpath(path, base), info["size"]) for path, info in found.items() if info["type"] == "file"
    )


def split_pattern(url: str) -> tuple[str, str]:
    """A URL with ``*``, ``?`` or ``[`` in it as (the folder before the first such part, the pattern below it)."""
    parts = url.split("/")
    first = next(index for index, part in enumerate(parts) if set(part) & set("*?["))
    return "/".join(parts[:first]) or "/", "/".join(parts[first:])


def listing(url: str) -> dict[str, int]:
    """Names and sizes of the files right under a folder; empty where there is no such folder."""
    filesystem, path = url_to_fs(url)
    try:
        entries = _look(filesystem, lambda: filesystem.ls(path, detail=True), url)
    except FileNotFoundError:
        return {}
    return {posixpath.basename(e["name"]): e["size"] for e in entries if e["type"] == "file"}


def fingerprint(url: str, size: int) -> str:
    """A hex digest of a file's size and of its first, middle and last 64 KiB (small files: of all of it).

    It identifies an input without reading terabytes of it before work starts.
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
    """sha256 of the whole file, hex. Raises FileNotFoundError."""
    digest = sha256()
    with open_input(url) as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def create(url: str, data: bytes) -> bool:
    """Write ``data`` where nothing is; False, and nothing written, where something is."""
    filesystem, path = url_to_fs(url)
    try:
        if isinstance(filesystem, LocalFileSystem):
            with _beside(path) as part:
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
    """Give a finished local file its content-hashed name; where the name stands, its bytes are these already."""
    filesystem, path = url_to_fs(url)
    if not isinstance(filesystem, LocalFileSystem):
        filesystem.put_file(str(local), path)
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(local, path)
    except FileExistsError:
        return
    except OSError:  # another device: copy beside the name first
        with _beside(path) as part:
            shutil.copyfile(local, part)
            os.replace(part, path)


def replace(url: str, data: bytes) -> None:
    """Write ``data``, whole, over whatever is there."""
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        with _beside(path) as part:
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
    """A folder for unfinished files: beside ``url`` when that is local (so that a link is enough), else temporary."""
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        Path(path).mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".part-", dir=path, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
    else:
        with TemporaryDirectory(prefix="gristmill-") as folder:
            yield Path(folder)


def threaded(function: Any, items: Iterable[T]) -> list[Any]:
    """``[function(item) for item in items]`` with many requests in flight: storage waits, processors do not."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(function, items))


def _look(filesystem: Any, look: Callable[[], Any], url: str) -> Any:
    """What ``look`` finds now, and not when it last looked."""

    def anew() -> Any:
        filesystem.invalidate_cache()
        return look()

    return look() if isinstance(filesystem, LocalFileSystem) else remote.patiently(anew, url)


@contextmanager
def _beside(path: str) -> Iterator[Path]:
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".part-{uuid.uuid4().hex}")
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)

"""Files by URL, on any fsspec filesystem: local paths, ``s3://``, ``gs://``, ``https://`` (read only), …

Reads from remote storage are retried after transient errors (``store.remote``). There are three ways to write:

- ``create``: a small object, only if there is none yet (a link on local disks, a conditional put on object stores).
- ``put_file``: a finished local file, under a name that contains its content hash; a second writer has the same bytes.
- ``replace``: a derived object (manifest, ledger) that has a single writer, the launcher.

On local disks every write is atomic: data is written to a temporary file beside the target, then linked or renamed.
"""

from __future__ import annotations

import errno
import os
import posixpath
import re
import shutil
import stat
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
from fsspec.utils import glob_translate

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


def join_below(root: str, path: str) -> str:
    """Join ``path``, which a file names, to ``root``. Raises InputError if it leads out of ``root``."""
    parts = path.split("/")
    if not path or path.startswith("/") or ".." in parts or ":" in parts[0] or "\0" in path:
        raise InputError(f"{root} names a file outside of it, {path!r}: do not use this directory")
    return join(root, path)


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
    """The files below ``root`` that match ``pattern``: (path relative to ``root``, size in bytes), sorted by path.

    Only ``pattern`` may have wildcards: ``*``, ``?``, ``[…]``, and ``**`` for any number of folders; ``root`` is
    literal. Links to files and folders are followed, but not into a folder that contains the link. A link that leads
    nowhere is listed with size 0; opening it raises OSError. Raises InputError if the pattern is invalid.
    """
    filesystem, base = url_to_fs(root)
    base = base.rstrip("/") or "/"
    literal, wild = _split_at_wildcard(pattern)
    start = posixpath.join(base, literal) if literal else base
    if not wild:
        return [(posixpath.relpath(path, base), size) for path, size in _stored_file(filesystem, start)]
    try:
        matches = re.compile(glob_translate(wild)).match
    except ValueError as error:
        raise InputError(f"{pattern!r} is no valid pattern: {error}; correct it") from error
    depth = None if "**" in wild else wild.count("/") + 1
    prefix = start.rstrip("/") + "/"
    if isinstance(filesystem, LocalFileSystem):
        found = _walk(prefix, depth)
    else:
        entries = _uncached(
            filesystem, lambda: filesystem.find(start, maxdepth=depth, detail=True), posixpath.join(root, pattern)
        )
        found = (file for entry in entries.values() for file in _entry_file(filesystem, entry))
    below = ((path, size) for path, size in found if path.startswith(prefix) and matches(path[len(prefix) :]))
    return sorted((posixpath.relpath(path, base), size) for path, size in below)


def _split_at_wildcard(pattern: str) -> tuple[str, str]:
    """Split a pattern into the folder before the first part with a wildcard and the rest, which may be empty."""
    parts = posixpath.normpath(pattern).split("/")
    first = next((index for index, part in enumerate(parts) if has_magic(part)), len(parts))
    folder = "/".join(parts[:first])
    return (folder or "/" if pattern.startswith("/") else folder), "/".join(parts[first:])


def _stored_file(filesystem: Any, path: str) -> list[tuple[str, int]]:
    """The file at ``path``, without listing its folder; nothing if there is none."""
    if isinstance(filesystem, LocalFileSystem):
        return _local_file(path)
    try:
        return [(path, remote.size(filesystem, path))]
    except FileNotFoundError:
        return []


def _local_file(path: str) -> list[tuple[str, int]]:
    try:
        status = os.stat(path)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise
        return [(path, 0)] if os.path.islink(path) else []
    return [(path, status.st_size)] if stat.S_ISREG(status.st_mode) else []


def _entry_file(filesystem: Any, entry: Any) -> list[tuple[str, int]]:
    """The file that an entry of a remote folder is, or that it links to."""
    if entry["type"] != "link":
        return [(entry["name"], entry["size"])] if entry["type"] == "file" else []
    try:
        target = filesystem.info(entry["name"])
    except FileNotFoundError:
        return [(entry["name"], 0)]
    return [(entry["name"], target["size"])] if target["type"] == "file" else []


def _walk(folder: str, depth: int | None, parents: tuple[tuple[int, int], ...] = ()) -> Iterator[tuple[str, int]]:
    """The files in a local folder and in its subfolders, ``depth`` levels deep or all; ``folder`` ends in a slash."""
    try:
        status = os.stat(folder)
        entries = list(os.scandir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return
    identity = (status.st_dev, status.st_ino)
    if identity in parents:
        return
    for entry in entries:
        if os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():
            if depth != 1:
                yield from _walk(f"{folder}{entry.name}/", None if depth is None else depth - 1, (*parents, identity))
        elif entry.is_symlink() or entry.is_file():
            yield from _local_file(folder + entry.name)


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


def replace(url: str, data: bytes, mode: int = 0o666) -> None:
    """Write ``data`` to a file, replacing any earlier content atomically.

    ``mode`` are the permissions of a local file, less what the umask takes.
    """
    filesystem, path = url_to_fs(url)
    if isinstance(filesystem, LocalFileSystem):
        with _temporary_beside(path) as part:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
                file.write(data)
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

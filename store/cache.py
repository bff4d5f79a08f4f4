"""A cache on this machine for data that is slow to compute and depends on its inputs alone.

It is in ``$GRISTMILL_CACHE`` or ``~/.cache/gristmill`` and may be deleted at any time: an entry that is missing or
damaged is computed again. If the folder cannot be written to, every process computes its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from fcntl import LOCK_EX, flock
from hashlib import sha256
from mmap import ACCESS_READ, mmap
from pathlib import Path

from gristmill.store import storage

_DIGEST_BYTES = sha256().digest_size


def cached_bytes(name: str, compute: Callable[[], bytes]) -> bytes | memoryview:
    """Return the entry ``name``, a relative path; if it does not exist yet, ``compute`` it.

    ``name`` must identify everything that the bytes depend on. Processes that need an entry at the same time wait for
    the one that computes it, and all map the same memory.
    """
    try:
        path = cache_folder() / name
    except RuntimeError:  # the user has no home directory
        return compute()
    stored = _load(path)
    if stored is not None:
        return stored
    with _locked(path.parent):
        return _load(path) or _store(path, compute())


def cache_folder() -> Path:
    """``$GRISTMILL_CACHE``, or ``~/.cache/gristmill``. Raises RuntimeError if the user has no home directory."""
    folder = os.environ.get("GRISTMILL_CACHE")
    return Path(folder) if folder else Path.home() / ".cache" / "gristmill"


def _load(path: Path) -> memoryview | None:
    """Map the content after the digest into memory; None if the file is missing or does not match its digest."""
    try:
        with path.open("rb") as file:
            data = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
    except (OSError, ValueError):  # ValueError: the file is empty
        return None
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return content if digest == sha256(content).digest() else None


def _store(path: Path, content: bytes) -> bytes | memoryview:
    with suppress(OSError):
        storage.replace(str(path), sha256(content).digest() + content)
    return _load(path) or content


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a lock on ``folder`` against other processes of this machine, if the file system supports that."""
    with ExitStack() as resources:
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(folder, os.O_RDONLY)
            resources.callback(os.close, lock)
            flock(lock, LOCK_EX)
        yield

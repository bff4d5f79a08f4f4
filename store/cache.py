"""What takes long to make and follows from its inputs alone, kept on this machine from one process to the next.

It lies in ``$GRISTMILL_CACHE``, or ``~/.cache/gristmill``, which may be deleted at any time: what is missing or damaged
is made again, and so is what cannot be kept, by every process that asks for it.
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


def kept(name: str, make: Callable[[], bytes]) -> bytes | memoryview:
    """What ``make`` gives, or what it gave an earlier process that asked for the same ``name`` (a relative path).

    ``name`` says all that the bytes depend on. Processes that ask at the same time wait for the one that makes them,
    and all share them in memory.
    """
    try:
        path = cache_folder() / name
    except RuntimeError:  # a user without a home
        return make()
    found = _stored(path)
    if found is not None:
        return found
    with _alone(path.parent):
        return _stored(path) or _store(path, make())


def cache_folder() -> Path:
    """``$GRISTMILL_CACHE``, or ``~/.cache/gristmill``. Raises RuntimeError for a user without a home."""
    named = os.environ.get("GRISTMILL_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "gristmill"


def _stored(path: Path) -> memoryview | None:
    """The file's content behind its digest, mapped into memory; None where it is missing or not what was written."""
    try:
        with path.open("rb") as file:
            data = memoryview(mmap(file.fileno(), 0, access=ACCESS_READ))
    except (OSError, ValueError):  # ValueError: it is empty
        return None
    digest, content = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    return content if digest == sha256(content).digest() else None


def _store(path: Path, content: bytes) -> bytes | memoryview:
    with suppress(OSError):
        storage.replace(str(path), sha256(content).digest() + content)
    return _stored(path) or content


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process of this machine at a time is in here, where the file system knows such locks."""
    with ExitStack() as held:
        with suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            lock = os.open(place, os.O_RDONLY)
            held.callback(os.close, lock)
            flock(lock, LOCK_EX)
        yield

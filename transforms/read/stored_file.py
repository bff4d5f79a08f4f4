"""Access to a stored file by offset, in one forward pass even if a reader looks at the same bytes repeatedly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.transforms.read.source_unit import PlannedFile

_BLOCK_BYTES = 2**18


class StoredFile:
    """Random access with a cache of one block, so that remote files are read in one pass."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.size = size
        self._file = file
        self._start = 0
        self._block = b""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``; fewer at the end of the file."""
        length = min(length, self.size - offset)
        end = self._start + len(self._block)
        if not self._start <= offset <= end:
            self._file.seek(offset)
            self._start, self._block, end = offset, b"", offset
        if offset + length > end:
            self._block = self._block[offset - self._start :] + self._read(max(offset + length - end, _BLOCK_BYTES))
            self._start = offset
        return self._block[offset - self._start : offset - self._start + length]

    def _read(self, length: int) -> bytes:
        parts = []
        while length > 0 and (part := self._file.read(length)):
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


class StoredPrefix(StoredFile):
    """The beginning of a stored file, as if the file ended at ``size``."""

    def __init__(self, file: StoredFile, size: int) -> None:
        self.size = min(file.size, size)
        self._stored = file

    def read_at(self, offset: int, length: int) -> bytes:
        return self._stored.read_at(offset, max(0, min(length, self.size - offset)))


@contextmanager
def open_planned(root: str, file: PlannedFile) -> Iterator[IO[bytes]]:
    """Open a planned file. Raises InputError if its size has changed, OSError if it cannot be opened."""
    with storage.open_input(storage.join(root, file.path)) as opened:
        size = opened.seek(0, 2)
        opened.seek(0)
        if size != file.size:
            raise InputError(
                f"{file.path} has {size} bytes, but had {file.size} when the run was planned; start the run again"
            )
        yield opened

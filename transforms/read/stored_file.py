"""A stored file by offset, read forwards once, however often a reader looks at the same few bytes again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.transforms.read.source_unit import UnitFile

_BLOCK = 2**18


class Stored:
    """Random access with a cache of one block, so that remote files are read in one sweep."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        self.size = size
        self._file = file
        self._start = 0
        self._block = b""

    def at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``, fewer at the end of the file."""
        length = min(length, self.size - offset)
        end = self._start + len(self._block)
        if not self._start <= offset <= end:
            self._file.seek(offset)
            self._start, self._block, end = offset, b"", offset
        if offset + length > end:
            self._block = self._block[offset - self._start :] + self._read(max(offset + length - end, _BLOCK))
            self._start = offset
        return self._block[offset - self._start : offset - self._start + length]

    def _read(self, length: int) -> bytes:
        parts = []
        while length > 0 and (part := self._file.read(length)):
            parts.append(part)
            length -= len(part)
        return b"".join(parts)


class Part(Stored):
    """The beginning of a stored file, as if it ended at ``size``."""

    def __init__(self, whole: Stored, size: int) -> None:
        self.size = min(whole.size, size)
        self._whole = whole

    def at(self, offset: int, length: int) -> bytes:
        return self._whole.at(offset, max(0, min(length, self.size - offset)))


@contextmanager
def open_planned(root: str, file: UnitFile) -> Iterator[IO[bytes]]:
    """The file as planned; raises InputError where its size is another now, OSError where it cannot be opened."""
    with storage.open_input(storage.join(root, file.path)) as opened:
        size = opened.seek(0, 2)
        opened.seek(0)
        if size != file.size:
            raise InputError(f"{file.path} has {size} bytes, but had {file.size} when planned; start the run again")
        yield opened

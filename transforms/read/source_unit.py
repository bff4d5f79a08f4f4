"""A unit of reading: whole files, or a byte range of one."""

from __future__ import annotations

from typing import NamedTuple

from gristmill.store.keys import key_of


class UnitFile(NamedTuple):
    """An input file as the plan saw it. ``path`` is relative to the source's root, ``size`` in bytes."""

    path: str
    size: int
    fingerprint: str


class Unit(NamedTuple):
    """What one task reads: ``files`` whole, or of one archive the members that begin in bytes ``[start, end)``."""

    source: str
    format: str
    files: tuple[UnitFile, ...]
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes to read, as far as the plan can tell."""
        return self.end - self.start

    def identity(self) -> str:
        """16 hex digits of what is read (names, sizes, fingerprints, range) and not of where it is mounted."""
        return key_of(*self)

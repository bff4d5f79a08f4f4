"""What one task reads: whole files of a source, or a byte range of one file."""

from __future__ import annotations

from typing import NamedTuple

from gristmill.store.keys import key_of


class PlannedFile(NamedTuple):
    """An input file as it was when the run was planned.

    Attributes:
        path: Path below the source's root.
        size: Size in bytes.
        fingerprint: Hash of samples of the content, as ``storage.fingerprint`` computes it.
    """

    path: str
    size: int
    fingerprint: str


class SourceUnit(NamedTuple):
    """A unit of a source.

    Attributes:
        source: Name of the source.
        format: Name of its format.
        files: Files that the unit reads: all bytes of several files, or a range of one.
        start: First byte of the range; 0 for whole files.
        end: End of the range; the total size for whole files.
    """

    source: str
    format: str
    files: tuple[PlannedFile, ...]
    start: int
    end: int

    @property
    def size(self) -> int:
        """Bytes to read, as far as they can be known before reading."""
        return self.end - self.start

    def identity(self) -> str:
        """Return 16 hex digits that depend on what is read (names, sizes, fingerprints, range), not on the root."""
        return key_of(*self)


def unit_of_files(source: str, format: str, files: tuple[PlannedFile, ...]) -> SourceUnit:
    """Return a unit that reads ``files`` completely."""
    return SourceUnit(source, format, files, 0, sum(file.size for file in files))

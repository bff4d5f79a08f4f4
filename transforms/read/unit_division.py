"""Ways to divide the files of a source into units. Every format names one of them as its ``plan``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from hashlib import blake2b
from typing import TYPE_CHECKING

from gristmill.transforms.read.source_unit import PlannedFile, SourceUnit, unit_of_files
from gristmill.transforms.read.stored_file import StoredFile, open_planned

if TYPE_CHECKING:
    from gristmill.transforms.read.source_section import SourceSection

MAX_FILES_PER_UNIT = 4096


def one_unit_per_file(source: SourceSection, files: list[PlannedFile], unit_size: int) -> list[SourceUnit]:
    """Read every file as a unit."""
    return [unit_of_files(source.name, source.format, (file,)) for file in files]


def group_small_files(source: SourceSection, files: list[PlannedFile], unit_size: int) -> list[SourceUnit]:
    """Group many small files into units of about ``unit_size`` bytes.

    The number of groups is a power of two, and the hash of a file's path selects its group. So an additional file
    changes one unit, unless the number of groups doubles.
    """
    total = sum(file.size for file in files)
    min_groups = max(1, -(-total // unit_size), -(-len(files) // MAX_FILES_PER_UNIT))
    group_count = 1 << (min_groups - 1).bit_length()
    groups: dict[int, list[PlannedFile]] = defaultdict(list)
    for file in files:
        digest = blake2b(file.path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
        groups[int.from_bytes(digest, "little") % group_count].append(file)
    return [unit_of_files(source.name, source.format, tuple(group)) for group in groups.values()]


def split_into_ranges(
    is_splittable: Callable[[StoredFile, str, int], bool],
    source: SourceSection,
    files: list[PlannedFile],
    unit_size: int,
) -> list[SourceUnit]:
    """Split every file that is longer than ``unit_size`` bytes and splittable into ranges of that length.

    Args:
        is_splittable: Whether a file can be read in ranges, given the file, its path, and ``unit_size``.
        source: The source that is planned.
        files: Its files.
        unit_size: Length of a range in bytes.
    """
    units: list[SourceUnit] = []
    for file in files:
        if file.size > unit_size and _is_splittable(is_splittable, source, file, unit_size):
            units += (
                SourceUnit(source.name, source.format, (file,), start, min(start + unit_size, file.size))
                for start in range(0, file.size, unit_size)
            )
        else:
            units.append(unit_of_files(source.name, source.format, (file,)))
    return units


def _is_splittable(
    is_splittable: Callable[[StoredFile, str, int], bool], source: SourceSection, file: PlannedFile, unit_size: int
) -> bool:
    with open_planned(source.root, file) as opened:
        return is_splittable(StoredFile(opened, file.size), file.path, unit_size)

"""The formats ``warc`` and ``wet``: archives of pages, and of their texts, as Common Crawl publishes them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gristmill.transforms.read.archive_reader import is_splittable, read_archive
from gristmill.transforms.read.source_format import Items, SourceFormat
from gristmill.transforms.read.source_unit import SourceUnit
from gristmill.transforms.read.stored_file import StoredFile, open_planned
from gristmill.transforms.read.unit_division import split_into_ranges

if TYPE_CHECKING:
    from gristmill.transforms.read.source_section import SourceSection


def read_archive_unit(unit: SourceUnit, source: SourceSection, max_bytes: int) -> Items:
    """Yield the records that begin in the unit's range."""
    (file,) = unit.files
    with open_planned(source.root, file) as opened:
        stored = StoredFile(opened, file.size)
        return (yield from read_archive(stored, unit.source, file.path, unit.start, unit.end, max_bytes))


WARC = SourceFormat(
    name="warc",
    description="WARC or ARC files of pages: plain, gzip, zstd or lz4",
    plan=partial(split_into_ranges, is_splittable),
    read=read_archive_unit,
    keys=frozenset({"crawl", "sample", "sample_seed"}),
    core_megabytes_per_second=0.7,
)

WET = SourceFormat(
    name="wet",
    description="WARC files of extracted texts",
    plan=partial(split_into_ranges, is_splittable),
    read=read_archive_unit,
    keys=frozenset({"crawl", "sample", "sample_seed"}),
    core_megabytes_per_second=1.0,
)

"""Units to records: every record met becomes one item, and every byte of the input is accounted for."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TypeAlias

from pydantic import Field

from gristmill.corpus.document import Origin
from gristmill.corpus.recipe_section import ByteSize, Section
from gristmill.corpus.record import Dropped, Failed, Raw, UnitSummary
from gristmill.transforms.read.archive_reader import Span, read_archive
from gristmill.transforms.read.json_lines import read_lines
from gristmill.transforms.read.parquet_rows import read_parquet
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.source_unit import Unit
from gristmill.transforms.read.stored_file import Stored, open_planned
from gristmill.transforms.read.text_files import read_file

Item: TypeAlias = Raw | Dropped | Failed


class Limits(Section):
    """What is too much to read."""

    max_bytes: ByteSize = Field(16 * 2**20, ge=1, description="Longest payload of a record, decoded.")


def read_unit(unit: Unit, source: SourceSection, limits: Limits) -> Iterator[Item | UnitSummary]:
    """Every record of the unit as one item, in order, then the reader's count.

    Broken content never raises: what cannot be read is a ``Failed`` whose origin names the gap. Raises OSError where
    storage fails, InputError where a file changed since the plan or lacks a column that the source names.
    """
    items = _items(unit, source, limits.max_bytes)
    records = 0
    names: set[str] = set()
    while True:
        try:
            item = next(items)
        except StopIteration as stop:
            yield UnitSummary(records, *stop.value)
            return
        records += 1
        yield item._replace(origin=_distinct(item.origin, names))


def _items(unit: Unit, source: SourceSection, max_bytes: int) -> Generator[Item, None, Span]:
    if unit.format in ("text", "code"):
        return (yield from _whole_files(unit, source, max_bytes))
    (file,) = unit.files
    with open_planned(source.root, file) as opened:
        if unit.format == "parquet":
            return (yield from read_parquet(opened, file, unit.source, source.fields, max_bytes))
        stored = Stored(opened, file.size)
        if unit.format == "jsonl":
            return (yield from read_lines(stored, unit.source, file.path, source.fields, max_bytes))
        return (yield from read_archive(stored, unit.source, file.path, unit.start, unit.end, max_bytes))


def _whole_files(unit: Unit, source: SourceSection, max_bytes: int) -> Generator[Item, None, Span]:
    covered = 0
    for file in unit.files:
        origin = Origin(unit.source, file.path, 0, file.size)
        if file.size > max_bytes:
            covered += file.size
            yield Dropped(origin, "too_large", detail=str(file.size))
            continue
        with open_planned(source.root, file) as opened:
            data = opened.read()
        covered += len(data)
        yield read_file(data, origin)
    return Span(covered, unit.size)


def _distinct(origin: Origin, names: set[str]) -> Origin:
    """``origin`` with a name that no earlier record of the unit has.

    Broken archives repeat record ids. The first record in the file keeps its id, later ones are named by file and
    offset, and where records share even those, by a number too.
    """
    place = f"{origin.file}#{origin.offset}"
    name = origin.record_id or place
    if name in names:
        name = place
        number = 1
        while name in names:
            number += 1
            name = f"{place}+{number}"
        origin = origin._replace(record_id=name)
    names.add(name)
    return origin

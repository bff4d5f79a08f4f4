"""Reads units: every record becomes one item, and every byte of the input is accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field

from gristmill.corpus.document import Origin
from gristmill.corpus.recipe_section import ByteSize, Section
from gristmill.corpus.record import UnitSummary
from gristmill.transforms.read.format_table import FORMATS
from gristmill.transforms.read.source_format import Item
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.source_unit import SourceUnit


class ReadLimits(Section):
    """Limits on what is read."""

    max_bytes: ByteSize = Field(16 * 2**20, ge=1, description="Maximum size of a record's decoded payload.")


class SourceWork(NamedTuple):
    """The work of a task that reads a unit of a source."""

    unit: SourceUnit
    source: SourceSection
    limits: ReadLimits


def read_unit(unit: SourceUnit, source: SourceSection, limits: ReadLimits) -> Iterator[Item | UnitSummary]:
    """Yield every record of the unit as an item, in order, then a ``UnitSummary``.

    Damaged content never raises: what cannot be read is a ``Failed`` whose origin names the gap. Raises OSError if
    storage fails, InputError if a file has changed since planning or lacks a column that the source names.
    """
    items = FORMATS[unit.format].read(unit, source, limits.max_bytes)
    records = 0
    names: set[str] = set()
    while True:
        try:
            item = next(items)
        except StopIteration as stop:
            yield UnitSummary(records, *stop.value)
            return
        records += 1
        yield item._replace(origin=_with_distinct_name(item.origin, names))


def _with_distinct_name(origin: Origin, names: set[str]) -> Origin:
    """Return ``origin`` with a record id that no earlier record of the unit has.

    Broken archives repeat record ids. The first record keeps its id; later ones are named by file and offset, and by a
    number too if several records share an offset.
    """
    position = f"{origin.file}#{origin.offset}"
    name = origin.record_id or position
    if name in names:
        name = position
        number = 1
        while name in names:
            number += 1
            name = f"{position}+{number}"
        origin = origin._replace(record_id=name)
    names.add(name)
    return origin

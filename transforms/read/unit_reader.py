"""Reads units: every record becomes one item, and every byte of the input is accounted for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import Field

from gristmill.corpus.document import Origin
from gristmill.corpus.recipe_section import ByteSize, Section
from gristmill.corpus.record import Dropped, Raw, UnitSummary
from gristmill.transforms.read.format_table import FORMATS
from gristmill.transforms.read.json_values import MAX_META_BYTES, json_text
from gristmill.transforms.read.source_format import Item
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.source_unit import SourceUnit

MAX_NAME_BYTES = 8 * 2**10
"""Longest id and URL of a record, in UTF-8. Browsers and servers allow 2 to 64 KiB, and pages have far shorter ones."""


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

    A record whose id, URL or kept columns are too long is dropped with the reason too_long; they become null.

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
        item = drop_too_long(item)
        yield item._replace(origin=_with_distinct_name(item.origin, names))


def drop_too_long(item: Item) -> Item:
    """Return ``item``, or a ``Dropped`` without the id, URL or kept columns that are too long.

    An item that was dropped or has failed for another reason keeps that as its primary reason.
    """
    too_long = _too_long(item.origin)
    if not too_long:
        return item
    nothing: dict[str, Any] = dict.fromkeys(too_long)
    origin = item.origin._replace(**nothing)
    if isinstance(item, Raw):
        return Dropped(origin, "too_long", detail="; ".join(too_long.values()))
    if isinstance(item, Dropped) and item.reason == "too_long":
        return item._replace(origin=origin, detail="; ".join((*too_long.values(), item.detail)))
    if isinstance(item, Dropped):
        return item._replace(origin=origin, also=(*item.also, "too_long"))
    return item._replace(origin=origin)


def _too_long(origin: Origin) -> dict[str, str]:
    """Return the parts of an origin that are too long, each with a description."""
    name, url, meta = origin.record_id or "", origin.url or "", origin.meta or ""
    if len(name) * 4 <= MAX_NAME_BYTES and len(url) * 4 <= MAX_NAME_BYTES and len(meta) * 4 <= MAX_META_BYTES:
        return {}  # UTF-8 has at most four bytes for a character
    found = {}
    if (size := _utf8_size(name)) > MAX_NAME_BYTES:
        found["record_id"] = f"id: {size} bytes"
    if (size := _utf8_size(url)) > MAX_NAME_BYTES:
        found["url"] = f"url: {size} bytes"
    if (size := _utf8_size(meta)) > MAX_META_BYTES:
        columns = {column: _utf8_size(json_text(value)) for column, value in json.loads(meta).items()}
        longest = max(columns, key=lambda column: columns[column])
        found["meta"] = f"keep_columns: {size} bytes, {longest!r}: {columns[longest]} bytes"
    return found


def _utf8_size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


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

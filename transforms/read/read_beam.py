"""Beam's view of the readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from gristmill.transforms.core.core_beam import ReadUnits
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.source_unit import Unit
from gristmill.transforms.read.unit_reader import Limits, read_unit


class SourceWork(NamedTuple):
    """What a worker needs to read a unit of a source."""

    unit: Unit
    source: SourceSection
    limits: Limits


class ReadSources(ReadUnits):
    """Units of sources to records: ``(unit, Raw | Dropped | Failed)``."""

    def __init__(self) -> None:
        super().__init__(_read)


def _read(work: SourceWork) -> Iterator[Any]:
    return read_unit(work.unit, work.source, work.limits)

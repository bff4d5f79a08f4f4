"""The Beam transform that reads the units of sources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gristmill.transforms.core.core_beam import ReadUnits
from gristmill.transforms.read.unit_reader import SourceWork, read_unit


class ReadSources(ReadUnits):
    """Read units of sources into ``(unit, Raw | Dropped | Failed)`` pairs. A task's work is a ``SourceWork``."""

    def __init__(self) -> None:
        super().__init__(_read_source)


def _read_source(work: SourceWork) -> Iterator[Any]:
    return read_unit(work.unit, work.source, work.limits)

"""Units of work, as Beam and the launcher exchange them.

A stage works through its units. The launcher describes each of them as a ``Task``. On a worker, the task's ``work`` is
read into items (records or row blocks), of which the last is a ``UnitSummary``; a ``UnitWriter`` turns the items into
the unit's files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias

from gristmill.corpus.record import UnitSummary
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import StageDirectory


class Task(NamedTuple):
    """One unit to process.

    Attributes:
        unit: Key of the unit, which names its receipt.
        input: Description of the input for the receipt (JSON).
        weight: Size of the input, for progress and estimates: bytes for sources, rows elsewhere.
        work: What the stage's reader needs to read the unit.
    """

    unit: str
    input: Mapping[str, Any]
    weight: int
    work: Any


class Round(NamedTuple):
    """Units, with a directory of their own, that must be complete before the stage's own units are processed.

    Attributes:
        directory: Directory that holds the round's files and receipts.
        tasks: Units of the round.
        work: Processes one of the tasks.
    """

    directory: StageDirectory
    tasks: list[Task]
    work: Callable[[Task], Any]


class EndOfUnit(NamedTuple):
    """Marks the end of a unit in a collection of items.

    Attributes:
        task: The unit's task.
        items: Number of items that the unit's reader yielded.
        summary: The reader's own count of the input.
    """

    task: Task
    items: int
    summary: UnitSummary


UnitReader: TypeAlias = Callable[[Any], Iterator[Any]]
"""Reads a task's ``work`` into items, of which the last is a ``UnitSummary``."""


class UnitWriter(Protocol):
    """Writes the files of one unit from its items, which arrive in the order in which they were read."""

    def add(self, item: Any) -> int:
        """Write one item; return the number of documents or records in it."""

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        """Write what is buffered; return the unit's record counts and its summary for the receipt."""

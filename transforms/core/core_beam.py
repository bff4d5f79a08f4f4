"""Transforms that run the units of a stage on any Beam runner.

::

    DistributeTasks(stage, side_files) | ReadUnits(read) | MapItems(load) | … | WriteUnits(stage, writer)

Everything after ``DistributeTasks`` is fused: a unit's items never leave their process, and only the unit's files and
its receipt do. Items are records or row blocks, and every one of them reaches the writer. A unit is complete when as
many items have arrived as its reader yielded, however units are interleaved. A unit that is incomplete when its bundle
ends fails the bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows

from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.store.attempts import Attempt
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.row_blocks import read_blocks
from gristmill.transforms.core.side_files import SideFile
from gristmill.transforms.core.tasks import EndOfUnit, Task, UnitReader, UnitWriter

LoadItemStep: TypeAlias = Callable[[], Callable[[Any], Any]]
"""Makes a function from an item to an item."""

LoadBatchStep: TypeAlias = Callable[[], Callable[[list[Any]], list[Any]]]
"""Makes a function from a list of items to a list of as many items."""


@dataclass(eq=False)
class DistributeTasks(beam.PTransform):  # type: ignore[misc]
    """Read tasks from side files and distribute them over the workers.

    A task whose unit already has a receipt is skipped, so that a runner that repeats a part of a job does not repeat
    finished work.

    Attributes:
        stage: Directory of the stage, which holds the receipts.
        side_files: Lists of tasks, as ``stage_side_files`` writes them.
        requires_all_units: Emit completed units as well, for stages whose units depend on each other.
    """

    stage: StageDirectory
    side_files: list[SideFile]
    requires_all_units: bool = False

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        return (
            pipeline
            | beam.Create(self.side_files, reshuffle=False)
            | "open" >> beam.FlatMap(SideFile.open).with_output_types(Any)
            | beam.Reshuffle()
            | "pending" >> beam.Filter(partial(_is_wanted, None if self.requires_all_units else self.stage))
        )


def _is_wanted(stage: StageDirectory | None, task: Task) -> bool:
    return stage is None or not stage.is_complete(task.unit)


@dataclass(eq=False)
class ReadUnits(beam.PTransform):  # type: ignore[misc]
    """Read tasks into ``(unit, item)`` pairs; the last pair of each unit holds an ``EndOfUnit``.

    Attributes:
        read: Reads a task's ``work``: yields items, then a ``UnitSummary``.
    """

    read: UnitReader

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        return tasks | beam.ParDo(_ReadUnit(self.read))


class ReadDocuments(ReadUnits):
    """Read document files with their sidecars into ``(unit, row block)`` pairs. A task's work is ``AlignedFiles``."""

    def __init__(self) -> None:
        super().__init__(read_blocks)


@dataclass(eq=False)
class MapItems(beam.PTransform):  # type: ignore[misc]
    """Apply a function to every item.

    Attributes:
        load: Makes the function, once in each worker, so that models need not be pickled. If what it returns has a
            method ``close``, that is called when the worker is done.
    """

    load: LoadItemStep

    def expand(self, items: beam.PCollection) -> beam.PCollection:
        return items | beam.ParDo(_MapItem(self.load))


@dataclass(eq=False)
class MapBatches(beam.PTransform):  # type: ignore[misc]
    """Apply a function to lists of consecutive items. It returns one item for each item of the list, in order.

    A batch ends after ``max_batch_size`` items, when its items' sizes reach ``max_batch_bytes``, or with its unit.

    Attributes:
        load: Makes the function, as for ``MapItems``.
        max_batch_size: Most items in a batch.
        element_size: Size of an item, in bytes.
        max_batch_bytes: Size at which a batch is complete.
    """

    load: LoadBatchStep
    max_batch_size: int
    element_size: Callable[[Any], int]
    max_batch_bytes: int

    def expand(self, items: beam.PCollection) -> beam.PCollection:
        return items | beam.ParDo(_MapBatch(self.load, self.max_batch_size, self.element_size, self.max_batch_bytes))


@dataclass(eq=False)
class WriteUnits(beam.PTransform):  # type: ignore[misc]
    """Write every unit's items into files and commit a receipt. Emits the keys of completed units.

    Attributes:
        stage: Directory of the stage, to which files and receipts are written.
        writer: Makes the writer of one unit, given an attempt at it.
    """

    stage: StageDirectory
    writer: Callable[[Attempt], UnitWriter]

    def expand(self, items: beam.PCollection) -> beam.PCollection:
        return items | beam.ParDo(_WriteUnit(self.stage, self.writer))


class _ReadUnit(beam.DoFn):  # type: ignore[misc]
    def __init__(self, read: UnitReader) -> None:
        self.read = read

    def process(self, task: Task) -> Iterable[tuple[str, Any]]:
        for count, item in enumerate(self.read(task.work)):
            if isinstance(item, UnitSummary):
                yield task.unit, EndOfUnit(task, count, item)
                return
            yield task.unit, item
        raise RunError(f"the reader of unit {task.unit} ended without counting its input")


class _MapItem(beam.DoFn):  # type: ignore[misc]
    def __init__(self, load: Callable[[], Any]) -> None:
        self.load = load

    def setup(self) -> None:
        self.function = self.load()

    def process(self, element: tuple[str, Any]) -> Iterable[tuple[str, Any]]:
        unit, item = element
        yield element if isinstance(item, EndOfUnit) else (unit, self.function(item))

    def teardown(self) -> None:
        close = getattr(getattr(self, "function", None), "close", None)
        if close:
            close()


class _MapBatch(_MapItem):
    def __init__(
        self, load: LoadBatchStep, max_batch_size: int, element_size: Callable[[Any], int], max_batch_bytes: int
    ) -> None:
        super().__init__(load)
        self.max_batch_size = max_batch_size
        self.element_size = element_size
        self.max_batch_bytes = max_batch_bytes

    def start_bundle(self) -> None:
        self._start_batch()

    def process(self, element: tuple[str, Any]) -> Iterable[tuple[str, Any]]:
        unit, item = element
        if isinstance(item, EndOfUnit):
            yield from self._flush()
            yield element
            return
        self.units.append(unit)
        self.items.append(item)
        self.bytes += self.element_size(item)
        if len(self.items) >= self.max_batch_size or self.bytes >= self.max_batch_bytes:
            yield from self._flush()

    def finish_bundle(self) -> Iterable[Any]:
        return map(GlobalWindows.windowed_value, self._flush())

    def _flush(self) -> list[tuple[str, Any]]:
        units, items = self.units, self.items
        self._start_batch()
        return list(zip(units, self.function(items) if items else [], strict=True))

    def _start_batch(self) -> None:
        self.units: list[str] = []
        self.items: list[Any] = []
        self.bytes = 0


@dataclass
class _OpenUnit:
    """A unit that is being written."""

    attempt: Attempt
    writer: UnitWriter
    resources: ExitStack
    items: int = 0
    documents: int = 0
    end: EndOfUnit | None = None


class _WriteUnit(beam.DoFn):  # type: ignore[misc]
    def __init__(self, stage: StageDirectory, writer: Callable[[Attempt], UnitWriter]) -> None:
        self.stage = stage
        self.writer = writer

    def start_bundle(self) -> None:
        self.open_units: dict[str, _OpenUnit] = {}

    def process(self, element: tuple[str, Any]) -> Iterable[str]:
        key, item = element
        unit = self.open_units.get(key) or self._open(key)
        if isinstance(item, EndOfUnit):
            unit.end = item
        else:
            unit.items += 1
            unit.documents += unit.writer.add(item)
            unit.attempt.progress(unit.documents)
        if unit.end is not None and unit.items == unit.end.items:
            del self.open_units[key]
            with unit.resources:
                counts, summary = unit.writer.finish(unit.end.summary)
                unit.attempt.commit(unit.end.task.input, counts, summary)
            yield key

    def finish_bundle(self) -> None:
        self._discard()
        if self.open_units:
            raise RunError(f"stage {self.stage.stage}: units {sorted(self.open_units)} did not receive all their items")

    def teardown(self) -> None:
        self._discard()

    def _open(self, key: str) -> _OpenUnit:
        resources = ExitStack()
        attempt = resources.enter_context(self.stage.attempt(key))
        return self.open_units.setdefault(key, _OpenUnit(attempt, self.writer(attempt), resources))

    def _discard(self) -> None:
        for unit in getattr(self, "open_units", {}).values():
            unit.resources.close()

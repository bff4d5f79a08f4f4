"""How a stage works through its units on any Beam runner.

::

    SpreadTasks(stage, parcels) | ReadUnits(read) | EachItem(step) | … | WriteUnits(stage, fold)

``EachBatch`` does what ``EachItem`` does, for some items at a time.

After ``SpreadTasks`` everything is fused, so a unit's items pass from hand to hand in one process, and
nothing but the unit's files and its receipt leaves it. Items are records or row blocks; every one of them reaches the
fold. A unit is done when as many items arrived as its reader gave out, in whatever order units are interleaved; one
that is not done when its bundle ends fails the bundle, never silently.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import apache_beam as beam
from apache_beam.transforms.window import GlobalWindows

from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import Attempt, StageDirectory
from gristmill.transforms.core.side_files import SideFile


class Task(NamedTuple):
    """A unit to be worked on: its key, what its receipt shall say of the input, its size, and what its reader needs."""

    unit: str
    input: Mapping[str, Any]
    weight: int
    work: Any


class Round(NamedTuple):
    """Units that are done before those of a stage can be, in a directory of their own; ``work`` does one of them."""

    directory: StageDirectory
    tasks: list[Task]
    work: Callable[[Task], Any]


class EndOfUnit(NamedTuple):
    """The last element of a unit: how many items its reader gave out, and the reader's own count of the input."""

    task: Task
    items: int
    end: UnitSummary


class UnitWriter(Protocol):
    """What becomes of one unit's items, in the order in which they were read."""

    def add(self, item: Any) -> int:
        """Take one item; returns the number of documents or records in it."""

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        """Write what is left; the unit's books and facts."""


Read = Callable[[Any], Iterator[Any]]
"""From a task's ``work`` to its items, of which the last is the ``UnitEnd``."""


class DistributeTasks(beam.PTransform):  # type: ignore[misc]
    """The tasks in parcels, spread over the workers.

    A task whose unit has a receipt by the time it arrives is left out, so that an engine that does a part of a job
    again does not do again what was done. Where the units of a stage go together (``whole``), all of them arrive.
    """

    def __init__(self, stage: StageDirectory, parcels: list[SideFile], requires_all_units: bool = False) -> None:
        super().__init__()
        self.stage = stage
        self.parcels = parcels
        self.requires_all_units = requires_all_units

    def expand(self, pipeline: beam.Pipeline) -> beam.PCollection:
        tasks = (
            pipeline
            | beam.Create(self.parcels, reshuffle=False)
            | "open" >> beam.FlatMap(SideFile.open).with_output_types(Any)
            | beam.Reshuffle()
        )
        return tasks if self.requires_all_units else tasks | "pending" >> beam.Filter(partial(_is_pending, self.stage))


def _is_pending(stage: StageDirectory, task: Task) -> bool:
    return not stage.is_complete(task.unit)


class ReadUnits(beam.PTransform):  # type: ignore[misc]
    """Tasks to ``(unit, item)`` pairs, each unit closed by a ``Closing``."""

    def __init__(self, read: Read) -> None:
        super().__init__()
        self.read = read

    def expand(self, tasks: beam.PCollection) -> beam.PCollection:
        return tasks | beam.ParDo(_Read(self.read))


class MapItems(beam.PTransform):  # type: ignore[misc]
    """Apply a step to every item. ``load`` makes the step once in each worker, so that models need not be pickled.

    A step that holds what should be let go of has a method ``close``.
    """

    def __init__(self, load: Callable[[], Callable[[Any], Any]]) -> None:
        super().__init__()
        self.load = load

    def expand(self, items: beam.PCollection) -> beam.PCollection:
        return items | beam.ParDo(_Each(self.load))


class MapBatches(beam.PTransform):  # type: ignore[misc]
    """Apply a step to lists of items, in order: it gives one item for each. ``load`` and ``close`` as in ``EachItem``.

    A batch is of ``most`` items, or fewer where their weights come to ``heavy``, or a unit ends.
    """

    def __init__(
        self, load: Callable[[], Callable[[list[Any]], list[Any]]], most: int, weigh: Callable[[Any], int], heavy: int
    ) -> None:
        super().__init__()
        self.load = load
        self.most = most
        self.weigh = weigh
        self.heavy = heavy

    def expand(self, items: beam.PCollection) -> beam.PCollection:
        return items | beam.ParDo(_Batch(self.load, self.most, self.weigh, self.heavy))


class WriteUnits(beam.PTransform):  # type: ignore[misc]
    """Fold every unit's items into files and a receipt; gives the keys of the units that are done."""

    def __init__(self, stage: StageDirectory, fold: Callable[[Attempt], UnitWriter]) -> None:
        super().__init__()
        self.stage = stage
        self.fold = fold

    def expand(self, items: beam.PCollection) -> beam.PCollection:
        return items | beam.ParDo(_Write(self.stage, self.fold))


class _Read(beam.DoFn):  # type: ignore[misc]
    def __init__(self, read: Read) -> None:
        self.read = read

    def process(self, task: Task) -> Iterable[tuple[str, Any]]:
        for items, item in enumerate(self.read(task.work)):
            if isinstance(item, UnitSummary):
                yield task.unit, EndOfUnit(task, items, item)
                return
            yield task.unit, item
        raise RunError(f"the reader of unit {task.unit} ended without counting its input")


class _Each(beam.DoFn):  # type: ignore[misc]
    def __init__(self, load: Callable[[], Callable[[Any], Any]]) -> None:
        self.load = load

    def setup(self) -> None:
        self.step = self.load()

    def process(self, element: tuple[str, Any]) -> Iterable[tuple[str, Any]]:
        unit, item = element
        yield element if isinstance(item, EndOfUnit) else (unit, self.step(item))

    def teardown(self) -> None:
        close = getattr(getattr(self, "step", None), "close", None)
        if close:
            close()


class _Batch(_Each):
    def __init__(
        self, load: Callable[[], Callable[[list[Any]], list[Any]]], most: int, weigh: Callable[[Any], int], heavy: int
    ) -> None:
        super().__init__(load)
        self.most = most
        self.weigh = weigh
        self.heavy = heavy

    def start_bundle(self) -> None:
        self._clear()

    def process(self, element: tuple[str, Any]) -> Iterable[tuple[str, Any]]:
        unit, item = element
        if isinstance(item, EndOfUnit):
            yield from self._done()
            yield element
            return
        self.units.append(unit)
        self.waiting.append(item)
        self.weight += self.weigh(item)
        if len(self.waiting) >= self.most or self.weight >= self.heavy:
            yield from self._done()

    def finish_bundle(self) -> Iterable[Any]:
        return map(GlobalWindows.windowed_value, self._done())

    def _done(self) -> list[tuple[str, Any]]:
        units, waiting = self.units, self.waiting
        self._clear()
        return list(zip(units, self.step(waiting) if waiting else [], strict=True))

    def _clear(self) -> None:
        self.units: list[str] = []
        self.waiting: list[Any] = []
        self.weight = 0


@dataclass
class _Open:
    """A unit that is being written."""

    attempt: Attempt
    fold: UnitWriter
    files: ExitStack
    items: int = 0
    documents: int = 0
    closing: EndOfUnit | None = None


class _Write(beam.DoFn):  # type: ignore[misc]
    def __init__(self, stage: StageDirectory, fold: Callable[[Attempt], UnitWriter]) -> None:
        self.stage = stage
        self.fold = fold

    def start_bundle(self) -> None:
        self.units: dict[str, _Open] = {}

    def process(self, element: tuple[str, Any]) -> Iterable[str]:
        unit, item = element
        opened = self.units.get(unit) or self._open(unit)
        if isinstance(item, EndOfUnit):
            opened.closing = item
        else:
            opened.items += 1
            opened.documents += opened.fold.add(item)
            opened.attempt.progress(opened.documents)
        if opened.closing is not None and opened.items == opened.closing.items:
            del self.units[unit]
            with opened.files:
                counts, summary = opened.fold.finish(opened.closing.end)
                opened.attempt.commit(opened.closing.task.input, counts, summary)
            yield unit

    def finish_bundle(self) -> None:
        self._discard()
        if self.units:
            raise RunError(f"stage {self.stage.stage}: units {sorted(self.units)} did not get all of their items")

    def teardown(self) -> None:
        self._discard()

    def _open(self, unit: str) -> _Open:
        files = ExitStack()
        attempt = files.enter_context(self.stage.attempt(unit))
        return self.units.setdefault(unit, _Open(attempt, self.fold(attempt), files))

    def _discard(self) -> None:
        for opened in getattr(self, "units", {}).values():
            opened.files.close()

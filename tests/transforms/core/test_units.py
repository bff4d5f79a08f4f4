"""Units through Beam: the books are closed by count, and a unit that is short fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.transforms.window import GlobalWindows

from gristmill.corpus.record import UnitSummary
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import Attempt, StageDirectory
from gristmill.transforms.core.side_files import stage_side_files
from gristmill.transforms.core.units import (
    DistributeTasks,
    EndOfUnit,
    MapBatches,
    MapItems,
    ReadUnits,
    Task,
    WriteUnits,
)

NUMBERS = pa.schema([("n", pa.int64())])


def count_up(numbers: range, announced: int | None = None) -> Iterator[int | UnitSummary]:
    yield from numbers
    yield UnitSummary(len(numbers), len(numbers), len(numbers) if announced is None else announced)


def never_closed(numbers: range) -> Iterator[int]:
    yield from numbers


class NumberFold:
    """Keeps even numbers."""

    def __init__(self, attempt: Attempt) -> None:
        self.sink = attempt.table("numbers", NUMBERS)
        self.odd = 0

    def add(self, item: int) -> int:
        if item % 2:
            self.odd += 1
        else:
            self.sink.write(pa.table({"n": [item]}, NUMBERS))
        return 1

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        return RecordCounts(end.records, self.sink.rows, {"odd": self.odd}, {}, end.covered, end.expected), {}


class LoseTheLast(beam.DoFn):
    """A faulty step: one item never arrives."""

    def process(self, element: tuple[str, Any]) -> Iterator[tuple[str, Any]]:
        if element[1] != 6:
            yield element


def tasks(ranges: Mapping[str, range]) -> list[Task]:
    return [Task(unit, {"source": "numbers"}, len(numbers), numbers) for unit, numbers in ranges.items()]


def double() -> Any:
    return lambda n: 2 * n


@pytest.fixture
def stage(tmp_path: Path) -> StageDirectory:
    return StageDirectory(str(tmp_path), "numbers", "0" * 16)


def test_units_are_read_worked_on_and_written(stage: StageDirectory) -> None:
    ranges = {"a": range(7), "b": range(0), "c": range(3, 5)}
    with TestPipeline(FnApiRunner()) as pipeline:
        done = (
            pipeline
            | beam.Create(tasks(ranges))
            | ReadUnits(count_up)
            | MapItems(double)
            | WriteUnits(stage, NumberFold)
        )
        assert_that(done, equal_to(list(ranges)))
    manifest = stage.write_manifest(ranges, lambda receipts: {})
    assert manifest.counts == RecordCounts(9, 9, {"odd": 0}, {}, 9, 9)
    assert [entry.rows for entry in manifest.files("numbers")] == [7, 0, 2]


class Interleave(beam.DoFn):
    """A batching step: holds items back and lets them go in turns."""

    def __init__(self, closed_first: bool = False) -> None:
        self.early = 2 if closed_first else 1

    def start_bundle(self) -> None:
        self.held: list[tuple[str, Any]] = []

    def process(self, element: tuple[str, Any]) -> None:
        self.held.append(element)

    def finish_bundle(self) -> Iterator[Any]:
        items = [element for element in self.held if not isinstance(element[1], EndOfUnit)]
        closings = [element for element in self.held if isinstance(element[1], EndOfUnit)]
        for element in closings[: self.early] + sorted(items, key=lambda element: element[1]) + closings[self.early :]:
            yield GlobalWindows.windowed_value(element)


def with_its_batch() -> Any:
    return lambda numbers: [(n, len(numbers)) for n in numbers]


def of_batches(elements: list[tuple[str, Any]]) -> list[Any]:
    return ["closed" if isinstance(item, EndOfUnit) else item for _, item in elements]


@pytest.mark.parametrize(
    ("most", "heavy", "sizes"),
    [
        (3, 99, [3, 3, 3, 3, 3, 3, 1]),  # seven items, then the end of the unit
        (99, 99, [7] * 7),
        (99, 3, [3, 3, 3, 1, 1, 1, 1]),  # their weights are 0 1 2, 3, 4, 5, 6
        (1, 99, [1] * 7),
    ],
)
def test_batches_are_of_so_many_items_or_so_heavy_and_end_with_the_unit(
    most: int, heavy: int, sizes: list[int]
) -> None:
    with TestPipeline(FnApiRunner()) as pipeline:
        items = (
            pipeline
            | beam.Create(tasks({"a": range(7)}))
            | ReadUnits(count_up)
            | MapBatches(with_its_batch, most, int, heavy)
            | beam.Map(lambda element: [element])
            | beam.CombineGlobally(lambda lists: [one for elements in lists for one in elements])
            | beam.Map(of_batches)
        )
        assert_that(items, equal_to([[*zip(range(7), sizes, strict=True), "closed"]]))


def test_batches_of_interleaved_units_lose_nothing(stage: StageDirectory) -> None:
    ranges = {"a": range(3), "b": range(2)}
    with TestPipeline(FnApiRunner()) as pipeline:
        done = (
            pipeline
            | beam.Create(tasks(ranges))
            | ReadUnits(count_up)
            | beam.ParDo(Interleave(closed_first=True))
            | MapBatches(lambda: list, 99, int, 99)
            | WriteUnits(stage, NumberFold)
        )
        assert_that(done, equal_to(list(ranges)))
    assert stage.write_manifest(ranges, lambda receipts: {}).counts.records == 5


def test_units_may_be_interleaved_and_closed_early(stage: StageDirectory) -> None:
    ranges = {"a": range(3), "b": range(2)}
    with TestPipeline(FnApiRunner()) as pipeline:
        done = (
            pipeline
            | beam.Create(tasks(ranges))
            | ReadUnits(count_up)
            | beam.ParDo(Interleave())
            | WriteUnits(stage, NumberFold)
        )
        assert_that(done, equal_to(list(ranges)))
    assert stage.write_manifest(ranges, lambda receipts: {}).counts.records == 5


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (never_closed, "ended without counting"),
        (partial(count_up, announced=8), "do not balance"),
    ],
)
def test_a_reader_that_is_short_fails_the_run(stage: StageDirectory, read: Any, message: str) -> None:
    with pytest.raises(Exception, match=message), TestPipeline(FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create(tasks({"a": range(7)})) | ReadUnits(read) | WriteUnits(stage, NumberFold)
    assert stage.completed_units() == set()


def test_a_unit_that_misses_an_item_fails_the_bundle(stage: StageDirectory) -> None:
    with pytest.raises(Exception, match="did not get all of their items"), TestPipeline(FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create(tasks({"a": range(7)}))
            | ReadUnits(count_up)
            | beam.ParDo(LoseTheLast())
            | WriteUnits(stage, NumberFold)
        )
    assert stage.completed_units() == set()
    assert not list(Path(stage.url).rglob("*.parquet"))


def test_tasks_travel_beside_the_graph_and_those_that_stand_are_left_out(stage: StageDirectory) -> None:
    ranges = {f"u{number}": range(number % 3) for number in range(1500)}
    listed = tasks(ranges)
    parcels = stage_side_files(stage, listed)
    assert len(parcels) == 2
    with stage.attempt("u7") as attempt:
        attempt.commit({}, RecordCounts(0, 0, {}, {}, 0, 0))
    with TestPipeline(FnApiRunner()) as pipeline:
        assert_that(
            pipeline | DistributeTasks(stage, parcels), equal_to([task for task in listed if task.unit != "u7"])
        )
    with TestPipeline(FnApiRunner()) as pipeline:
        assert_that(pipeline | DistributeTasks(stage, parcels, requires_all_units=True), equal_to(listed))
    graph = beam.Pipeline()
    _ = graph | DistributeTasks(stage, stage_side_files(stage, tasks({f"u{n}": range(n) for n in range(20_000)})))
    assert graph.to_runner_api().ByteSize() < 100_000


def test_a_unit_that_arrives_twice_is_written_once(stage: StageDirectory) -> None:
    twice = tasks({"a": range(7)}) * 2
    with TestPipeline(FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create(twice) | ReadUnits(count_up) | WriteUnits(stage, NumberFold)
    assert stage.write_manifest({"a"}, lambda receipts: {}).counts == RecordCounts(7, 4, {"odd": 3}, {}, 7, 7)
    assert len(list(Path(stage.url).glob("numbers/*"))) == 1

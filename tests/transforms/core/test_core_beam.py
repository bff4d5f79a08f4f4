"""Units through Beam: a unit is complete when its items have been counted, and fails if any is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
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
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.core_beam import DistributeTasks, MapBatches, MapItems, ReadUnits, WriteUnits
from gristmill.transforms.core.side_files import stage_side_files
from gristmill.transforms.core.tasks import EndOfUnit, Task

NUMBERS = pa.schema([("n", pa.int64())])


def count_up(numbers: range, expected: int | None = None) -> Iterator[int | UnitSummary]:
    yield from numbers
    yield UnitSummary(len(numbers), len(numbers), len(numbers) if expected is None else expected)


def without_summary(numbers: range) -> Iterator[int]:
    yield from numbers


class NumberWriter:
    """Keeps even numbers and drops odd ones."""

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


class LoseLastItem(beam.DoFn):
    """A faulty step that loses an item."""

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


def test_units_are_read_mapped_and_written(stage: StageDirectory) -> None:
    ranges = {"a": range(7), "b": range(0), "c": range(3, 5)}
    with TestPipeline(FnApiRunner()) as pipeline:
        done = (
            pipeline
            | beam.Create(tasks(ranges))
            | ReadUnits(count_up)
            | MapItems(double)
            | WriteUnits(stage, NumberWriter)
        )
        assert_that(done, equal_to(list(ranges)))
    manifest = stage.write_manifest(ranges, lambda receipts: {})
    assert manifest.counts == RecordCounts(9, 9, {"odd": 0}, {}, 9, 9)
    assert [entry.rows for entry in manifest.files("numbers")] == [7, 0, 2]


class Interleave(beam.DoFn):
    """Buffers a bundle and emits its items sorted, so that units alternate; some ends of units come first."""

    def __init__(self, ends_first: bool = False) -> None:
        self.early_ends = 2 if ends_first else 1

    def start_bundle(self) -> None:
        self.buffer: list[tuple[str, Any]] = []

    def process(self, element: tuple[str, Any]) -> None:
        self.buffer.append(element)

    def finish_bundle(self) -> Iterator[Any]:
        items = [element for element in self.buffer if not isinstance(element[1], EndOfUnit)]
        ends = [element for element in self.buffer if isinstance(element[1], EndOfUnit)]
        items.sort(key=lambda element: element[1])
        for element in ends[: self.early_ends] + items + ends[self.early_ends :]:
            yield GlobalWindows.windowed_value(element)


def pair_with_batch_size() -> Any:
    return lambda numbers: [(n, len(numbers)) for n in numbers]


def mark_ends(elements: list[tuple[str, Any]]) -> list[Any]:
    return ["end" if isinstance(item, EndOfUnit) else item for _, item in elements]


@pytest.mark.parametrize(
    ("max_batch_size", "max_batch_bytes", "sizes"),
    [
        (3, 99, [3, 3, 3, 3, 3, 3, 1]),  # seven items, then the end of the unit
        (99, 99, [7] * 7),
        (99, 3, [3, 3, 3, 1, 1, 1, 1]),  # sizes of the elements: 0 1 2, 3, 4, 5, 6
        (1, 99, [1] * 7),
    ],
)
def test_batches_are_limited_by_count_and_bytes_and_end_with_the_unit(
    max_batch_size: int, max_batch_bytes: int, sizes: list[int]
) -> None:
    with TestPipeline(FnApiRunner()) as pipeline:
        items = (
            pipeline
            | beam.Create(tasks({"a": range(7)}))
            | ReadUnits(count_up)
            | MapBatches(pair_with_batch_size, max_batch_size, int, max_batch_bytes)
            | beam.Map(lambda element: [element])
            | beam.CombineGlobally(lambda lists: list(chain.from_iterable(lists)))
            | beam.Map(mark_ends)
        )
        assert_that(items, equal_to([[*zip(range(7), sizes, strict=True), "end"]]))


def test_batches_of_interleaved_units_lose_no_item(stage: StageDirectory) -> None:
    ranges = {"a": range(3), "b": range(2)}
    with TestPipeline(FnApiRunner()) as pipeline:
        done = (
            pipeline
            | beam.Create(tasks(ranges))
            | ReadUnits(count_up)
            | beam.ParDo(Interleave(ends_first=True))
            | MapBatches(lambda: list, 99, int, 99)
            | WriteUnits(stage, NumberWriter)
        )
        assert_that(done, equal_to(list(ranges)))
    assert stage.write_manifest(ranges, lambda receipts: {}).counts.records == 5


def test_units_may_interleave_and_end_early(stage: StageDirectory) -> None:
    ranges = {"a": range(3), "b": range(2)}
    with TestPipeline(FnApiRunner()) as pipeline:
        done = (
            pipeline
            | beam.Create(tasks(ranges))
            | ReadUnits(count_up)
            | beam.ParDo(Interleave())
            | WriteUnits(stage, NumberWriter)
        )
        assert_that(done, equal_to(list(ranges)))
    assert stage.write_manifest(ranges, lambda receipts: {}).counts.records == 5


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (without_summary, "ended without counting"),
        (partial(count_up, expected=8), "do not balance"),
    ],
)
def test_a_reader_that_yields_too_little_fails_the_run(stage: StageDirectory, read: Any, message: str) -> None:
    with pytest.raises(Exception, match=message), TestPipeline(FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create(tasks({"a": range(7)})) | ReadUnits(read) | WriteUnits(stage, NumberWriter)
    assert stage.completed_units() == set()


def test_a_unit_with_a_missing_item_fails_the_bundle(stage: StageDirectory) -> None:
    with pytest.raises(Exception, match="did not receive all their items"), TestPipeline(FnApiRunner()) as pipeline:
        _ = (
            pipeline
            | beam.Create(tasks({"a": range(7)}))
            | ReadUnits(count_up)
            | beam.ParDo(LoseLastItem())
            | WriteUnits(stage, NumberWriter)
        )
    assert stage.completed_units() == set()
    assert not list(Path(stage.url).rglob("*.parquet"))


def test_tasks_are_read_from_side_files_and_completed_units_skipped(stage: StageDirectory) -> None:
    ranges = {f"u{number}": range(number % 3) for number in range(1500)}
    all_tasks = tasks(ranges)
    side_files = stage_side_files(stage, all_tasks)
    assert len(side_files) == 2
    with stage.attempt("u7") as attempt:
        attempt.commit({}, RecordCounts(0, 0, {}, {}, 0, 0))
    with TestPipeline(FnApiRunner()) as pipeline:
        assert_that(
            pipeline | DistributeTasks(stage, side_files), equal_to([task for task in all_tasks if task.unit != "u7"])
        )
    with TestPipeline(FnApiRunner()) as pipeline:
        assert_that(pipeline | DistributeTasks(stage, side_files, requires_all_units=True), equal_to(all_tasks))
    graph = beam.Pipeline()
    _ = graph | DistributeTasks(stage, stage_side_files(stage, tasks({f"u{n}": range(n) for n in range(20_000)})))
    assert graph.to_runner_api().ByteSize() < 100_000


def test_a_unit_that_arrives_twice_is_committed_once(stage: StageDirectory) -> None:
    repeated = tasks({"a": range(7)}) * 2
    with TestPipeline(FnApiRunner()) as pipeline:
        _ = pipeline | beam.Create(repeated) | ReadUnits(count_up) | WriteUnits(stage, NumberWriter)
    assert stage.write_manifest({"a"}, lambda receipts: {}).counts == RecordCounts(7, 4, {"odd": 3}, {}, 7, 7)
    assert len(list(Path(stage.url).glob("numbers/*"))) == 1

"""Schedules rounds: pipelines that run before the deduplication itself when the buckets do not fit on one worker.

Rounds find the connected components of the buckets through files, so that no worker holds more than ``RoundLimits``
allows, and write batches of whole components. Each task writes files whose row groups are the parts of the next round;
a task of a part reads its row group of every file. ``docs/how-deduplication-works.md`` has an example. The rounds are:

- ``buckets``, one task for each range of partitions. Writes bucket members by node, and the components of these buckets
  alone, as stars (edges).
- ``stars``, one task for each part of the nodes, repeatedly: small-stars and large-stars in turn. Writes edges, and the
  labels of finished components by node.
- ``join``, one task, once the remaining edges fit on one worker. Writes the labels of all remaining components.
- ``batches``, one task for each part of the nodes. Reads members and labels, and writes members by batch.

The deduplication then reads one batch's row group of every file. When to stop follows from the counts in the receipts.

A round is a stage directory inside that of the stage, ``rounds/<round>-<key>``, whose key covers the signature files. A
run that was killed resumes from the receipts of its last round. ``sweep`` deletes the rounds once the stage is
complete.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from math import ceil
from typing import Any, NamedTuple

from gristmill.store import storage
from gristmill.store.keys import key_of
from gristmill.store.receipts import Manifest
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.exchange import TASK_ROWS, partitions_per_task
from gristmill.transforms.core.side_files import stage_side_file
from gristmill.transforms.core.tasks import Round, Task
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.round_files import BatchFiles
from gristmill.transforms.dedup.round_tasks import StarTurn, apply_stars, find_buckets, join_remaining, write_batches
from gristmill.transforms.dedup.signature_reader import SignedUnit

FOLDER = "rounds"


class RoundLimits(NamedTuple):
    """How much one worker processes. The limits do not affect what is removed.

    Attributes:
        one_place: Maximum rows of bands without rounds. If all of them were members of shared buckets, these would take
            4 GB between workers and 25 GB on one; in a crawl, a quarter may be.
        join: Maximum edges to join in one place, which takes 8 GB.
        rows: Average number of members or edges of a task.
        documents: Average number of documents in a batch: more than in one place, since its documents are in all files.
            A batch holds whole components, so a larger component makes a larger batch.
    """

    one_place: int = 2**28
    join: int = 2**25
    rows: int = TASK_ROWS
    documents: int = 2**17


DEFAULT_LIMITS = RoundLimits()


class CompletedRound(NamedTuple):
    """A completed round: its directory, and what its tasks wrote and counted."""

    directory: StageDirectory
    manifest: Manifest

    def files(self, kind: str) -> list[str]:
        """URLs of the non-empty files of a kind."""
        return [self.directory.file_url(entry) for entry in self.manifest.files(kind) if entry.rows]

    def total(self, name: str) -> int:
        """Sum of a count over all tasks."""
        return sum(int(receipt.summary[name]) for receipt in self.manifest.receipts)


class Rounds:
    """The rounds of the deduplication in ``stage``, over ``units``, of which those of the index come first."""

    def __init__(
        self, stage: StageDirectory, section: DedupSection, units: tuple[SignedUnit, ...], limits: RoundLimits
    ) -> None:
        self.stage, self.section, self.units, self.limits = stage, section, units, limits
        self.rows = section.buckets * sum(unit.kept for unit in units)

    @property
    def needed(self) -> bool:
        """Whether the buckets may not fit on one worker."""
        return self.rows > self.limits.one_place

    def run(self) -> Iterator[Round]:
        """Yields the rounds that are not complete; each depends on the completion of the one before."""
        parts = self._part_count(self.rows)
        buckets = yield from self._find_buckets(parts)
        labeling = yield from self._label_components(buckets, parts)
        yield from self._write_batches(buckets, labeling, parts)

    def batch_files(self) -> BatchFiles:
        """The result of the rounds, once all of them are complete."""
        directory = self._directory("batches")
        done = CompletedRound(directory, directory.read_manifest())
        batches = int(done.manifest.receipts[0].summary["batches"])
        return BatchFiles(stage_side_file(self.stage, done.files("members")), batches)

    def _find_buckets(self, parts: int) -> Generator[Round, None, CompletedRound]:
        directory = self._directory("buckets")
        ranges = partitions_per_task(self.rows, self.section.partitions, self.limits.rows)
        work = partial(find_buckets, directory, stage_side_file(directory, self.units), parts)
        return (yield from _complete(directory, ranges, work))

    def _label_components(self, buckets: CompletedRound, parts: int) -> Generator[Round, None, list[CompletedRound]]:
        """Turns of stars until the remaining edges fit on one worker; returns the rounds that wrote labels."""
        labeling: list[CompletedRound] = []
        done, edge_parts = buckets, parts
        while edges := done.total("edges"):
            turn = len(labeling)
            if edges <= self.limits.join:
                directory = self._directory("join", turn)
                files = stage_side_file(directory, done.files("edges"))
                done = yield from _complete(directory, [files], partial(join_remaining, directory, parts))
            else:
                directory = self._directory("stars", turn)
                files = stage_side_file(directory, done.files("edges"))
                star = StarTurn(files, turn % 2 == 1, edge_parts, 2 * self._part_count(edges), parts)
                done = yield from _complete(directory, range(edge_parts), partial(apply_stars, directory, star))
                edge_parts = star.next_parts
            labeling.append(done)
        return labeling

    def _write_batches(
        self, buckets: CompletedRound, labeling: list[CompletedRound], parts: int
    ) -> Generator[Round, None, CompletedRound]:
        directory = self._directory("batches")
        labels = [url for done in labeling for url in done.files("settled")]
        inputs = stage_side_file(directory, (buckets.files("members"), labels))
        documents = sum(done.total("settled") for done in labeling)
        batches = max(ceil(documents / self.limits.documents), 1)
        return (yield from _complete(directory, range(parts), partial(write_batches, directory, inputs, batches)))

    def _part_count(self, rows: int) -> int:
        return max(ceil(rows / self.limits.rows), 1)

    def _directory(self, name: str, turn: int = 0) -> StageDirectory:
        signed = [[unit.files.bands.rpartition("/")[2], unit.generation, unit.kept] for unit in self.units]
        key = key_of(self.stage.key, signed, self.limits, turn)
        return StageDirectory(storage.join(self.stage.url, FOLDER), name, key)


def sweep(stage: StageDirectory) -> None:
    """Delete the rounds in a stage's directory; manifests and receipts first, so that what is left is not reused."""
    folder = storage.join(stage.url, FOLDER)
    paths = sorted((not path.endswith(".json"), path) for path, _ in storage.glob(folder, "**"))
    storage.remove(storage.join(folder, path) for _, path in paths)


def _complete(
    directory: StageDirectory, works: Iterable[Any], do: Callable[[Task], Any]
) -> Generator[Round, None, CompletedRound]:
    """Yield the round unless it is complete already; return it completed."""
    if not storage.exists(directory.manifest_url):
        tasks = [Task(key_of(directory.key, n), {"part": n}, 1, work) for n, work in enumerate(works)]
        yield Round(directory, tasks, do)
    return CompletedRound(directory, directory.read_manifest())

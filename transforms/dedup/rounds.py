"""Components past one machine: rounds of pipelines before the one that decides, with edges exchanged in files.

One place takes as many rows as one worker holds (``Limits.one_place``). Beyond that, a task writes one file a kind,
whose row groups are the parts of the next round; a task of a part reads its row group of every file::

    buckets   a task a run of partitions   members by node | edges: the components of these buckets alone, as stars
    stars     a task a part of the nodes   a small-star and a large-star in turn | edges, and what is settled, by node
    join      one task                     once the edges left fit one worker: scipy | what is settled, by node
    batches   a task a part of the nodes   members with what is settled | members by batch of whole components

The deciding pipeline then reads a batch's row group of every file, and nothing passes through one worker but what
fits. When to stop is read from the counts that tasks wrote.

A round is a stage directory of its own inside the stage's, ``rounds/<round>-<key>``, whose key holds the signed files:
a run that was killed goes on from the receipts of the round that it was in. All of it is swept once the stage is done.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from functools import partial
from itertools import pairwise
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.counts import RecordCounts
from gristmill.store.keys import key_of
from gristmill.store.stage_directory import Attempt, Manifest, StageDirectory
from gristmill.transforms.core.exchange import TASK_ROWS, partition_ranges
from gristmill.transforms.core.side_files import SideFile, stage_side_file
from gristmill.transforms.core.units import Round, Task
from gristmill.transforms.dedup.dedup_beam import MEMBER_SCHEMA, Batches, read_tables, shared_buckets
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.shingles import Integers
from gristmill.transforms.dedup.signed import SignedUnit
from gristmill.transforms.dedup.stars import (
    Edges,
    Settled,
    copies,
    forest,
    joined,
    large_star,
    neighbourhoods,
    parts_of,
    small_star,
)

FOLDER = "rounds"

EDGE_SCHEMA = pa.schema(
    [
        pa.field("node", pa.uint64(), nullable=False),
        pa.field("parent", pa.uint64(), nullable=False),
        pa.field("leaf", pa.bool_(), nullable=False),
    ]
)
SETTLED_SCHEMA = pa.schema([pa.field(name, pa.uint64(), nullable=False) for name in Settled._fields])

_NONE = Settled(np.empty(0, np.uint64), np.empty(0, np.uint64))


class Limits(NamedTuple):
    """How much one worker takes. Nothing of it can change what is decided."""

    one_place: int = 2**28
    """Rows of bands. Were all of them members of shared buckets, these would take 4 GB between workers and 25 in the
    one; in a crawl a quarter may be."""
    join: int = 2**25
    """Edges: 8 GB."""
    rows: int = TASK_ROWS
    """Members or edges of a task, on average."""
    documents: int = 2**17
    """Of a batch, on average: more than in one place, since its documents lie in all files. A batch has whole
    components, so one that is larger makes it larger."""


LIMITS = Limits()


class Done(NamedTuple):
    """A round that is done: where, and what its tasks wrote and counted."""

    directory: StageDirectory
    manifest: Manifest

    def files(self, kind: str) -> list[str]:
        """Those with anything in them."""
        return [self.directory.file_url(entry) for entry in self.manifest.files(kind) if entry.rows]

    def total(self, of: str) -> int:
        return sum(int(receipt.summary[of]) for receipt in self.manifest.receipts)


class Star(NamedTuple):
    """A turn: the files of edges, whether its stars are large, and into how many parts it finds and deals nodes."""

    edges: SideFile
    large: bool
    parts: int
    next_parts: int
    settled_parts: int


class Rounds:
    """The rounds over ``units``, those of the index first, for the deduplication in ``stage``."""

    def __init__(
        self, stage: StageDirectory, section: DedupSection, units: tuple[SignedUnit, ...], limits: Limits
    ) -> None:
        self.stage, self.section, self.units, self.limits = stage, section, units, limits
        self.rows = section.buckets * sum(unit.kept for unit in units)

    @property
    def needed(self) -> bool:
        """Whether more may have to come together than one place takes."""
        return self.rows > self.limits.one_place

    def run(self) -> Iterator[Round]:
        """The rounds that are not done yet, each once the one before it is."""
        of_edges = parts = self._parts(self.rows)
        done = buckets = yield from self._buckets(parts)
        settled: list[Done] = []
        while edges := done.total("edges"):
            last = edges <= self.limits.join
            stage = self._directory("join" if last else "stars", len(settled))
            files = stage_side_file(stage, done.files("edges"))
            if last:
                done = yield from _done(stage, [files], partial(_join, stage, parts))
            else:
                star = Star(files, len(settled) % 2 == 1, of_edges, 2 * self._parts(edges), parts)
                done = yield from _done(stage, range(of_edges), partial(_turn, stage, star))
                of_edges = star.next_parts
            settled.append(done)
        stage = self._directory("batches")
        labels = [url for one in settled for url in one.files("settled")]
        given = stage_side_file(stage, (buckets.files("members"), labels))
        batches = ceil(sum(one.total("settled") for one in settled) / self.limits.documents)
        yield from _done(stage, range(parts), partial(_deal, stage, given, max(batches, 1)))

    def batches(self) -> Batches:
        """What the rounds left, once all of them are done."""
        stage = self._directory("batches")
        done = Done(stage, stage.read_manifest())
        return Batches(
            stage_side_file(self.stage, done.files("members")), int(done.manifest.receipts[0].summary["batches"])
        )

    def _buckets(self, parts: int) -> Generator[Round, None, Done]:
        stage = self._directory("buckets")
        work = partial(_find, stage, stage_side_file(stage, self.units), parts)
        return (yield from _done(stage, partition_ranges(self.rows, self.section.partitions, self.limits.rows), work))

    def _parts(self, rows: int) -> int:
        return max(ceil(rows / self.limits.rows), 1)

    def _directory(self, name: str, turn: int = 0) -> StageDirectory:
        signed = [[unit.files.bands.rpartition("/")[2], unit.generation, unit.kept] for unit in self.units]
        key = key_of(self.stage.key, signed, self.limits, turn)
        return StageDirectory(storage.join(self.stage.url, FOLDER), name, key)


def sweep(stage: StageDirectory) -> None:
    """Take away what rounds left in a stage's directory; first of all what says that it is there."""
    folder = storage.join(stage.url, FOLDER)
    paths = sorted((not path.endswith(".json"), path) for path, _ in storage.glob(folder, "**"))
    storage.remove(storage.join(folder, path) for _, path in paths)


def _done(stage: StageDirectory, works: Iterable[Any], do: Callable[[Task], Any]) -> Generator[Round, None, Done]:
    """Ask for a round, unless it stands."""
    if not storage.exists(stage.manifest_url):
        yield Round(stage, [Task(key_of(stage.key, n), {"part": n}, 1, work) for n, work in enumerate(works)], do)
    return Done(stage, stage.read_manifest())


# What tasks do


def _find(stage: StageDirectory, units: SideFile, parts: int, task: Task) -> None:
    """The members of the shared buckets of some partitions, and what these join."""
    members = shared_buckets(task.work, units)
    edges = forest(members)
    with stage.attempt(task.unit) as attempt:
        _write(attempt, "members", MEMBER_SCHEMA, members, parts_of(members.node, parts), parts)
        _write_edges(attempt, edges, parts)
        _commit(attempt, task, edges=len(edges.node))


def _turn(stage: StageDirectory, star: Star, task: Task) -> None:
    """A small or a large star around every node of a part."""
    arcs = neighbourhoods(_edges(star.edges, [task.work]), task.work, star.parts)
    edges, settled = large_star(arcs) if star.large else (small_star(arcs), _NONE)
    with stage.attempt(task.unit) as attempt:
        _write_edges(attempt, edges, star.next_parts)
        if len(settled.node):
            _write_settled(attempt, settled, star.settled_parts)
        _commit(attempt, task, edges=len(edges.node), settled=len(settled.node))


def _join(stage: StageDirectory, parts: int, task: Task) -> None:
    """All components that are left, in one place."""
    settled = joined(_edges(task.work, None))
    with stage.attempt(task.unit) as attempt:
        _write_settled(attempt, settled, parts)
        _commit(attempt, task, edges=0, settled=len(settled.node))


def _deal(stage: StageDirectory, given: SideFile, batches: int, task: Task) -> None:
    """The members of a part by batch: a batch is of whole components, which are dealt by a hash of their label."""
    files, labels = given.open()
    members = read_tables(files, [task.work], MEMBER_SCHEMA)
    settled = read_tables(labels, [task.work], SETTLED_SCHEMA).sort_by("node")
    node, place = np.unique(members["node"].to_numpy(), return_inverse=True)
    if not np.array_equal(node, settled["node"].to_numpy()):
        raise RunError(f"rounds do not add up: delete {stage.work}, and the same command does them again")
    batch = parts_of(settled["label"].to_numpy(), batches)[place]
    with stage.attempt(task.unit) as attempt:
        _write(attempt, "members", MEMBER_SCHEMA, [column.to_numpy() for column in members.columns], batch, batches)
        _commit(attempt, task, batches=batches)


def _edges(files: SideFile, parts: Sequence[int] | None) -> Edges:
    table = read_tables(files.open(), parts, EDGE_SCHEMA)
    return Edges(table["node"].to_numpy(), table["parent"].to_numpy(), table["leaf"].to_numpy())


def _write_edges(attempt: Attempt, edges: Edges, parts: int) -> None:
    rows, part = copies(edges, parts)
    _write(attempt, "edges", EDGE_SCHEMA, [column[rows] for column in edges], part, parts)


def _write_settled(attempt: Attempt, settled: Settled, parts: int) -> None:
    _write(attempt, "settled", SETTLED_SCHEMA, settled, parts_of(settled.node, parts), parts)


def _write(
    attempt: Attempt, kind: str, schema: pa.Schema, columns: Sequence[NDArray[Any]], part: Integers, parts: int
) -> None:
    """Row group p holds the rows of part p."""
    order = np.argsort(part, kind="stable")
    table = pa.table([column[order] for column in columns], schema=schema)
    sink = attempt.table(kind, schema)
    for begin, end in pairwise(np.searchsorted(part[order], np.arange(parts + 1)).tolist()):
        sink.write(table.slice(begin, end - begin))


def _commit(attempt: Attempt, task: Task, **counts: int) -> None:
    """A round has no documents to keep books of."""
    attempt.commit(task.input, RecordCounts.of_rows(0, 0), counts)

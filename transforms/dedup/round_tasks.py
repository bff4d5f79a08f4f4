"""What the tasks of the rounds do: each reads some row groups of the previous round's files and writes its own."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gristmill.errors import RunError
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.side_files import SideFile
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.dedup.round_files import (
    LABEL_SCHEMA,
    MEMBER_SCHEMA,
    read_edges,
    read_row_groups,
    write_edges,
    write_labels,
    write_members,
)
from gristmill.transforms.dedup.signature_reader import read_shared_buckets
from gristmill.transforms.dedup.stars import (
    LabeledNodes,
    assign_parts,
    bucket_stars,
    join_components,
    large_star,
    neighborhoods,
    small_star,
)

_NO_LABELS = LabeledNodes(np.empty(0, np.uint64), np.empty(0, np.uint64))


class StarTurn(NamedTuple):
    """One turn of small-stars or large-stars.

    Attributes:
        edges: Side file with the URLs of the edge files.
        large: Whether the stars are large.
        parts: Number of parts of the edge files.
        next_parts: Number of parts of the edge files to write.
        label_parts: Number of parts of the label files to write.
    """

    edges: SideFile
    large: bool
    parts: int
    next_parts: int
    label_parts: int


def find_buckets(stage: StageDirectory, units: SideFile, parts: int, task: Task) -> None:
    """Write the members of the shared buckets of some partitions, and their components as stars."""
    members = read_shared_buckets(task.work, units)
    edges = bucket_stars(members)
    with stage.attempt(task.unit) as attempt:
        write_members(attempt, members, assign_parts(members.node, parts), parts)
        write_edges(attempt, edges, parts)
        _commit(attempt, task, edges=len(edges.node))


def apply_stars(stage: StageDirectory, turn: StarTurn, task: Task) -> None:
    """Apply a small-star or a large-star to every node of a part."""
    near = neighborhoods(read_edges(turn.edges, [task.work]), task.work, turn.parts)
    edges, labeled = large_star(near) if turn.large else (small_star(near), _NO_LABELS)
    with stage.attempt(task.unit) as attempt:
        write_edges(attempt, edges, turn.next_parts)
        if len(labeled.node):
            write_labels(attempt, labeled, turn.label_parts)
        _commit(attempt, task, edges=len(edges.node), settled=len(labeled.node))


def join_remaining(stage: StageDirectory, parts: int, task: Task) -> None:
    """Find the components of all remaining edges in one place."""
    labeled = join_components(read_edges(task.work, None))
    with stage.attempt(task.unit) as attempt:
        write_labels(attempt, labeled, parts)
        _commit(attempt, task, edges=0, settled=len(labeled.node))


def write_batches(stage: StageDirectory, inputs: SideFile, batches: int, task: Task) -> None:
    """Write the bucket members of a part by batch. A hash of its label assigns every component to a batch."""
    member_files, label_files = inputs.open()
    members = read_row_groups(member_files, [task.work], MEMBER_SCHEMA)
    labeled = read_row_groups(label_files, [task.work], LABEL_SCHEMA).sort_by("node")
    node, place = np.unique(members["node"].to_numpy(), return_inverse=True)
    if not np.array_equal(node, labeled["node"].to_numpy()):
        raise RunError(
            f"the labels in {stage.work} do not match the bucket members: delete this directory and run the same "
            "command again"
        )
    batch = assign_parts(labeled["label"].to_numpy(), batches)[place]
    with stage.attempt(task.unit) as attempt:
        write_members(attempt, [column.to_numpy() for column in members.columns], batch, batches)
        _commit(attempt, task, batches=batches)


def _commit(attempt: Attempt, task: Task, **summary: int) -> None:
    """Commit the unit of a round, which has no documents to count."""
    attempt.commit(task.input, RecordCounts.of_rows(0, 0), summary)

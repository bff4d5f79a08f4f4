"""A training run that is submitted to other hosts, and what submits it."""

from __future__ import annotations

from typing import NamedTuple


class TrainingJob(NamedTuple):
    """The inputs and outputs of a run: URLs, or absolute paths that the run's hosts can see too."""

    name: str
    """The same for the same run and number of steps, so that a cluster recognises it."""
    section: str
    shards: str
    out: str


class Submission(NamedTuple):
    """The command that submits a run, its input, and the suffix of the file in which the input is kept."""

    command: list[str]
    stdin: str | None = None
    suffix: str = ""

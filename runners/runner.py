"""What runs the Beam pipelines of a run, one after the other, until it is closed."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from gristmill.errors import RunError

if TYPE_CHECKING:
    import apache_beam as beam

Build = Callable[["beam.Pipeline"], Any]


class WorkersLostError(RunError):
    """A job failed not for what our code raised but because something under it went away; trying again may help."""


def jobs_of(work: str) -> str:
    """What the names of all jobs of a work directory begin with, so that a run finds what a killed one left running."""
    return f"gristmill-{blake2b(work.encode(), digest_size=4).hexdigest()}"


@contextmanager
def quiet() -> Iterator[None]:
    """Beam logs what it also raises, its portable runner even to the root logger."""
    root, beams = logging.getLogger(), logging.getLogger("apache_beam")
    before = beams.level
    beams.setLevel(logging.CRITICAL + 1)
    root.addFilter(_is_news)
    try:
        yield
    finally:
        root.removeFilter(_is_news)
        beams.setLevel(before)


def _is_news(record: logging.LogRecord) -> bool:
    return record.module != "portable_runner"


class StageRunner(ABC):
    """Used as a context: what it started for its pipelines ends with it."""

    tries: int = 1
    """Times in a row that a pipeline is submitted, and loses its workers, without a unit being done."""

    @abstractmethod
    def run(self, name: str, build: Build, units: int) -> None:
        """Run the pipeline of stage ``name`` over so many units to its end.

        Raises InputError or RunError, in one sentence, where it fails; WorkersLostError where it was not our code.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what was started."""

    def __enter__(self) -> StageRunner:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

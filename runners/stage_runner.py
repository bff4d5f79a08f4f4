"""The interface of a runner: it executes the Beam pipelines of a run, one after the other, until it is closed."""

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
"""Adds a stage's transforms to a pipeline."""


class WorkersLostError(RunError):
    """A job failed because its workers were lost, not because our code raised; trying again may help."""


class StageRunner(ABC):
    """Runs pipelines. It is a context manager: whatever it starts for its pipelines ends when it is closed."""

    tries: int = 1
    """Maximum number of consecutive submissions of a pipeline that lose their workers before any unit completes."""

    @abstractmethod
    def run(self, name: str, build: Build, units: int) -> None:
        """Run the pipeline of stage ``name`` over ``units`` units and wait for its end.

        Raises WorkersLostError if workers were lost, InputError or RunError for any other failure.
        """

    def close(self) -> None:  # noqa: B027 - most runners have nothing to close
        """End everything that was started."""

    def __enter__(self) -> StageRunner:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


def job_prefix(work: str) -> str:
    """The common prefix of a work directory's job names, by which a run finds the jobs that a killed run left."""
    return f"gristmill-{blake2b(work.encode(), digest_size=4).hexdigest()}"


@contextmanager
def quiet_beam_logs() -> Iterator[None]:
    """Silence Beam's loggers: it logs the errors that it also raises, its portable runner even to the root logger."""
    root_logger, beam_logger = logging.getLogger(), logging.getLogger("apache_beam")
    level = beam_logger.level
    beam_logger.setLevel(logging.CRITICAL + 1)
    root_logger.addFilter(_is_not_from_portable_runner)
    try:
        yield
    finally:
        root_logger.removeFilter(_is_not_from_portable_runner)
        beam_logger.setLevel(level)


def _is_not_from_portable_runner(record: logging.LogRecord) -> bool:
    return record.module != "portable_runner"

"""What runs the Beam pipelines of a run, one after the other, until it is closed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import apache_beam as beam

from gristmill.corpus.errors import RunError

Build = Callable[[beam.Pipeline], Any]


class WorkersLostError(RunError):
    """A job failed not for what our code raised but because something under it went away; trying again may help."""


class Engine(ABC):
    """Used as a context: what it started for its pipelines ends with it."""

    tries: int = 1
    """Times that a pipeline may be submitted when workers are lost under it."""

    @abstractmethod
    def run(self, name: str, build: Build, units: int) -> None:
        """Run the pipeline of stage ``name`` over so many units to its end.

        Raises InputError or RunError, in one sentence, where it fails; WorkersLostError where it was not our code.
        """

    def close(self) -> None:  # noqa: B027 - most have nothing to end
        """End what was started."""

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

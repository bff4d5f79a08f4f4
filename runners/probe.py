"""A small job that goes the whole way before a long one does: to the cluster, to its Python, to the work directory."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import apache_beam as beam

import gristmill
from gristmill.errors import InputError
from gristmill.store import storage

_FOLDER = ".probe"
_ELEMENTS_A_WORKER = 4


class Probe(NamedTuple):
    """What a worker is asked: does it see the work directory, and is its Gristmill the launcher's?"""

    work: str
    token: str
    version: str
    launcher: str

    @property
    def asked(self) -> str:
        return storage.join(self.work, _FOLDER, self.token)

    def answer(self, element: int) -> None:
        """Runs on a worker. Raises InputError with what is wrong there."""
        host = socket.gethostname()
        if gristmill.__version__ != self.version:
            raise InputError(
                f"the worker on {host} has Gristmill {gristmill.__version__}, the launcher {self.version}: install one"
            )
        if not storage.exists(self.asked):
            raise InputError(
                f"the worker on {host} does not see the work directory {self.work} of {self.launcher}: "
                "give --work on a shared disk or an object store"
            )
        storage.replace(f"{self.asked}-{host}-{os.getpid()}", b"")

    def pipeline(self, workers: int, pipeline: beam.Pipeline) -> beam.PCollection:
        elements = range(workers * _ELEMENTS_A_WORKER)
        return pipeline | beam.Create(elements) | beam.Reshuffle() | beam.Map(partial(_answer, self))


@contextmanager
def probing(work: str) -> Iterator[Probe]:
    """A probe, to be sent through a job within the block. Raises InputError where nothing of an answer arrives here."""
    probe = Probe(work, uuid.uuid4().hex, gristmill.__version__, socket.gethostname())
    storage.replace(probe.asked, b"")
    folder = storage.join(work, _FOLDER)
    try:
        yield probe
        if len(_answers(folder, probe)) < 2:
            raise InputError(
                f"what workers write to {work} does not arrive here: give --work on a shared disk or an object store"
            )
    finally:
        storage.remove(storage.join(folder, name) for name in _answers(folder, probe))


def _answer(probe: Probe, element: int) -> None:
    probe.answer(element)


def _answers(folder: str, probe: Probe) -> list[str]:
    return [name for name in storage.listing(folder) if name.startswith(probe.token)]

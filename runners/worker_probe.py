"""A small test job before the first long one: it reaches the cluster, its Python workers and the work directory."""

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
_ELEMENTS_PER_WORKER = 4


class Probe(NamedTuple):
    """What a worker checks: that it sees the work directory, and that its version of Gristmill is the launcher's."""

    work: str
    token: str
    version: str
    launcher: str

    @property
    def request(self) -> str:
        """The file that the launcher writes and workers look for."""
        return storage.join(self.work, _FOLDER, self.token)

    def check_worker(self) -> None:
        """Runs on a worker and leaves a file as its answer. Raises InputError with what is wrong there."""
        host = socket.gethostname()
        if gristmill.__version__ != self.version:
            raise InputError(
                f"the worker on {host} has Gristmill {gristmill.__version__}, but the launcher has {self.version}: "
                "install the same version on both"
            )
        if not storage.exists(self.request):
            raise InputError(
                f"the worker on {host} cannot see the work directory {self.work} of {self.launcher}: "
                "set --work to a shared disk or an object store"
            )
        storage.replace(f"{self.request}-{host}-{os.getpid()}", b"")

    def pipeline(self, workers: int, pipeline: beam.Pipeline) -> beam.PCollection:
        """Add the test job for ``workers`` workers to ``pipeline``."""
        elements = range(workers * _ELEMENTS_PER_WORKER)
        return pipeline | beam.Create(elements) | beam.Reshuffle() | beam.Map(partial(_check_worker, self))


@contextmanager
def probing(work: str) -> Iterator[Probe]:
    """A probe that the block sends through a job. Raises InputError if no worker's answer arrives here."""
    probe = Probe(work, uuid.uuid4().hex, gristmill.__version__, socket.gethostname())
    storage.replace(probe.request, b"")
    folder = storage.join(work, _FOLDER)
    try:
        yield probe
        if len(_files(folder, probe)) < 2:
            raise InputError(
                f"files that workers write to {work} do not arrive here: set --work to a shared disk or an object store"
            )
    finally:
        storage.remove(storage.join(folder, name) for name in _files(folder, probe))


def _check_worker(probe: Probe, element: int) -> None:
    probe.check_worker()


def _files(folder: str, probe: Probe) -> list[str]:
    """The names of the request and of the answers to it."""
    return [name for name in storage.listing(folder) if name.startswith(probe.token)]

"""The portable stage runner, with a job server of Beam's that needs no Java and workers from our own pool."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.portability.api import beam_fn_api_pb2 as fn_api
from apache_beam.runners.portability.portable_runner import PortableRunner

import gristmill
from gristmill.errors import InputError, RunError
from gristmill.runners import job_server, portable_stage_runner
from gristmill.runners.portable_stage_runner import PortableStageRunner, Service
from gristmill.runners.worker_pool import WorkerPool, serve
from gristmill.runners.worker_probe import Probe


def start_embedded_job_server(prefix: str, stack: ExitStack, folder: Path) -> Service:
    options = ["--job_endpoint=embed", *job_server.start_worker_pool(stack, folder)]
    return Service(PortableRunner, 2, lambda units: options)


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PortableStageRunner]:
    """One job server and worker pool for all tests."""
    with PortableStageRunner(start_embedded_job_server, str(tmp_path_factory.mktemp("work")), 1) as opened:
        yield opened


def map_numbers(step: Any) -> Any:
    return lambda pipeline: pipeline | beam.Create(range(3)) | beam.Reshuffle() | beam.Map(step)


def test_pipelines_run_on_workers_of_the_pool(runner: PortableStageRunner, tmp_path: Path) -> None:
    def write_pid(number: int) -> None:
        (tmp_path / f"{number}-{os.getpid()}").touch()

    runner.run("one", map_numbers(write_pid), 3)
    runner.run("two", map_numbers(write_pid), 3)
    pids = {int(path.name.split("-")[1]) for path in tmp_path.glob("[0-9]-*")}
    assert pids
    assert os.getpid() not in pids
    assert not any(Path(runner.work, ".probe").iterdir())


def raise_each(kind: type[Exception]) -> Any:
    def fail(number: int) -> None:
        raise kind("the third one is bad" if number == 2 else "all are bad")

    return fail


@pytest.mark.parametrize(
    ("kind", "expected", "message"),
    [
        (InputError, InputError, "bad"),
        (RunError, RunError, "bad (logs: "),
        (OSError, RunError, "bad; fix this, then run the same command again"),
        (KeyError, RunError, "KeyError: "),
    ],
)
def test_errors_of_workers_are_one_sentence(
    runner: PortableStageRunner, kind: type[Exception], expected: type[Exception], message: str
) -> None:
    with pytest.raises(expected) as caught:
        runner.run("bad", map_numbers(raise_each(kind)), 3)
    assert type(caught.value) is expected
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


class IdlePool(WorkerPool):
    """Reports that it starts workers but does not, as Beam's pool does if its Python lacks Beam."""

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - named by gRPC
        return fn_api.StartWorkerResponse()


def test_workers_that_never_start_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable_stage_runner, "PROBE_TIMEOUT_SECONDS", 5)
    server, port = serve(IdlePool(), 0)
    options = ["--job_endpoint=embed", "--environment_type=EXTERNAL", f"--environment_config=127.0.0.1:{port}"]

    def start(prefix: str, stack: ExitStack, folder: Path) -> Service:
        return Service(PortableRunner, 1, lambda units: options)

    with (
        PortableStageRunner(start, str(tmp_path), 1) as runner,
        pytest.raises(
            InputError, match=r"did not finish within 5 s: check that .* a Python that has Gristmill installed"
        ),
    ):
        runner.run("one", map_numbers(abs), 3)
    server.stop(0)


def test_nothing_starts_before_the_first_pipeline(tmp_path: Path) -> None:
    def start(prefix: str, stack: ExitStack, folder: Path) -> Service:
        raise AssertionError

    with PortableStageRunner(start, str(tmp_path), 1):
        pass


def test_a_probe_reports_what_is_wrong_on_the_worker(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot see the work directory"):
        Probe(str(tmp_path), "token", gristmill.__version__, "here").check_worker()
    with pytest.raises(InputError, match="install the same version"):
        Probe(str(tmp_path), "token", "0.0.0", "here").check_worker()

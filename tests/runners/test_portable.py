"""The portable engine on a job server of Beam's that needs no Java, with workers from our own pool."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.portability.api import beam_fn_api_pb2 as fn_api
from apache_beam.runners.portability.portable_runner import PortableRunner

from gristmill.errors import InputError, RunError
from gristmill.runners import clusters, portable
from gristmill.runners.parent_watch import with_parent_watch
from gristmill.runners.portable import PortableStageRunner, Service
from gristmill.runners.probe import Probe
from gristmill.runners.processes import answers, free_port, serving
from gristmill.runners.worker_pool import WorkerPool, serve


def start_embedded(prefix: str, stack: ExitStack, folder: Path) -> Service:
    options = ["--job_endpoint=embed", *clusters.own_workers(stack, folder)]
    return Service(PortableRunner, 2, lambda units: options)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[PortableStageRunner]:
    with PortableStageRunner(start_embedded, str(tmp_path), 1) as opened:
        yield opened


def numbers(step: Any) -> Any:
    return lambda pipeline: pipeline | beam.Create(range(3)) | beam.Reshuffle() | beam.Map(step)


def test_pipelines_run_on_workers_of_the_pool(engine: PortableStageRunner, tmp_path: Path) -> None:
    def leave_pid(number: int) -> None:
        (tmp_path / f"{number}-{os.getpid()}").touch()

    engine.run("one", numbers(leave_pid), 3)
    engine.run("two", numbers(leave_pid), 3)
    pids = {int(path.name.split("-")[1]) for path in tmp_path.glob("[0-9]-*")}
    assert pids
    assert os.getpid() not in pids
    assert not any((tmp_path / ".probe").iterdir())


def failing(kind: type[Exception]) -> Any:
    def fail(number: int) -> None:
        raise kind("the third one is bad" if number == 2 else "all are bad")

    return fail


@pytest.mark.parametrize(
    ("kind", "raised", "sentence"),
    [
        (InputError, InputError, "bad"),
        (RunError, RunError, "bad (what was said: "),
        (OSError, RunError, "bad; once that is mended"),
        (KeyError, RunError, "KeyError: "),
    ],
)
def test_errors_of_workers_are_one_sentence(
    engine: PortableStageRunner, kind: type[Exception], raised: type[Exception], sentence: str
) -> None:
    with pytest.raises(raised) as caught:
        engine.run("bad", numbers(failing(kind)), 3)
    assert type(caught.value) is raised
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


class IdlePool(WorkerPool):
    """Says that it starts workers, as Beam's does where its python has no Beam."""

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
        return fn_api.StartWorkerResponse()


def test_workers_that_never_come_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portable, "PROBE_SECONDS", 5)
    server, port = serve(IdlePool(), 0)
    options = ["--job_endpoint=embed", "--environment_type=EXTERNAL", f"--environment_config=127.0.0.1:{port}"]

    def start(prefix: str, stack: ExitStack, folder: Path) -> Service:
        return Service(PortableRunner, 1, lambda units: options)

    with (
        PortableStageRunner(start, str(tmp_path), 1) as engine,
        pytest.raises(InputError, match=r"did not end within 5 s: see that .* a python that has Gristmill in it"),
    ):
        engine.run("one", numbers(abs), 3)
    server.stop(0)


def test_nothing_is_started_before_the_first_pipeline(tmp_path: Path) -> None:
    def start(prefix: str, stack: ExitStack, folder: Path) -> Service:
        raise AssertionError

    with PortableStageRunner(start, str(tmp_path), 1):
        pass


def test_a_probe_tells_what_is_wrong_on_the_worker(tmp_path: Path) -> None:
    import gristmill

    with pytest.raises(InputError, match="does not see the work directory"):
        Probe(str(tmp_path), "token", gristmill.__version__, "here").answer(0)
    with pytest.raises(InputError, match="install one"):
        Probe(str(tmp_path), "token", "0.0.0", "here").answer(0)


def test_a_server_that_ends_at_once_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with (
        pytest.raises(RunError, match="the server ended at once: no such option"),
        serving("the server", command, f"localhost:{free_port()}", tmp_path / "log"),
    ):
        raise AssertionError


def test_a_server_ends_with_its_block(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with serving("the server", command, f"127.0.0.1:{port}", tmp_path / "log"):
        assert answers(f"127.0.0.1:{port}")
    assert not answers(f"127.0.0.1:{port}")


def test_a_tethered_process_ends_with_a_killed_launcher(tmp_path: Path) -> None:
    sleeper = [
        sys.executable,
        "-c",
        f"import os, time; open('{tmp_path}/pid', 'w').write(str(os.getpid())); time.sleep(600)",
    ]
    code = f"import subprocess; subprocess.Popen({with_parent_watch(sleeper)!r}).wait()"
    launcher = subprocess.Popen(
        [sys.executable, "-c", code.replace(f"'{os.getpid()}'", "str(__import__('os').getpid())")]
    )
    pid = _eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.wait()
    assert _eventually(lambda: not Path(f"/proc/{pid}").exists())


def _eventually(condition: Any) -> Any:
    for _ in range(300):
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("it never came")

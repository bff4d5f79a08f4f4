"""Worker processes of the embedded runner are forked from a fork server and exit with their launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apache_beam as beam
import pytest

from gristmill.errors import InputError, RunError
from gristmill.runners.embedded_stage_runner import EmbeddedStageRunner
from gristmill.runners.fork_server import ForkServer, WorkerRequest, fork_worker


def two_elements(pipeline: beam.Pipeline) -> beam.PCollection:
    return pipeline | beam.Create(range(2)) | beam.Reshuffle()


def write_parent_pid(number: int, folder: str) -> None:
    Path(folder, str(os.getpid())).write_text(str(os.getppid()))


def parent_pids(folder: Path) -> set[int]:
    return {int(path.read_text()) for path in folder.iterdir()}


def kill_self(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def raise_input_error(number: int) -> None:
    raise InputError("no column 'text'")


@pytest.fixture(scope="module")
def runner() -> Iterator[EmbeddedStageRunner]:
    """Two workers, whose fork server is started once for these tests."""
    with EmbeddedStageRunner(2) as opened:
        yield opened


def test_all_pipelines_of_a_run_share_one_fork_server(runner: EmbeddedStageRunner, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        runner.run("spread", lambda p, to=str(folder): two_elements(p) | beam.Map(write_parent_pid, to), 2)
    (server,) = parent_pids(folders[0])
    assert parent_pids(folders[1]) == {server}
    assert server != os.getpid()


def test_a_single_worker_is_this_process(tmp_path: Path) -> None:
    with EmbeddedStageRunner(1) as runner:
        runner.run("spread", lambda p: two_elements(p) | beam.Map(write_parent_pid, str(tmp_path)), 2)
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]


def test_an_error_of_a_worker_is_raised_here(runner: EmbeddedStageRunner) -> None:
    with pytest.raises(InputError, match=r"^no column 'text'"):
        runner.run("fail", lambda p: two_elements(p) | beam.Map(raise_input_error), 2)


def test_a_killed_worker_fails_the_pipeline(runner: EmbeddedStageRunner) -> None:
    with pytest.raises(RunError, match=r"^a worker process was killed; run the same command"):
        runner.run("die", lambda p: two_elements(p) | beam.Map(kill_self), 2)


def test_the_fork_server_exits_with_the_runner(runner: EmbeddedStageRunner) -> None:
    server = runner._start_fork_server()
    assert server is not None
    assert is_running(server._process.pid)
    runner.close()
    assert not is_running(server._process.pid)


def test_a_killed_fork_server_is_reported() -> None:
    server = ForkServer()
    server._process.kill()
    server._process.wait()
    with pytest.raises(RunError, match="has exited"):
        fork_worker(server.handle, WorkerRequest("worker_0", "localhost:1", os.devnull))
    server.close()


def test_a_fork_server_exits_with_its_launcher() -> None:
    script = (
        "from gristmill.runners.fork_server import ForkServer; import os;"
        "print(ForkServer()._process.pid, flush=True); os._exit(1)"
    )
    launcher = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while is_running(int(launcher.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

"""Worker processes of the embedded runner are forked from a fork server and exit with their launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import apache_beam as beam
import pytest

from gristmill.errors import RunError
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


def test_all_pipelines_of_a_run_share_one_fork_server(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    with EmbeddedStageRunner(2) as runner:
        for folder in folders:
            folder.mkdir()
            runner.run("spread", lambda p, to=str(folder): two_elements(p) | beam.Map(write_parent_pid, to), 2)
    (server,) = parent_pids(folders[0])
    assert parent_pids(folders[1]) == {server}
    assert server != os.getpid()
    assert not is_running(server)


def test_a_single_worker_is_this_process(tmp_path: Path) -> None:
    with EmbeddedStageRunner(1) as runner:
        runner.run("spread", lambda p: two_elements(p) | beam.Map(write_parent_pid, str(tmp_path)), 2)
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]


def test_a_killed_worker_fails_the_pipeline() -> None:
    with (
        EmbeddedStageRunner(2) as runner,
        pytest.raises(RunError, match=r"^a worker process was killed; run the same command"),
    ):
        runner.run("die", lambda p: two_elements(p) | beam.Map(kill_self), 2)


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

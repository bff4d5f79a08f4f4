"""Worker processes of the embedded runner: forked from a nursery, and gone with whom they work for."""

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
from gristmill.runners.embedded import EmbeddedStageRunner
from gristmill.runners.fork_server import ForkServer, Order, ask


def spread(pipeline: beam.Pipeline) -> beam.PCollection:
    return pipeline | beam.Create(range(2)) | beam.Reshuffle()


def leave_parent(number: int, folder: str) -> None:
    Path(folder, str(os.getpid())).write_text(str(os.getppid()))


def parents(folder: Path) -> set[int]:
    return {int(path.read_text()) for path in folder.iterdir()}


def die(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_pipelines_of_a_run_have_their_workers_from_one_nursery(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    with EmbeddedStageRunner(2) as engine:
        for folder in folders:
            folder.mkdir()
            engine.run("spread", lambda p, to=str(folder): spread(p) | beam.Map(leave_parent, to), 2)
    (nursery,) = parents(folders[0])
    assert parents(folders[1]) == {nursery}
    assert nursery != os.getpid()
    assert not _lives(nursery)


def test_one_worker_is_this_process(tmp_path: Path) -> None:
    with EmbeddedStageRunner(1) as engine:
        engine.run("spread", lambda p: spread(p) | beam.Map(leave_parent, str(tmp_path)), 2)
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]


def test_a_worker_that_is_killed_ends_the_pipeline() -> None:
    with (
        EmbeddedStageRunner(2) as engine,
        pytest.raises(RunError, match=r"^a worker process was ended; the same command"),
    ):
        engine.run("die", lambda p: spread(p) | beam.Map(die), 2)


def test_a_nursery_that_is_gone_is_told() -> None:
    nursery = ForkServer()
    nursery._process.kill()
    nursery._process.wait()
    with pytest.raises(RunError, match="is gone"):
        ask(nursery.handle, Order("worker_0", "localhost:1", os.devnull))
    nursery.close()


def test_a_nursery_ends_with_its_launcher() -> None:
    script = (
        "from gristmill.runners.fork_server import ForkServer; import os;"
        "print(ForkServer()._process.pid, flush=True); os._exit(1)"
    )
    launcher = subprocess.run([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while _lives(int(launcher.stdout)):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _lives(pid: int) -> bool:
    """Whether a process is there and is no zombie that nobody has buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

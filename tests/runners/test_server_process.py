"""Server processes that a run starts, and commands that exit with their launcher."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import RunError
from gristmill.runners.parent_watch import with_parent_watch
from gristmill.runners.server_process import free_port, is_listening, serving


def test_a_server_that_exits_at_once_is_reported(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such option')"]
    with (
        pytest.raises(RunError, match="the server exited at once: no such option"),
        serving("the server", command, f"localhost:{free_port()}", tmp_path / "log"),
    ):
        raise AssertionError


def test_a_server_is_terminated_at_the_end_of_its_block(tmp_path: Path) -> None:
    port = free_port()
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with serving("the server", command, f"127.0.0.1:{port}", tmp_path / "log"):
        assert is_listening(f"127.0.0.1:{port}")
    assert not is_listening(f"127.0.0.1:{port}")


def test_a_watched_process_exits_with_a_killed_launcher(tmp_path: Path) -> None:
    sleeper = [
        sys.executable,
        "-c",
        f"import os, time; open('{tmp_path}/pid', 'w').write(str(os.getpid())); time.sleep(600)",
    ]
    code = f"import subprocess; subprocess.Popen({with_parent_watch(sleeper)!r}).wait()"
    launcher = subprocess.Popen(
        [sys.executable, "-c", code.replace(f"'{os.getpid()}'", "str(__import__('os').getpid())")]
    )
    pid = wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    os.kill(launcher.pid, signal.SIGKILL)
    launcher.wait()
    assert wait_for(lambda: not Path(f"/proc/{pid}").exists())


def wait_for(condition: Any) -> Any:
    for _ in range(300):
        if result := condition():
            return result
        time.sleep(0.1)
    raise AssertionError("timed out")

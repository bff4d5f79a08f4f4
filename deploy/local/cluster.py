"""Starting, stopping and asking after a cluster in a folder."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import yaml

from deploy.local import marks
from deploy.local.plan import HOST, Folder, Plan
from deploy.local.supervisor import locked
from gristmill.errors import RunError

_CHECKOUT = Path(__file__).resolve().parents[2]
_SUPERVISOR = "supervisor"
_RESTARTS = 3
_GRACE_SECONDS = 15.0
_DIRECT = build_opener(ProxyHandler({}))  # nothing here is behind a proxy


def running(folder: Folder) -> bool:
    """Whether a cluster of this folder was started, was ready, and is supervised."""
    if not folder.profile.exists():
        return False
    if lock := locked(folder):
        lock.close()
    return lock is None


def start(folder: Folder, plan: Plan, slots: int, seconds: float) -> None:
    """Start a cluster and wait until it answers, ``seconds`` at most. Raises RunError, with nothing left running."""
    stop(folder)  # what a killed supervisor left
    for place in (folder.configuration, folder.logs, folder.scratch):
        place.mkdir(parents=True, exist_ok=True)
    for name, text in plan.files.items():
        (folder.configuration / name).write_text(text)
    folder.plan.write_text(json.dumps(plan.processes, indent=1))
    try:
        _await(folder, plan, slots, seconds, _supervise(folder))
        folder.profile.write_text(yaml.safe_dump(plan.profile, sort_keys=False, width=1000))
    except BaseException:
        stop(folder)
        raise


def stop(folder: Folder) -> bool:
    """End all of a cluster and remove what is of no use without it; its logs stay. Whether anything ran."""
    before = marks.marked(folder.path)
    supervisor = status(folder).get("supervisor")
    if supervisor in before:
        os.kill(supervisor, signal.SIGTERM)
        _await_end(supervisor, folder)
    if left := marks.end(folder.path, _GRACE_SECONDS):
        raise RunError(f"processes {left} of {folder.path} do not end: end them with kill -9")
    for file in (folder.profile, folder.plan, folder.processes, folder.lock):
        file.unlink(missing_ok=True)
    for place in (folder.scratch, folder.configuration):
        shutil.rmtree(place, ignore_errors=True)
    return bool(before)


def status(folder: Folder) -> dict[str, Any]:
    """The supervisor's number and, of each process, its role, number and how often it was started again."""
    try:
        told: dict[str, Any] = json.loads(folder.processes.read_text())
    except FileNotFoundError:
        return {}
    return told


def _supervise(folder: Folder) -> subprocess.Popen[bytes]:
    """Start the supervisor, which outlives this process."""
    with folder.log(_SUPERVISOR).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.local.supervisor", str(folder.path)],
            env={**os.environ, marks.MARK: str(folder.path)},
            cwd=_CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _await(folder: Folder, plan: Plan, slots: int, seconds: float, supervisor: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + seconds
    while True:
        told = status(folder).get("processes", [])
        if all(each["pid"] for each in told) and _slots(plan) >= slots and _open(plan.pool):
            break
        if dying := [each["role"] for each in told if each["restarts"] >= _RESTARTS]:
            raise RunError(f"the {dying[0]} does not stay up: see {folder.log(dying[0])}")
        if supervisor.poll() is not None:
            raise RunError(f"the cluster's supervisor ended: see {folder.log(_SUPERVISOR)}")
        if time.monotonic() > deadline:
            raise RunError(f"the cluster does not answer after {seconds:.0f} s: see {folder.logs}")
        time.sleep(0.3)
    supervisor.returncode = 0  # it lives on, and is not ours to wait for


def _slots(plan: Plan) -> int:
    try:
        with closing(_DIRECT.open(plan.health, timeout=5)) as answer:
            return plan.slots(json.load(answer))
    except (OSError, ValueError, KeyError):  # not there yet, or not all of it
        return 0


def _open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


def _await_end(pid: int, folder: Folder) -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while pid in marks.marked(folder.path) and time.monotonic() < deadline:
        time.sleep(0.1)

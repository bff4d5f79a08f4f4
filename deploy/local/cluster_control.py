"""Starts and stops the cluster of a folder, and reads its status."""

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

from deploy.local import marked_processes
from deploy.local.cluster_plan import HOST, Folder, Plan
from deploy.local.supervisor import acquire_lock
from gristmill.errors import RunError

_CHECKOUT = Path(__file__).resolve().parents[2]
_SUPERVISOR = "supervisor"
_RESTARTS = 3
_GRACE_SECONDS = 15.0
_DIRECT = build_opener(ProxyHandler({}))  # local addresses are never behind a proxy


def running(folder: Folder) -> bool:
    """Whether the cluster of this folder was started, became ready, and is supervised."""
    if not folder.profile.exists():
        return False
    if lock := acquire_lock(folder):
        lock.close()
    return lock is None


def start(folder: Folder, plan: Plan, slots: int, seconds: float) -> None:
    """Start a cluster and wait up to ``seconds`` until it answers. If it does not, stop it and raise RunError."""
    stop(folder)  # processes that a killed supervisor left
    for place in (folder.configuration, folder.logs, folder.scratch):
        place.mkdir(parents=True, exist_ok=True)
    folder.path.chmod(0o700)  # the plan has the cluster's secret
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
    """Stop a cluster and delete its files except the logs. Returns whether anything was running."""
    before = marked_processes.marked(folder.path)
    supervisor = status(folder).get("supervisor")
    if supervisor in before:
        os.kill(supervisor, signal.SIGTERM)
        _await_end(supervisor, folder)
    if remaining := marked_processes.end(folder.path, _GRACE_SECONDS):
        raise RunError(f"processes {remaining} of {folder.path} do not exit: kill them with kill -9")
    for file in (folder.profile, folder.plan, folder.processes, folder.lock):
        file.unlink(missing_ok=True)
    for place in (folder.scratch, folder.configuration):
        shutil.rmtree(place, ignore_errors=True)
    return bool(before)


def status(folder: Folder) -> dict[str, Any]:
    """Return the supervisor's pid and, for each process, its role, pid and number of restarts."""
    try:
        content: dict[str, Any] = json.loads(folder.processes.read_text())
    except FileNotFoundError:
        return {}
    return content


def _supervise(folder: Folder) -> subprocess.Popen[bytes]:
    """Start the supervisor, which outlives this process."""
    with folder.log(_SUPERVISOR).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "deploy.local.supervisor", str(folder.path)],
            env={**os.environ, marked_processes.MARK: str(folder.path)},
            cwd=_CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def _await(folder: Folder, plan: Plan, slots: int, seconds: float, supervisor: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + seconds
    while True:
        processes = status(folder).get("processes", [])
        if all(each["pid"] for each in processes) and _slots(plan) >= slots and _open(plan.pool):
            break
        if failing := [each["role"] for each in processes if each["restarts"] >= _RESTARTS]:
            raise RunError(f"the {failing[0]} keeps exiting: see {folder.log(failing[0])}")
        if supervisor.poll() is not None:
            raise RunError(f"the cluster's supervisor exited: see {folder.log(_SUPERVISOR)}")
        if time.monotonic() > deadline:
            raise RunError(f"the cluster does not answer after {seconds:.0f} s: see {folder.logs}")
        time.sleep(0.3)
    supervisor.returncode = 0  # it outlives this process, so that Popen must not wait for it


def _slots(plan: Plan) -> int:
    try:
        with closing(_DIRECT.open(plan.health, timeout=5)) as answer:
            return plan.slots(json.load(answer))
    except (OSError, ValueError, KeyError):  # not listening yet, or not completely started
        return 0


def _open(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex((HOST, port)) == 0


def _await_end(pid: int, folder: Folder) -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while pid in marked_processes.marked(folder.path) and time.monotonic() < deadline:
        time.sleep(0.1)

"""From another machine, nothing that a run starts can be reached: tried between two network namespaces."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clusters.conftest import deploy_local, require
from tests.conftest import REPOSITORY
from tests.network_namespaces import command_in_namespace, is_available

pytestmark = pytest.mark.runners

_DEADLINE = 900


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    if not is_available():
        pytest.skip("NOT TESTED FROM A SECOND NAMESPACE: this user may not create network namespaces")


def run_between_namespaces(script: str) -> dict[str, int]:
    result = subprocess.run(
        command_in_namespace(["sh", "-ec", script]),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=_DEADLINE,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    outcome: dict[str, int] = json.loads(result.stdout.splitlines()[-1])
    return outcome


def test_an_open_port_is_reached() -> None:
    serve = "import socket, time; server = socket.create_server(('', 0)); time.sleep(3)"
    outcome = run_between_namespaces(f"exec {sys.executable} -c {shlex.quote(serve)}")
    assert outcome == {"status": 0, "control": True, "tried": 1, "reached": 1}


@pytest.mark.parametrize("runner", ["embedded", "prism", "flink", "spark"])
def test_no_port_is_reached(runner: str, recipes: Callable[[str], Path], tmp_path: Path) -> None:
    start, stop, options, until = ":", ":", runner, "extract"
    match runner:
        case "embedded":
            options, until = "embedded --workers 2", "train"
        case "prism":
            require("go")
            location = deploy_local("part", "prism").strip()
            options = shlex.join(["prism", "--workers", "2", "--option", f"location={location}"])
        case "flink" | "spark":
            require("java", "mvn")
            cluster, folder = f"{sys.executable} -m deploy.local", shlex.quote(str(tmp_path / "cluster"))
            start, stop = (f"{cluster} {verb} {runner} --folder {folder}" for verb in ("start", "stop"))
            options = f"{folder}/runner.yaml"
    command = [sys.executable, "-m", "gristmill.pipelines.cli.main", "run", str(recipes("demo"))]
    run = f"{shlex.join([*command, '--work', str(tmp_path / 'work'), '--until', until])} --runner {options}"
    outcome = run_between_namespaces(f"{start}; trap {shlex.quote(stop)} EXIT; {run}")
    print(runner, outcome)
    assert outcome["control"]
    assert outcome["reached"] == 0
    assert bool(outcome["tried"])

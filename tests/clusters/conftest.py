"""Clusters of `deploy.local`, and runs of the command line on them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from gristmill.pipelines.sample.build import build
from gristmill.pipelines.work_directory import current, read_ledger
from tests.conftest import REPOSITORY

RECIPES = tuple(os.environ.get("GRISTMILL_RECIPES", "demo real").split())
"""The recipes to compare on every runner: the bundled sample, and real data."""
STAGES = ("extract", "signals", "judge", "signatures", "dedup", "refine", "tokenizer", "tokenize", "mix")

Manifests = dict[str, str]
"""The sha256 of each stage's manifest."""


class Cluster(NamedTuple):
    """A running local cluster: the name of its runner, its folder, and its profile for ``--runner``."""

    runner: str
    folder: Path

    @property
    def profile(self) -> str:
        return str(self.folder / "runner.yaml")

    def command(self, verb: str) -> str:
        """Run ``python -m deploy.local VERB`` for this cluster and return its output."""
        return deploy_local(verb, self.runner, "--folder", str(self.folder))


def deploy_local(*arguments: str) -> str:
    command = [sys.executable, "-m", "deploy.local", *arguments]
    result = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def require(*programs: str) -> None:
    """Skip the test, with a message, if a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"RUNNER NOT TESTED: {program} is not installed")


@pytest.fixture(scope="session")
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Cluster]]:
    """Starts a cluster with two slots, or returns the running one."""
    with ExitStack() as stack:
        running: dict[str, Cluster] = {}

        def start(name: str) -> Cluster:
            if name not in running:
                require("java", "mvn")
                cluster = Cluster(name, tmp_path_factory.mktemp(f"{name}-cluster"))
                stack.callback(cluster.command, "stop")
                cluster.command("start")
                running[name] = cluster
            return running[name]

        yield start


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Returns a recipe: ``demo`` for the bundled sample, ``real`` for real data (skipped if there is none)."""
    sample = tmp_path_factory.mktemp("sample")

    def recipe(name: str) -> Path:
        if name == "demo":
            if not (sample / "recipe.yaml").exists():
                build(sample)
            return sample / "recipe.yaml"
        data = Path(os.environ.get("GRISTMILL_DATA", REPOSITORY.parent / "shared" / "data"))
        if not data.is_dir():
            pytest.skip(f"REAL DATA MISSING: {data} does not exist; set GRISTMILL_DATA to run this test")
        return REPOSITORY / "benchmarks" / "recipes" / "engines.yaml"

    return recipe


def start_run(recipe: Path, work: Path, runner: str, *more: str, until: str = "mix") -> subprocess.Popen[str]:
    """Start ``gristmill run`` as a user does."""
    command = [sys.executable, "-m", "gristmill.pipelines.cli.main", "run", str(recipe), "--work", str(work)]
    return subprocess.Popen(
        [*command, "--runner", runner, "--until", until, "--env", "GRISTMILL_DATA", *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(run: subprocess.Popen[str]) -> str:
    """Wait for a run, which must succeed, and return its standard error, with one line per stage."""
    stderr = run.communicate()[1]
    assert run.returncode == 0, stderr
    return stderr


def manifests(work: Path) -> Manifests:
    """Return the manifests of a completed run, whose record counts must balance."""
    ledger: dict[str, Any] = read_ledger(str(work))
    assert ledger["balanced"], json.dumps(ledger["imbalances"])
    return {stage: sha256(Path(d.manifest_url).read_bytes()).hexdigest() for stage, d in current(str(work)).items()}


@pytest.fixture(scope="session")
def reference(recipes: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Manifests]:
    """Returns the manifests of a run with the embedded runner in one process."""
    cached: dict[str, Manifests] = {}

    def run_once(name: str) -> Manifests:
        if name not in cached:
            work = tmp_path_factory.mktemp(f"{name}-embedded")
            print(finish(start_run(recipes(name), work, "embedded", "--workers", "1")))
            cached[name] = manifests(work)
        return cached[name]

    return run_once

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

RECIPES = ("demo", "real")
STAGES = ("extract", "signals", "judge", "signatures", "dedup", "refine", "tokenizer", "tokenize", "mix")

Manifests = dict[str, str]
"""Stage → sha256 of its manifest."""


class Cluster(NamedTuple):
    """A local cluster that runs: its engine, its folder, and its profile for ``--runner``."""

    engine: str
    folder: Path

    @property
    def profile(self) -> str:
        return str(self.folder / "runner.yaml")

    def command(self, verb: str) -> str:
        """What ``python -m deploy.local VERB`` says of it."""
        return deploy_local(verb, self.engine, "--folder", str(self.folder))


def deploy_local(*arguments: str) -> str:
    command = [sys.executable, "-m", "deploy.local", *arguments]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def require(*programs: str) -> None:
    """Skip, loudly, where a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"ENGINE NOT TESTED: no {program} on this machine")


@pytest.fixture(scope="session")
def start_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Cluster]]:
    """Starts a cluster with two slots, or gives the one that runs."""
    with ExitStack() as stack:
        running: dict[str, Cluster] = {}

        def start(engine: str) -> Cluster:
            if engine not in running:
                require("java", "mvn")
                cluster = Cluster(engine, tmp_path_factory.mktemp(f"{engine}-cluster"))
                stack.callback(cluster.command, "stop")
                cluster.command("start")
                running[engine] = cluster
            return running[engine]

        yield start


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``demo``: the bundled sample; ``real``: real data, skipped where there is none."""
    sample = tmp_path_factory.mktemp("sample")

    def recipe(name: str) -> Path:
        if name == "demo":
            if not (sample / "recipe.yaml").exists():
                build(sample)
            return sample / "recipe.yaml"
        data = Path(os.environ.get("GRISTMILL_DATA", REPOSITORY.parent / "shared" / "data"))
        if not data.is_dir():
            pytest.skip(f"REAL DATA MISSING: no folder {data}; set GRISTMILL_DATA to run this test")
        return REPOSITORY / "benchmarks" / "recipes" / "engines.yaml"

    return recipe


def start_run(recipe: Path, work: Path, runner: str, *more: str, until: str = "mix") -> subprocess.Popen[str]:
    """``gristmill run`` as a user starts it."""
    command = [sys.executable, "-m", "gristmill.pipelines.cli.main", "run", str(recipe), "--work", str(work)]
    return subprocess.Popen(
        [*command, "--runner", runner, "--until", until, *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(run: subprocess.Popen[str]) -> str:
    """Wait for a run that must end well; its lines, one a stage."""
    said = run.communicate()[1]
    assert run.returncode == 0, said
    return said


def manifests(work: Path) -> Manifests:
    """Of a finished run whose books balance."""
    ledger: dict[str, Any] = read_ledger(str(work))
    assert ledger["balanced"], json.dumps(ledger["imbalances"])
    return {stage: sha256(Path(d.manifest_url).read_bytes()).hexdigest() for stage, d in current(str(work)).items()}


@pytest.fixture(scope="session")
def reference(recipes: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Manifests]:
    """The manifests that the embedded runner leaves, in one process."""
    known: dict[str, Manifests] = {}

    def of(name: str) -> Manifests:
        if name not in known:
            work = tmp_path_factory.mktemp(f"{name}-embedded")
            print(finish(start_run(recipes(name), work, "embedded", "--workers", "1")))
            known[name] = manifests(work)
        return known[name]

    return of

"""Guarantees that take several whole runs to check: other numbers of workers, kills, other storage."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gristmill.pipelines.recipe import load_recipe
from gristmill.store import storage
from gristmill.store.receipts import Manifest
from tests.conftest import REPOSITORY, S3Server
from tests.pipelines.conftest import CompletedRun, run_recipe


@pytest.mark.slow
def test_one_worker_two_workers_and_killed_in_every_stage_give_the_same_bytes(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "promises", "--work", str(tmp_path), "--until", "mix"]
    process = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    figures = json.loads(process.stdout.splitlines()[-1])
    assert (figures["equal"], figures["balanced"]) == (1, 1), process.stdout
    assert figures["stages_killed_in"] >= figures["stages"] - 1, process.stdout  # a stage of milliseconds may be missed


@pytest.mark.slow
def test_workers_exit_when_the_launcher_is_killed(sample: Path, tmp_path: Path) -> None:
    command = ["run", str(sample / "recipe.yaml"), "--work", str(tmp_path), "--workers", "2", "--until", "extract"]
    launcher = subprocess.Popen([sys.executable, "-m", "gristmill.pipelines.cli.main", *command])
    while not (workers := _children(launcher.pid)):
        time.sleep(0.1)
    launcher.kill()
    launcher.wait()
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        time.sleep(0.1)


@pytest.mark.slow
def test_a_work_directory_on_an_object_store_gives_the_same_bytes(
    completed_run: CompletedRun, s3_server: S3Server
) -> None:
    """Also with two worker processes that share only the store."""
    work = f"{s3_server.new_bucket()}/work"
    remote = run_recipe(completed_run.recipe, work, workers=2)
    assert remote.ledger == completed_run.ledger
    for stage, done in remote.done.items():
        assert done.manifest == completed_run.done[stage].manifest
        assert Manifest.from_json(json.loads(storage.read_bytes(done.step.directory.manifest_url))) == done.manifest


@pytest.mark.slow
def test_sources_on_an_object_store_give_the_same_bytes(
    completed_run: CompletedRun, sample: Path, s3_server: S3Server
) -> None:
    bucket = s3_server.new_bucket()
    for path in sorted((sample / "web").iterdir()):
        storage.replace(f"{bucket}/web/{path.name}", path.read_bytes())
    recipe = load_recipe(str(sample / "recipe.yaml"), [f"sources.0.root={bucket}/web"])
    remote = run_recipe(recipe, f"{bucket}/work", until="extract")
    assert remote.done["extract"].manifest == completed_run.done["extract"].manifest


def _children(parent: int) -> list[int]:
    """The ids of the child processes of ``parent``, started by any of its threads."""
    listed = [path.read_text().split() for path in Path(f"/proc/{parent}/task").glob("*/children")]
    return [int(pid) for pids in listed for pid in pids]

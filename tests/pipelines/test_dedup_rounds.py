"""Deduplication in rounds, forced on a small corpus: the same bytes as in one task, also after interruptions."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gristmill.errors import RunError
from gristmill.pipelines import run
from gristmill.pipelines.work_directory import current
from gristmill.runners.embedded_stage_runner import EmbeddedStageRunner
from gristmill.runners.stage_runner import Build, StageRunner, WorkersLostError
from gristmill.transforms.dedup.buckets import BucketMembers
from gristmill.transforms.dedup.rounds import RoundLimits
from tests.pipelines.chained_corpus import ONE_PLACE, ROUNDS, STARS, TEXTS, WORDS, chained, limited
from tests.pipelines.conftest import CompletedRun, run_recipe

ONE_PART = RoundLimits(one_place=0, join=0)


def _run(folder: Path, limits: RoundLimits, texts: list[str] = TEXTS, workers: int = 1, **more: Any) -> CompletedRun:
    with limited(limits):
        return run_recipe(chained(folder, texts, **more), folder / "work", workers, "dedup")


class RecordingRunner(StageRunner):
    """The embedded runner, which records the names of its jobs and calls ``after`` with them after each."""

    tries = 2

    def __init__(self, after: Callable[[list[str]], None] = lambda jobs: None) -> None:
        self.jobs: list[str] = []
        self.after = after

    def run(self, name: str, build: Build, units: int) -> None:
        self.jobs.append(name.rpartition("-")[0] or name)
        EmbeddedStageRunner(1).run(name, build, units)
        self.after(self.jobs)


def _run_with(runner: StageRunner, folder: Path, limits: RoundLimits, **more: Any) -> str:
    """Run until dedup, and return the work directory."""
    with limited(limits):
        recipe = chained(folder, TEXTS, **more)
        run.run(recipe, str(folder / "work"), runner, "dedup", lambda step: nullcontext(), lambda done: None)
    return str(folder / "work")


def _manifest(work: str) -> bytes:
    return Path(current(work)["dedup"].manifest_url).read_bytes()


@pytest.fixture(scope="module")
def one_place(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    return _run(tmp_path_factory.mktemp("one"), ONE_PLACE)


@pytest.mark.parametrize(
    ("limits", "workers"),
    [(ROUNDS, 1), (STARS, 1), (STARS, 2), (ONE_PART, 1)],
    ids=["join", "stars", "stars, two workers", "one part"],
)
def test_rounds_give_the_same_bytes_as_one_task(
    limits: RoundLimits, workers: int, one_place: CompletedRun, tmp_path: Path
) -> None:
    found = _run(tmp_path, limits, workers=workers)
    assert found.manifests() == one_place.manifests()
    assert found.ledger == one_place.ledger
    assert found.ledger["stages"][-1]["dropped"]["near_duplicate"] > 100


def test_rounds_with_an_index(tmp_path: Path) -> None:
    before = _run(tmp_path / "old", ONE_PLACE, TEXTS[::2])
    one, rounds = (
        _run(tmp_path / name, limits, TEXTS[1::2], index=[before.work])
        for name, limits in {"one": ONE_PLACE, "rounds": STARS}.items()
    )
    assert _manifest(rounds.work) == _manifest(one.work)


@pytest.mark.parametrize("texts", [[], ["…", "!"], WORDS], ids=["nothing", "no words", "nothing alike"])
def test_rounds_without_duplicates(texts: list[str], tmp_path: Path) -> None:
    one, rounds = (_run(tmp_path / name, limits, texts) for name, limits in {"one": ONE_PLACE, "rounds": STARS}.items())
    assert _manifest(rounds.work) == _manifest(one.work)


def test_rounds_are_used_only_above_the_limit_of_one_task(tmp_path: Path) -> None:
    rows = 14 * len(TEXTS)
    jobs = {}
    for limit in (rows, rows - 1):
        runner = RecordingRunner()
        _run_with(runner, tmp_path / str(limit), ROUNDS._replace(one_place=limit))
        jobs[limit] = [job for job in runner.jobs if job.startswith("dedup")]
    assert jobs == {rows: ["dedup"], rows - 1: ["dedup-buckets", "dedup-join", "dedup-batches", "dedup"]}


def test_a_killed_run_resumes_from_its_round(one_place: CompletedRun, tmp_path: Path) -> None:
    """A run is killed after each of its jobs in turn; no round runs twice."""

    def fail(jobs: list[str]) -> None:
        if jobs[-1].startswith("dedup"):
            raise RunError("the power failed")

    done: list[str] = []
    for _ in range(40):
        runner = RecordingRunner(fail)
        try:
            work = _run_with(runner, tmp_path, STARS)
            break
        except RunError:
            done += runner.jobs
    rounds = [job for job in done if job.startswith("dedup")]
    assert rounds == ["dedup-buckets", *["dedup-stars"] * rounds.count("dedup-stars"), "dedup-batches", "dedup"]
    assert rounds.count("dedup-stars") > 3
    assert _manifest(work) == _manifest(one_place.work)


def test_a_lost_worker_does_not_repeat_a_completed_round(one_place: CompletedRun, tmp_path: Path) -> None:
    def lose(jobs: list[str]) -> None:
        if jobs[-1] == "dedup-join":
            raise WorkersLostError("the cluster lost a worker")

    runner = RecordingRunner(lose)
    assert _manifest(_run_with(runner, tmp_path, ROUNDS)) == _manifest(one_place.work)
    assert runner.jobs.count("dedup-join") == 1


def test_files_of_rounds_are_deleted(tmp_path: Path) -> None:
    found = _run(tmp_path, STARS)
    stage = Path(current(found.work)["dedup"].url)
    assert not [path for path in (stage / "rounds").rglob("*") if path.is_file()]
    receipt = next((stage / "receipts").iterdir())
    receipt.unlink()
    before = _manifest(found.work)
    assert _manifest(_run(tmp_path, STARS).work) == before
    assert receipt.exists()


def test_tasks_of_rounds_join_fewer_nodes_than_one_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    largest = []
    for limits in (ONE_PLACE, STARS):
        seen: list[int] = []
        with monkeypatch.context() as patch:
            _watch_members(patch, seen)
            _run(tmp_path / str(len(largest)), limits)
        largest.append(max(seen))
    assert largest[1] < largest[0]


def _watch_members(patch: pytest.MonkeyPatch, seen: list[int]) -> None:
    from gristmill.transforms.dedup import components, stars

    def watched(members: BucketMembers) -> Any:
        seen.append(len(np.unique(members.node)))
        return real(members)

    real = components.connected_components
    patch.setattr(components, "connected_components", watched)
    patch.setattr(stars, "connected_components", watched)

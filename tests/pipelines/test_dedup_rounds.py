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
from tests.pipelines.conftest import CompletedRun, copy_stages, run_recipe

ONE_PART = RoundLimits(one_place=0, join=0)


def _run_in_one_task(folder: Path, texts: list[str] = TEXTS, **more: Any) -> CompletedRun:
    with limited(ONE_PLACE):
        return run_recipe(chained(folder, texts, **more), folder / "work", until="dedup")


def _run_again(first: CompletedRun, work: Path, limits: RoundLimits, workers: int = 1) -> CompletedRun:
    """Deduplicate the documents of another run with other limits; the stages before are copied."""
    with limited(limits):
        return run_recipe(first.recipe, copy_stages(first, work, "dedup"), workers, "dedup")


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


def _run_with(runner: StageRunner, first: CompletedRun, work: Path, limits: RoundLimits) -> str:
    """Deduplicate the documents of another run, and return the work directory; ``work`` may hold an unfinished run."""
    if not work.exists():
        copy_stages(first, work, "dedup")
    with limited(limits):
        run.run(first.recipe, str(work), runner, "dedup", lambda step: nullcontext(), lambda done: None)
    return str(work)


def _manifest(work: str) -> bytes:
    return Path(current(work)["dedup"].manifest_url).read_bytes()


@pytest.fixture(scope="module")
def one_place(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    """The corpus, deduplicated in one task."""
    return _run_in_one_task(tmp_path_factory.mktemp("one"))


@pytest.mark.parametrize(
    ("limits", "workers"),
    [
        pytest.param(ROUNDS, 1, id="join"),
        pytest.param(STARS, 1, id="stars"),
        pytest.param(STARS, 2, id="stars, two workers", marks=pytest.mark.slow),
        pytest.param(ONE_PART, 1, id="one part"),
    ],
)
def test_rounds_give_the_same_bytes_as_one_task(
    limits: RoundLimits, workers: int, one_place: CompletedRun, tmp_path: Path
) -> None:
    found = _run_again(one_place, tmp_path / "work", limits, workers)
    assert found.manifests() == one_place.manifests()
    assert found.ledger == one_place.ledger
    assert found.ledger["stages"][-1]["dropped"]["near_duplicate"] > 100


def test_rounds_with_an_index(tmp_path: Path) -> None:
    before = _run_in_one_task(tmp_path / "old", TEXTS[::2])
    one = _run_in_one_task(tmp_path / "one", TEXTS[1::2], index=[before.work])
    rounds = _run_again(one, tmp_path / "rounds", STARS)
    assert _manifest(rounds.work) == _manifest(one.work)


@pytest.mark.parametrize("texts", [[], ["…", "!"], WORDS], ids=["nothing", "no words", "nothing alike"])
def test_rounds_without_duplicates(texts: list[str], tmp_path: Path) -> None:
    one = _run_in_one_task(tmp_path / "one", texts)
    rounds = _run_again(one, tmp_path / "rounds", STARS)
    assert _manifest(rounds.work) == _manifest(one.work)


def test_rounds_are_used_only_above_the_limit_of_one_task(one_place: CompletedRun, tmp_path: Path) -> None:
    rows = 14 * len(TEXTS)
    jobs = {}
    for limit in (rows, rows - 1):
        runner = RecordingRunner()
        _run_with(runner, one_place, tmp_path / str(limit), ROUNDS._replace(one_place=limit))
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
            work = _run_with(runner, one_place, tmp_path / "work", STARS)
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
    assert _manifest(_run_with(runner, one_place, tmp_path / "work", ROUNDS)) == _manifest(one_place.work)
    assert runner.jobs.count("dedup-join") == 1


def test_files_of_rounds_are_deleted(one_place: CompletedRun, tmp_path: Path) -> None:
    found = _run_again(one_place, tmp_path / "work", STARS)
    stage = Path(current(found.work)["dedup"].url)
    assert not [path for path in (stage / "rounds").rglob("*") if path.is_file()]
    receipt = next((stage / "receipts").iterdir())
    receipt.unlink()
    before = _manifest(found.work)
    with limited(STARS):
        assert _manifest(run_recipe(found.recipe, found.work, until="dedup").work) == before
    assert receipt.exists()


def test_tasks_of_rounds_join_fewer_nodes_than_one_task(
    one_place: CompletedRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = []
    for limits in (ONE_PLACE, STARS):
        seen: list[int] = []
        with monkeypatch.context() as patch:
            _watch_members(patch, seen)
            _run_again(one_place, tmp_path / str(len(largest)), limits)
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

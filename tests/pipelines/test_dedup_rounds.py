"""Deduplication in rounds, forced on a small corpus: the bytes of one place, on any parts, whatever is interrupted."""

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
from tests.pipelines.conftest import CompletedRun, run_recipe
from tests.pipelines.rounds import ONE_PLACE, ROUNDS, STARS, TEXTS, WORDS, chained, limited

ONE_PART = RoundLimits(one_place=0, join=0)


def _mill(folder: Path, limits: RoundLimits, texts: list[str] = TEXTS, workers: int = 1, **more: Any) -> CompletedRun:
    with limited(limits):
        return run_recipe(chained(folder, texts, **more), folder / "work", workers, "dedup")


class Counting(StageRunner):
    """The embedded runner: names the jobs that it ran, and does as it is told after each."""

    tries = 2

    def __init__(self, after: Callable[[list[str]], None] = lambda jobs: None) -> None:
        self.jobs: list[str] = []
        self.after = after

    def run(self, name: str, build: Build, units: int) -> None:
        self.jobs.append(name.rpartition("-")[0] or name)
        EmbeddedStageRunner(1).run(name, build, units)
        self.after(self.jobs)


def _run_on(engine: StageRunner, folder: Path, limits: RoundLimits, **more: Any) -> str:
    """The work directory of a run until dedup."""
    with limited(limits):
        wanted = chained(folder, TEXTS, **more)
        run.run(wanted, str(folder / "work"), engine, "dedup", lambda step: nullcontext(), lambda done: None)
    return str(folder / "work")


def _manifest(work: str) -> bytes:
    return Path(current(work)["dedup"].manifest_url).read_bytes()


@pytest.fixture(scope="module")
def one_place(tmp_path_factory: pytest.TempPathFactory) -> CompletedRun:
    return _mill(tmp_path_factory.mktemp("one"), ONE_PLACE)


@pytest.mark.parametrize(
    ("limits", "workers"),
    [(ROUNDS, 1), (STARS, 1), (STARS, 2), (ONE_PART, 1)],
    ids=["join", "stars", "stars, two workers", "one part"],
)
def test_rounds_leave_the_bytes_of_one_place(
    limits: RoundLimits, workers: int, one_place: CompletedRun, tmp_path: Path
) -> None:
    found = _mill(tmp_path, limits, workers=workers)
    assert found.manifests() == one_place.manifests()
    assert found.ledger == one_place.ledger
    assert found.ledger["stages"][-1]["dropped"]["near_duplicate"] > 100


def test_an_index_is_met_in_rounds_too(tmp_path: Path) -> None:
    before = _mill(tmp_path / "old", ONE_PLACE, TEXTS[::2])
    one, rounds = (
        _mill(tmp_path / name, limits, TEXTS[1::2], index=[before.work])
        for name, limits in {"one": ONE_PLACE, "rounds": STARS}.items()
    )
    assert _manifest(rounds.work) == _manifest(one.work)


@pytest.mark.parametrize("texts", [[], ["…", "!"], WORDS], ids=["nothing", "no words", "nothing alike"])
def test_rounds_end_where_nothing_is_shared(texts: list[str], tmp_path: Path) -> None:
    one, rounds = (
        _mill(tmp_path / name, limits, texts) for name, limits in {"one": ONE_PLACE, "rounds": STARS}.items()
    )
    assert _manifest(rounds.work) == _manifest(one.work)


def test_rounds_come_only_where_there_is_more_than_one_place_takes(tmp_path: Path) -> None:
    rows = 14 * len(TEXTS)
    jobs = {}
    for limit in (rows, rows - 1):
        engine = Counting()
        _run_on(engine, tmp_path / str(limit), ROUNDS._replace(one_place=limit))
        jobs[limit] = [job for job in engine.jobs if job.startswith("dedup")]
    assert jobs == {rows: ["dedup"], rows - 1: ["dedup-buckets", "dedup-join", "dedup-batches", "dedup"]}


def test_a_run_that_was_killed_goes_on_from_its_round(one_place: CompletedRun, tmp_path: Path) -> None:
    """A run is ended after each of its jobs in turn; no round is done twice."""

    def end(jobs: list[str]) -> None:
        if jobs[-1].startswith("dedup"):
            raise RunError("the power failed")

    done: list[str] = []
    for _ in range(40):
        engine = Counting(end)
        try:
            work = _run_on(engine, tmp_path, STARS)
            break
        except RunError:
            done += engine.jobs
    rounds = [job for job in done if job.startswith("dedup")]
    assert rounds == ["dedup-buckets", *["dedup-stars"] * rounds.count("dedup-stars"), "dedup-batches", "dedup"]
    assert rounds.count("dedup-stars") > 3
    assert _manifest(work) == _manifest(one_place.work)


def test_a_lost_worker_costs_a_round_nothing_that_was_done(one_place: CompletedRun, tmp_path: Path) -> None:
    def lose(jobs: list[str]) -> None:
        if jobs[-1] == "dedup-join":
            raise WorkersLostError("the cluster lost a worker")

    engine = Counting(lose)
    assert _manifest(_run_on(engine, tmp_path, ROUNDS)) == _manifest(one_place.work)
    assert engine.jobs.count("dedup-join") == 1


def test_what_rounds_left_is_swept(tmp_path: Path) -> None:
    found = _mill(tmp_path, STARS)
    stage = Path(current(found.work)["dedup"].url)
    assert not [path for path in (stage / "rounds").rglob("*") if path.is_file()]
    receipt = next((stage / "receipts").iterdir())
    receipt.unlink()
    before = _manifest(found.work)
    assert _manifest(_mill(tmp_path, STARS).work) == before
    assert receipt.exists()


def test_no_task_joins_as_much_as_one_place_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    most = []
    for limits in (ONE_PLACE, STARS):
        seen: list[int] = []
        with monkeypatch.context() as patch:
            _watch_members(patch, seen)
            _mill(tmp_path / str(len(most)), limits)
        most.append(max(seen))
    assert most[1] < most[0]


def _watch_members(patch: pytest.MonkeyPatch, seen: list[int]) -> None:
    from gristmill.transforms.dedup import components, stars

    def watched(members: BucketMembers) -> Any:
        seen.append(len(np.unique(members.node)))
        return real(members)

    real = components.connected_components
    patch.setattr(components, "connected_components", watched)
    patch.setattr(stars, "connected_components", watched)

"""What is asked of a cluster before a run, and the options that a job gets."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import InputError
from gristmill.runners import checks, clusters, flink_jobs
from gristmill.runners.checks import Slots
from gristmill.runners.profile import Flink, Spark

FLINK = Flink(master="rest:8081", job_endpoint="jobs:8099", worker_pool="localhost:50000", beam=["--more=1"])
SPARK = Spark(master="spark://m:7077", ui="m:8080", job_endpoint="jobs:8099", image="gristmill:1", python_processes=3)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> list[Slots]:
    """What the cluster offers, one look after the other; the last goes on."""
    looks: list[Slots] = [Slots(8, 8, 2)]

    def look(*address: str) -> Slots:
        return looks.pop(0) if len(looks) > 1 else looks[0]

    monkeypatch.setattr(checks, "flink_slots", look)
    monkeypatch.setattr(checks, "spark_slots", look)
    monkeypatch.setattr(checks, "check_endpoint", lambda *asked: None)
    monkeypatch.setattr(flink_jobs, "cancel", lambda *asked: None)
    monkeypatch.setattr(clusters.time, "sleep", lambda seconds: None)
    return looks


def started(start: Any, profile: Any, workers: int | None, tmp_path: Path) -> Any:
    with ExitStack() as stack:
        return start(profile, workers, "gristmill-1", stack, tmp_path)


def test_a_flink_job_has_a_python_process_for_each_of_a_hosts_slots(offered: list[Slots], tmp_path: Path) -> None:
    service = started(clusters.start_flink, FLINK, None, tmp_path)
    assert service.workers == 8
    assert service.options(8) == [
        "--flink_master=rest:8081",
        "--flink_version=1.19",
        "--job_endpoint=jobs:8099",
        "--environment_type=EXTERNAL",
        "--environment_config=localhost:50000",
        "--more=1",
        "--execution_mode_for_batch=BATCH_FORCED",
        "--parallelism=8",
        "--sdk_worker_parallelism=4",
    ]
    assert service.options(3)[-2:] == ["--parallelism=3", "--sdk_worker_parallelism=2"]


def test_a_spark_job_runs_in_the_image_with_the_processes_asked_for(offered: list[Slots], tmp_path: Path) -> None:
    service = started(clusters.start_spark, SPARK, 5, tmp_path)
    assert service.workers == 5
    options = service.options(5)
    assert "--job_server_jvm_properties=-Dspark.default.parallelism=20" in options
    assert "--job_server_jvm_properties=-Dspark.cores.max=5" in options
    assert {"--environment_type=DOCKER", "--environment_config=gristmill:1"} <= set(options)
    assert options[-1] == "--sdk_worker_parallelism=3"


@pytest.mark.parametrize("start", [partial(clusters.start_flink, FLINK), partial(clusters.start_spark, SPARK)])
def test_places_that_are_about_to_be_freed_are_waited_for(offered: list[Slots], tmp_path: Path, start: Any) -> None:
    offered[:] = [Slots(8, 0, 2), Slots(8, 0, 2), Slots(8, 0, 2), Slots(8, 6, 2)]
    with ExitStack() as stack:
        assert start(6, "gristmill-1", stack, tmp_path).workers == 6
    assert len(offered) == 1


@pytest.mark.parametrize(
    ("workers", "slots", "sentence"),
    [(9, Slots(8, 8, 2), "has 8 slots, fewer than --workers 9"), (8, Slots(8, 6, 2), "6 of the 8 slots")],
)
def test_places_that_are_not_there_are_told(
    offered: list[Slots], tmp_path: Path, workers: int, slots: Slots, sentence: str
) -> None:
    offered[:] = [slots]
    with pytest.raises(InputError, match=sentence):
        started(clusters.start_flink, FLINK, workers, tmp_path)


def test_a_cluster_without_python_is_told(offered: list[Slots], tmp_path: Path) -> None:
    profile = FLINK.model_copy(update={"worker_pool": None})
    with pytest.raises(InputError, match="needs Python workers: give `worker_pool`"):
        started(clusters.start_flink, profile, 2, tmp_path)


def test_a_job_server_that_cannot_be_had_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "check_java", lambda command: 17)
    with pytest.raises(InputError, match=r"cannot be fetched .*: give the path of one with --option jar="):
        started(clusters.start_flink, Flink(jar=str(tmp_path / "none.jar")), 1, tmp_path)

"""The checks of a cluster before a run, and the options of a job on it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gristmill.errors import InputError
from gristmill.runners import cluster_slots, flink_jobs, java_runtime, job_server, server_process
from gristmill.runners.cluster_slots import Slots
from gristmill.runners.flink_service import start_flink
from gristmill.runners.profiles.flink_profile import FlinkProfile
from gristmill.runners.profiles.spark_profile import SparkProfile
from gristmill.runners.spark_service import start_spark

FLINK = FlinkProfile(master="rest:8081", job_endpoint="jobs:8099", worker_pool="localhost:50000", beam=["--more=1"])
SPARK = SparkProfile(
    master="spark://m:7077", ui="m:8080", job_endpoint="jobs:8099", image="gristmill:1", python_processes=3
)


@pytest.fixture
def slots(monkeypatch: pytest.MonkeyPatch) -> list[Slots]:
    """The slots that the cluster reports, one entry per request; the last entry is repeated."""
    reported: list[Slots] = [Slots(8, 8, 2)]

    def read_slots(*address: str) -> Slots:
        return reported.pop(0) if len(reported) > 1 else reported[0]

    monkeypatch.setattr(cluster_slots, "flink_slots", read_slots)
    monkeypatch.setattr(cluster_slots, "spark_slots", read_slots)
    monkeypatch.setattr(server_process, "check_endpoint", lambda *arguments: None)
    monkeypatch.setattr(flink_jobs, "cancel_jobs", lambda *arguments: None)
    monkeypatch.setattr(job_server.time, "sleep", lambda seconds: None)
    return reported


def start_service(start: Any, profile: Any, workers: int | None, tmp_path: Path) -> Any:
    with ExitStack() as stack:
        return start(profile, workers, "gristmill-1", stack, tmp_path)


def test_flink_job_has_one_python_process_per_slot_of_a_host(slots: list[Slots], tmp_path: Path) -> None:
    service = start_service(start_flink, FLINK, None, tmp_path)
    assert service.workers == 8
    assert service.options(8) == [
        "--flink_master=rest:8081",
        "--flink_version=1.20",
        "--job_endpoint=jobs:8099",
        "--environment_type=EXTERNAL",
        "--environment_config=localhost:50000",
        "--more=1",
        "--execution_mode_for_batch=BATCH_FORCED",
        "--parallelism=8",
        "--sdk_worker_parallelism=4",
    ]
    assert service.options(3)[-2:] == ["--parallelism=3", "--sdk_worker_parallelism=2"]


def test_spark_job_uses_the_image_and_processes_of_the_profile(slots: list[Slots], tmp_path: Path) -> None:
    service = start_service(start_spark, SPARK, 5, tmp_path)
    assert service.workers == 5
    options = service.options(5)
    assert "--job_server_jvm_properties=-Dspark.default.parallelism=20" in options
    assert "--job_server_jvm_properties=-Dspark.cores.max=5" in options
    assert {"--environment_type=DOCKER", "--environment_config=gristmill:1"} <= set(options)
    assert options[-1] == "--sdk_worker_parallelism=3"


@pytest.mark.parametrize("start", [partial(start_flink, FLINK), partial(start_spark, SPARK)])
def test_start_waits_for_slots_that_are_about_to_be_freed(slots: list[Slots], tmp_path: Path, start: Any) -> None:
    slots[:] = [Slots(8, 0, 2), Slots(8, 0, 2), Slots(8, 0, 2), Slots(8, 6, 2)]
    with ExitStack() as stack:
        assert start(6, "gristmill-1", stack, tmp_path).workers == 6
    assert len(slots) == 1


@pytest.mark.parametrize(
    ("workers", "reported", "message"),
    [(9, Slots(8, 8, 2), "has 8 slots, fewer than --workers 9"), (8, Slots(8, 6, 2), "6 of the 8 slots")],
)
def test_missing_slots_are_reported(
    slots: list[Slots], tmp_path: Path, workers: int, reported: Slots, message: str
) -> None:
    slots[:] = [reported]
    with pytest.raises(InputError, match=message):
        start_service(start_flink, FLINK, workers, tmp_path)


def test_cluster_without_python_workers_is_reported(slots: list[Slots], tmp_path: Path) -> None:
    profile = FLINK.model_copy(update={"worker_pool": None})
    with pytest.raises(InputError, match="needs Python workers: set `worker_pool`"):
        start_service(start_flink, profile, 2, tmp_path)


def test_missing_job_server_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java_runtime, "check_java", lambda command: 17)
    with pytest.raises(InputError, match=r"cannot be downloaded .*: set its path with --option jar="):
        start_service(start_flink, FlinkProfile(jar=str(tmp_path / "none.jar")), 1, tmp_path)

"""Checks a Flink cluster and starts the job server for it."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from apache_beam.runners.portability.flink_runner import FlinkJarJobServer, FlinkRunner

from gristmill.runners import flink_jobs
from gristmill.runners.job_server import job_server_options, processes_per_host, wait_for_free_slots, worker_count
from gristmill.runners.portable_stage_runner import Service
from gristmill.runners.profiles.flink_profile import FlinkProfile

# Every exchange is written completely before its readers start, so that a task that fails while its TaskManager
# survives is retried alone, as often as the cluster's restart strategy allows. A lost TaskManager loses its part of the
# exchange: then the whole job starts again, and skips the units that have a receipt.
_BATCH_OPTIONS = ["--execution_mode_for_batch=BATCH_FORCED"]

_LOOPBACK = """\
jobmanager.bind-host: 127.0.0.1
taskmanager.bind-host: 127.0.0.1
taskmanager.host: 127.0.0.1
rest.bind-address: 127.0.0.1
"""


class _LocalFlink(FlinkJarJobServer):  # type: ignore[misc]
    """A job server whose own small cluster listens on the loopback interface; Beam has no option for that."""

    def __init__(self, configuration: Path, options: Any) -> None:
        super().__init__(options)
        self._configuration = configuration

    def java_arguments(self, *arguments: Any) -> list[Any]:
        self._configuration.mkdir()
        (self._configuration / "flink-conf.yaml").write_text(_LOOPBACK)
        return [*super().java_arguments(*arguments), "--flink-conf-dir", str(self._configuration)]


def start_flink(profile: FlinkProfile, workers: int | None, prefix: str, stack: ExitStack, folder: Path) -> Service:
    """Connect to a Flink cluster, or start a small one inside the job server."""
    slots = None
    if not profile.is_local:
        profile.read_slots()  # reports what is wrong with the cluster before any request changes it
        flink_jobs.cancel_jobs(profile.master, prefix)
        slots = wait_for_free_slots(profile.read_slots, workers)
    workers = worker_count(workers, slots, f"the Flink cluster at {profile.master}")
    master = [f"--flink_master={profile.master}", f"--flink_version={profile.version}"]
    server = partial(_LocalFlink, folder / "flink-conf") if profile.is_local else FlinkJarJobServer
    options = job_server_options(profile, "Flink", server, master, "--flink_job_server_jar", stack, folder)
    hosts = slots.hosts if slots else 1

    def job_options(units: int) -> list[str]:
        processes = processes_per_host(profile, units, hosts)
        return [*options, *_BATCH_OPTIONS, f"--parallelism={units}", f"--sdk_worker_parallelism={processes}"]

    return Service(FlinkRunner, workers, job_options)

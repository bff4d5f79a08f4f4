"""Checks a Spark cluster and starts the job server, which is Spark's driver, for it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from apache_beam.runners.portability.spark_runner import SparkJarJobServer, SparkRunner

from gristmill.runners.java_runtime import ADD_OPENS
from gristmill.runners.job_server import (
    job_server_options,
    jvm_options,
    processes_per_host,
    wait_for_free_slots,
    worker_count,
)
from gristmill.runners.portable_stage_runner import Service
from gristmill.runners.profiles.spark_profile import SparkProfile

PARTITIONS_PER_WORKER = 4

_LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.ui.enabled": "false"}

_KEEP_WORKERS = ["--environment_cache_millis=600000"]  # otherwise Python restarts between the stages of a job


def start_spark(profile: SparkProfile, workers: int | None, prefix: str, stack: ExitStack, folder: Path) -> Service:
    """Connect to a Spark cluster, or start a small one inside the job server."""
    slots = wait_for_free_slots(profile.read_slots, workers) if profile.ui else None
    workers = worker_count(workers, slots, f"the Spark cluster at {profile.master}")
    url = f"local[{workers}]" if profile.master == "local" else profile.master
    properties = {
        "spark.default.parallelism": str(workers * PARTITIONS_PER_WORKER),
        "spark.cores.max": str(workers),
        "spark.executor.extraJavaOptions": " ".join(ADD_OPENS),
        **(_LOOPBACK if profile.master == "local" else {}),
        **profile.properties,
    }
    master = [f"--spark_master_url={url}", *jvm_options(f"-D{name}={value}" for name, value in properties.items())]
    options = job_server_options(profile, "Spark", SparkJarJobServer, master, "--spark_job_server_jar", stack, folder)
    hosts = slots.hosts if slots else 1

    def job_options(units: int) -> list[str]:
        return [*options, *_KEEP_WORKERS, f"--sdk_worker_parallelism={processes_per_host(profile, units, hosts)}"]

    return Service(SparkRunner, workers, job_options)

"""How each portable runner is reached: what is checked, what is started, and the options that are known to work.

Flink and Spark take a pipeline through a job server and run its Python in processes of their own: those of a worker
pool beside each TaskManager or executor, those of an image, or, with everything on this machine, of a pool that starts
here. ``--sdk_worker_parallelism`` makes as many processes as there are slots: one process would run all slots' bundles
in turns, under Python's lock.
"""

from __future__ import annotations

import sys
import time
import urllib.error
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from math import ceil
from os import cpu_count
from pathlib import Path
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.flink_runner import FlinkJarJobServer, FlinkRunner
from apache_beam.runners.portability.job_server import SubprocessJobServer
from apache_beam.runners.portability.prism_runner import PrismJobServer, PrismRunner
from apache_beam.runners.portability.spark_runner import SparkJarJobServer, SparkRunner

from gristmill.errors import InputError
from gristmill.runners import checks, flink_jobs
from gristmill.runners.portable import Service
from gristmill.runners.processes import free_port, serving
from gristmill.runners.profile import Flink, Prism, Spark

# Exchanges are finished before what reads them starts, so that a task that fails while its TaskManager stays is tried
# again alone, as often as the cluster's restart strategy says. A lost TaskManager takes its part of the exchange with
# it: then the whole job begins again, and what has a receipt is left out.
_FLINK = ["--execution_mode_for_batch=BATCH_FORCED"]
_SPARK = ["--environment_cache_millis=600000"]  # or Python starts anew between the stages of a job
_PARTITIONS_A_WORKER = 4
_FREED_SECONDS = 60


def start_prism(profile: Prism, workers: int | None, prefix: str, stack: ExitStack, folder: Path) -> Service:
    """Prism on this machine; its Python is one process, whatever the number of workers."""
    workers = workers or cpu_count() or 1
    given = [f"--prism_location={profile.location}"] if profile.location else []
    endpoint = profile.job_endpoint or _job_server("Prism", "location", PrismJobServer, given, stack, folder)
    options = [*given, f"--job_endpoint={endpoint}", *own_workers(stack, folder)]
    return Service(PrismRunner, workers, lambda units: options)


def start_flink(profile: Flink, workers: int | None, prefix: str, stack: ExitStack, folder: Path) -> Service:
    """A Flink cluster, or a small one inside the job server."""
    slots = None
    if not profile.is_local:
        look = partial(checks.flink_slots, profile.master, profile.version)
        look()  # says what is wrong with the cluster before anything is asked of it
        flink_jobs.cancel(profile.master, prefix)
        slots = _freed(look, workers)
    workers = _workers(workers, slots, f"the Flink cluster at {profile.master}")
    master = [f"--flink_master={profile.master}", f"--flink_version={profile.version}"]
    options = _portable(profile, "Flink", FlinkJarJobServer, master, "--flink_job_server_jar", stack, folder)
    hosts = slots.hosts if slots else 1

    def of_job(units: int) -> list[str]:
        processes = _processes(profile, units, hosts)
        return [*options, *_FLINK, f"--parallelism={units}", f"--sdk_worker_parallelism={processes}"]

    return Service(FlinkRunner, workers, of_job)


def start_spark(profile: Spark, workers: int | None, prefix: str, stack: ExitStack, folder: Path) -> Service:
    """A Spark cluster, or a small one inside the job server."""
    slots = _freed(partial(checks.spark_slots, profile.ui), workers) if profile.ui else None
    workers = _workers(workers, slots, f"the Spark cluster at {profile.master}")
    url = f"local[{workers}]" if profile.master == "local" else profile.master
    properties = {
        "spark.default.parallelism": str(workers * _PARTITIONS_A_WORKER),
        "spark.cores.max": str(workers),
        "spark.executor.extraJavaOptions": " ".join(checks.ADD_OPENS),
        **profile.properties,
    }
    given = [f"--spark_master_url={url}", *_jvm(f"-D{name}={value}" for name, value in properties.items())]
    options = _portable(profile, "Spark", SparkJarJobServer, given, "--spark_job_server_jar", stack, folder)
    hosts = slots.hosts if slots else 1

    def of_job(units: int) -> list[str]:
        return [*options, *_SPARK, f"--sdk_worker_parallelism={_processes(profile, units, hosts)}"]

    return Service(SparkRunner, workers, of_job)


def _portable(
    profile: Flink | Spark,
    engine: str,
    server: Any,
    master: list[str],
    jar_option: str,
    stack: ExitStack,
    folder: Path,
) -> list[str]:
    """Options to reach the profile's job server, or one that starts here, and the profile's Python workers."""
    jar = [f"{jar_option}={profile.jar}"] if profile.jar else []
    if profile.job_endpoint:
        checks.check_endpoint(f"{engine} job server", profile.job_endpoint, "start it, or correct `job_endpoint`")
        endpoint = profile.job_endpoint
    else:
        checks.check_java(profile.java)
        jvm = _jvm([*checks.ADD_OPENS, *profile.java_options])
        java = [f"--job_server_java_launcher={profile.java}", *jvm]
        endpoint = _job_server(f"{engine}'s job server", "jar", server, [*jar, *master, *java], stack, folder)
    return [*jar, *master, f"--job_endpoint={endpoint}", *_python(profile, engine, stack, folder), *profile.beam]


def _job_server(
    what: str, key: str, server: type[SubprocessJobServer], options: list[str], stack: ExitStack, folder: Path
) -> str:
    """Start a job server by Beam's own mechanism, which fetches what it needs; its endpoint."""
    artifacts = f"--artifacts_dir={folder / 'artifacts'}"
    try:
        command, endpoint = server(PipelineOptions([*options, artifacts])).subprocess_cmd_and_endpoint()
    except (urllib.error.URLError, OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{what} cannot be fetched ({error}): give the path of one with --option {key}=…, or a running one "
            "with --option job_endpoint=host:port"
        ) from error
    stack.enter_context(serving(what, command, endpoint, folder / "job-server.log"))
    return str(endpoint)


def _python(profile: Flink | Spark, engine: str, stack: ExitStack, folder: Path) -> list[str]:
    """The environment that runs our Python: an image, a pool beside the workers, or a pool that starts here."""
    if profile.image:
        return ["--environment_type=DOCKER", f"--environment_config={profile.image}"]
    if profile.worker_pool:
        return ["--environment_type=EXTERNAL", f"--environment_config={profile.worker_pool}"]
    if not profile.is_local:
        raise InputError(
            f"{engine} at {profile.master} needs Python workers: give `worker_pool` (the address of a "
            "python -m gristmill.runners.worker_pool beside each of its workers) or `image`"
        )
    return own_workers(stack, folder)


def own_workers(stack: ExitStack, folder: Path) -> list[str]:
    """A pool of this host that ends with the stack."""
    port = free_port()
    pool = [sys.executable, "-m", "gristmill.runners.worker_pool", "--port", str(port)]
    endpoint = f"127.0.0.1:{port}"
    stack.enter_context(serving("the worker pool", pool, endpoint, folder / "workers.log"))
    return ["--environment_type=EXTERNAL", f"--environment_config={endpoint}"]


def _freed(look: Callable[[], checks.Slots], workers: int | None) -> checks.Slots:
    """What a cluster offers; waits a while for places that a run which was killed is about to free."""
    slots = look()
    for _ in range(_FREED_SECONDS):
        if slots.free >= min(workers or slots.total, slots.total):
            break
        time.sleep(1)
        slots = look()
    return slots


def _workers(asked: int | None, slots: checks.Slots | None, where: str) -> int:
    if slots is None:
        return asked or cpu_count() or 1
    workers = asked or slots.total
    checks.check_slots(slots, workers, where)
    return workers


def _processes(profile: Flink | Spark, units: int, hosts: int) -> int:
    return profile.python_processes or ceil(units / hosts)


def _jvm(options: Iterable[str]) -> list[str]:
    return [f"--job_server_jvm_properties={option}" for option in options]

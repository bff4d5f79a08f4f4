"""What Prism, Flink and Spark need on this machine: a job server, and Python workers for the cluster.

Flink and Spark take a pipeline through a job server and run its Python code in separate processes: those of a worker
pool beside each TaskManager or executor, those of an image, or, if everything runs on this machine, those of a pool
that is started here. ``--sdk_worker_parallelism`` starts as many processes as there are slots: a single process would
run the bundles of all slots one at a time, under Python's lock.
"""

from __future__ import annotations

import shutil
import sys
import time
import urllib.error
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from math import ceil
from os import cpu_count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.job_server import SubprocessJobServer

from gristmill.errors import InputError
from gristmill.runners import java_runtime, server_process
from gristmill.runners.cluster_slots import Slots, check_slots
from gristmill.runners.job_server_jar import is_restricted, restrict_jar
from gristmill.runners.profiles.job_server_profile import JobServerProfile
from gristmill.runners.server_process import free_port, serving

_FREE_SLOTS_TIMEOUT_SECONDS = 60


def job_server_options(
    profile: JobServerProfile,
    product: str,
    server: Any,
    master: list[str],
    jar_option: str,
    stack: ExitStack,
    folder: Path,
) -> list[str]:
    """Return the options that reach the profile's job server, or one started here, and the profile's Python workers."""
    jar = [f"{jar_option}={profile.jar}"] if profile.jar else []
    if profile.job_endpoint:
        server_process.check_endpoint(
            f"{product} job server", profile.job_endpoint, "start it, or correct `job_endpoint`"
        )
        endpoint = profile.job_endpoint
    else:
        java_runtime.check_java(profile.java)
        jvm = jvm_options([*java_runtime.ADD_OPENS, *profile.java_options])
        java = [f"--job_server_java_launcher={profile.java}", *jvm, "--expansion_port=-1"]  # no expansion service
        options = [*jar, *master, *java]
        restrict = partial(_with_restricted_jar, stack, refuse_files=not profile.image)
        endpoint = start_job_server(f"{product}'s job server", "jar", server, options, stack, folder, restrict)
    workers = _worker_options(profile, product, stack, folder)
    return [*jar, *master, f"--job_endpoint={endpoint}", *workers, *profile.beam]


def start_job_server(
    what: str,
    key: str,
    server: type[SubprocessJobServer],
    options: list[str],
    stack: ExitStack,
    folder: Path,
    restrict: Callable[[list[str]], list[str]] = list,
) -> str:
    """Start a job server with Beam's own mechanism, which downloads what it needs, and return its endpoint.

    ``key`` is the profile's key that names a local file to use instead of a download. ``restrict`` returns the command
    that keeps the job server on the loopback interface, given Beam's.
    """
    artifacts = f"--artifacts_dir={folder / 'artifacts'}"
    try:
        command, endpoint = server(PipelineOptions([*options, artifacts])).subprocess_cmd_and_endpoint()
    except (urllib.error.URLError, OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{what} cannot be downloaded ({error}): set its path with --option {key}=…, or use a running one with "
            "--option job_endpoint=host:port"
        ) from error
    stack.enter_context(serving(what, restrict(command), endpoint, folder / "job-server.log"))
    return str(endpoint)


def _with_restricted_jar(stack: ExitStack, command: list[str], refuse_files: bool) -> list[str]:
    """Return the command with a jar that ``restrict_jar`` has edited: the same, or a copy deleted with ``stack``."""
    at = command.index("-jar") + 1
    jar = Path(command[at])
    if is_restricted(jar, refuse_files):
        return command
    copy = Path(stack.enter_context(TemporaryDirectory(prefix="gristmill-")), jar.name)
    shutil.copyfile(jar, copy)
    restrict_jar(copy, refuse_files)
    return [*command[:at], str(copy), *command[at + 1 :]]


def start_worker_pool(stack: ExitStack, folder: Path) -> list[str]:
    """Start a worker pool on this machine that ends with ``stack``, and return the options that reach it."""
    port = free_port()
    pool = [sys.executable, "-m", "gristmill.runners.worker_pool", "--port", str(port)]
    endpoint = f"127.0.0.1:{port}"
    stack.enter_context(serving("the worker pool", pool, endpoint, folder / "workers.log"))
    return ["--environment_type=EXTERNAL", f"--environment_config={endpoint}"]


def _worker_options(profile: JobServerProfile, product: str, stack: ExitStack, folder: Path) -> list[str]:
    """Return the environment of the Python workers: an image, a pool beside the workers, or a pool started here."""
    if profile.image:
        return ["--environment_type=DOCKER", f"--environment_config={profile.image}"]
    if profile.worker_pool:
        return ["--environment_type=EXTERNAL", f"--environment_config={profile.worker_pool}"]
    if not profile.is_local:
        raise InputError(
            f"{product} at {profile.master} needs Python workers: set `worker_pool` (the address of a "
            "python -m gristmill.runners.worker_pool beside each of its workers) or `image`"
        )
    return start_worker_pool(stack, folder)


def wait_for_free_slots(read_slots: Callable[[], Slots], workers: int | None) -> Slots:
    """Return the slots of a cluster; waits a while for slots that are about to be freed by a killed run."""
    slots = read_slots()
    for _ in range(_FREE_SLOTS_TIMEOUT_SECONDS):
        if slots.free >= min(workers or slots.total, slots.total):
            break
        time.sleep(1)
        slots = read_slots()
    return slots


def worker_count(workers: int | None, slots: Slots | None, cluster: str) -> int:
    """Return the number of workers: ``workers``, or all slots, or all processors of this machine."""
    if slots is None:
        return workers or cpu_count() or 1
    workers = workers or slots.total
    check_slots(slots, workers, cluster)
    return workers


def processes_per_host(profile: JobServerProfile, units: int, hosts: int) -> int:
    """Return the number of Python processes on each host for a job over ``units`` units."""
    return profile.python_processes or ceil(units / hosts)


def jvm_options(options: Iterable[str]) -> list[str]:
    """Return Beam's options that pass ``options`` to the job server's JVM."""
    return [f"--job_server_jvm_properties={option}" for option in options]

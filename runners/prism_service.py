"""Starts Prism on this machine."""

from __future__ import annotations

from contextlib import ExitStack
from os import cpu_count
from pathlib import Path

from apache_beam.runners.portability.prism_runner import PrismJobServer, PrismRunner

from gristmill.errors import InputError
from gristmill.runners.job_server import start_job_server, start_worker_pool
from gristmill.runners.portable_stage_runner import Service
from gristmill.runners.profiles.prism_profile import PrismProfile
from gristmill.runners.server_process import is_exposed


def start_prism(profile: PrismProfile, workers: int | None, prefix: str, stack: ExitStack, folder: Path) -> Service:
    """Start Prism; its Python workers run in one process, whatever the number of workers."""
    workers = workers or cpu_count() or 1
    location = [f"--prism_location={profile.location}"] if profile.location else []
    endpoint = profile.job_endpoint or _start(location, stack, folder)
    options = [*location, f"--job_endpoint={endpoint}", *start_worker_pool(stack, folder)]
    return Service(PrismRunner, workers, lambda units: options)


def _start(location: list[str], stack: ExitStack, folder: Path) -> str:
    """Start Prism. Raises InputError if other machines could connect to it: it would run any job, unauthenticated."""
    endpoint = start_job_server("Prism", "location", PrismJobServer, location, stack, folder)
    if is_exposed(int(endpoint.rpartition(":")[2])):
        raise InputError(
            "this Prism, like those that Beam publishes, listens on all addresses of this machine: build one that does "
            "not (in a checkout: python -m deploy.local part prism), and set its path with --option location=…"
        )
    return endpoint

"""Starts Prism on this machine."""

from __future__ import annotations

from contextlib import ExitStack
from os import cpu_count
from pathlib import Path

from apache_beam.runners.portability.prism_runner import PrismJobServer, PrismRunner

from gristmill.runners.job_server import start_job_server, start_worker_pool
from gristmill.runners.portable_stage_runner import Service
from gristmill.runners.profiles.prism_profile import PrismProfile


def start_prism(profile: PrismProfile, workers: int | None, prefix: str, stack: ExitStack, folder: Path) -> Service:
    """Start Prism; its Python workers run in one process, whatever the number of workers."""
    workers = workers or cpu_count() or 1
    location = [f"--prism_location={profile.location}"] if profile.location else []
    endpoint = profile.job_endpoint or start_job_server("Prism", "location", PrismJobServer, location, stack, folder)
    options = [*location, f"--job_endpoint={endpoint}", *start_worker_pool(stack, folder)]
    return Service(PrismRunner, workers, lambda units: options)

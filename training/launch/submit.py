"""Hand a run over, once, and find it again: ``<out>.submitted.json`` says that it was, and where to.

Beside a run's folder ``<out>`` lie ``<out>.section.json``, which the trainer reads, the manifest or script that was
submitted, and ``<out>.submitted.json``. The last is made before the command runs, and only where none is, so that two
launchers do not submit twice; a command that fails takes it away again.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from gristmill.errors import InputError, RunError
from gristmill.store import storage
from gristmill.store.keys import pretty
from gristmill.training.launch import kubernetes, slurm
from gristmill.training.launch.job import Job, Order, last_line, run
from gristmill.training.launch.launch_section import AnyLaunch, CommandLaunch, KubernetesLaunch, SlurmLaunch
from gristmill.training.launch.local import finished, section_json
from gristmill.training.train_section import TrainSection

POLL_SECONDS = 10.0
"""Between two looks at a job that is followed."""


class Record(NamedTuple):
    """What was submitted: ``job`` is what its kind knows it by; None until the command has ended."""

    url: str
    kind: str
    name: str
    command: str
    job: str | None

    def sentence(self) -> str:
        """Where the run is, and how to go on."""
        if self.job is None:
            return (
                f"train was being handed over by `{self.command}` when its launcher ended, or still is: look for "
                f"{self.name}; if it is not there, delete {self.url} and run again"
            )
        known = f"job {self.job}" if self.job else self.name
        return (
            f"train is handed over, as {known} by `{self.command}`: run again when it has finished, and the same "
            f"command settles it (to submit it again, delete {self.url})"
        )


def check(launch: AnyLaunch, work: str) -> None:
    """Raise InputError for what would only fail once there is a mix: no command, or hosts that cannot see ``work``."""
    if isinstance(launch, KubernetesLaunch):
        words = shlex.split(launch.kubectl)
        kubernetes.require_seen(launch, storage.join(_absolute(work), ""))
    elif isinstance(launch, SlurmLaunch):
        words = shlex.split(launch.through) or ["sbatch"]
    elif isinstance(launch, CommandLaunch):
        words = shlex.split(launch.command)
    else:
        return
    if shutil.which(words[0]) is None:
        raise InputError(f"train.launch: no command {words[0]!r} here: install it, or correct train.launch")


def standing(out: str) -> Record | None:
    """The record of the run in the folder ``out``, if it was submitted."""
    url = f"{out}.submitted.json"
    try:
        return Record(url, **json.loads(storage.read_bytes(url)))
    except FileNotFoundError:
        return None


def submit(section: TrainSection, shards: str, out: str, unit: str) -> Record:
    """Hand the run over as ``section.launch`` says, unless another launcher just did; what stands then.

    Raises InputError if the command cannot be started or the hosts could not see the shards, RunError if it fails.
    """
    job = Job(f"gristmill-{unit}", *(_absolute(url) for url in (f"{out}.section.json", shards, out)))
    ordered = order(section, job)
    record = Record(f"{out}.submitted.json", section.launch.kind, job.name, shlex.join(ordered.command), None)
    storage.replace(job.section, section_json(section).encode())
    if ordered.stdin is not None:
        storage.replace(f"{out}.job{ordered.suffix}", ordered.stdin.encode())
    if not storage.create(record.url, _content(record)):
        return standing(out) or record
    try:
        done = run(ordered.command, ordered.stdin)
        if done.status:
            said = last_line(done.stderr) or last_line(done.stdout) or "it said nothing"
            raise RunError(f"train.launch: `{record.command}` ended with status {done.status}: {said}")
    except Exception:
        storage.remove([record.url])
        raise
    record = record._replace(job=_job_id(section.launch, job.name, done.stdout))
    storage.replace(record.url, _content(record))
    return record


def follow(
    launch: AnyLaunch, record: Record, out: str, on_progress: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Wait for the run's result, and pass on the last row of its metrics as they grow. Raises RunError if it ends."""
    seen = None
    while (result := finished(out)) is None:
        row = _last_row(out)
        if row and row != seen:
            on_progress(row)
            seen = row
        require_at_work(launch, record, out)
        time.sleep(POLL_SECONDS)
    return result


def require_at_work(launch: AnyLaunch, record: Record, out: str) -> None:
    """Raise RunError if the job is known to have ended without a result."""
    how = _ended(launch, record)
    if how and finished(out) is None:  # it may just have come
        raise RunError(
            f"{record.name} (job {record.job}) has ended without a result, {how}: see its log; to submit it again, "
            f"remove what is left of the job, delete {record.url} and run again, which goes on from the last checkpoint"
        )


def order(section: TrainSection, job: Job) -> Order:
    """What submits ``job`` as ``section.launch`` says. Raises InputError where its hosts could not see the shards."""
    launch = section.launch
    if isinstance(launch, KubernetesLaunch):
        return kubernetes.order(launch, section, job)
    if isinstance(launch, SlurmLaunch):
        return slurm.order(launch, job)
    assert isinstance(launch, CommandLaunch)
    values = {
        "section": job.section,
        "shards": job.shards,
        "manifest": storage.join(job.shards, "manifest.json"),
        "out": job.out,
        "processes": section.processes,
        "nodes": launch.nodes,
        "name": job.name,
    }
    return Order([word.format_map(values) for word in shlex.split(launch.command)])


def _job_id(launch: AnyLaunch, name: str, stdout: str) -> str:
    if isinstance(launch, SlurmLaunch):
        return slurm.job_id(last_line(stdout))
    return name if isinstance(launch, KubernetesLaunch) else last_line(stdout)


def _ended(launch: AnyLaunch, record: Record) -> str | None:
    if record.job is None or launch.kind != record.kind:
        return None
    if isinstance(launch, KubernetesLaunch):
        return kubernetes.ended(launch, record.name)
    return slurm.ended(launch, record.job) if isinstance(launch, SlurmLaunch) else None


def _last_row(out: str) -> dict[str, Any] | None:
    try:
        lines = storage.read_bytes(storage.join(out, "metrics.jsonl")).split(b"\n")
    except FileNotFoundError:
        return None
    row: dict[str, Any] | None = json.loads(lines[-2]) if len(lines) > 1 else None  # the last may be half a line
    return row


def _absolute(url: str) -> str:
    return os.path.abspath(storage.url_to_fs(url)[1]) if storage.is_local(url) else url


def _content(record: Record) -> bytes:
    return pretty({name: value for name, value in record._asdict().items() if name != "url"})

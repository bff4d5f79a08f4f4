"""Submits a run once, even if several launchers try.

The files of a job share a prefix ``<job>``: ``<job>.section.json``, which the trainer reads, ``<job>.yaml`` or
``<job>.sh``, the submitted manifest or script, and the record ``<job>.submitted.json``. The record is created before
the command runs, and only if it does not exist, so that two launchers do not submit twice; it is deleted if the command
fails. A run that is asked for more steps is submitted again, as another job.
"""

from __future__ import annotations

import os
import posixpath
import shlex

from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.training.launch.job_launcher import JobLauncher
from gristmill.training.launch.launch_section import AnyLaunch
from gristmill.training.launch.launchers import launcher_of
from gristmill.training.launch.run_command import last_line, run_command
from gristmill.training.launch.submission_record import SubmissionRecord, read_submission, record_url
from gristmill.training.launch.trainer_command import section_json
from gristmill.training.launch.training_job import Submission, TrainingJob
from gristmill.training.train_section import TrainSection


def check_launch(launch: AnyLaunch, work: str) -> None:
    """Raises InputError for what would otherwise fail only after the mix is built, such as a missing command."""
    if launcher := launcher_of(launch):
        launcher.check(_absolute(work))


def submission(section: TrainSection, job: TrainingJob) -> Submission:
    """Return what submits ``job`` as ``section.launch`` says. Raises InputError if its hosts cannot see the shards."""
    return _launcher(section).submission(section, job)


def submit_job(section: TrainSection, shards: str, out: str, job_url: str) -> SubmissionRecord:
    """Submit the run as ``section.launch`` says, unless another launcher did, and return the record of the submission.

    ``job_url`` is the prefix of the URLs of the job's files; its last part names the job. Raises InputError if the
    command cannot be started or the hosts cannot see the shards, RunError if it fails.
    """
    launcher = _launcher(section)
    name = f"gristmill-{posixpath.basename(job_url)}"
    job = TrainingJob(name, *(_absolute(url) for url in (f"{job_url}.section.json", shards, out)))
    command, stdin, suffix = launcher.submission(section, job)
    record = SubmissionRecord(record_url(job_url), section.launch.kind, job.name, shlex.join(command), None)
    storage.replace(job.section, section_json(section).encode())
    if stdin is not None:
        storage.replace(f"{job_url}{suffix}", stdin.encode())
    if not storage.create(record.url, record.to_json()):
        return read_submission(job_url) or record
    try:
        result = run_command(command, stdin)
        if result.status:
            message = last_line(result.stderr) or last_line(result.stdout) or "no output"
            raise RunError(f"train.launch: `{record.command}` failed with exit status {result.status}: {message}")
    except Exception:
        storage.remove([record.url])
        raise
    record = record._replace(job=launcher.job_id(job.name, result.stdout))
    storage.replace(record.url, record.to_json())
    return record


def _launcher(section: TrainSection) -> JobLauncher:
    launcher = launcher_of(section.launch)
    assert launcher is not None, "a local launch submits nothing"
    return launcher


def _absolute(url: str) -> str:
    return os.path.abspath(storage.url_to_fs(url)[1]) if storage.is_local(url) else url

"""The trainer started by a command of the user's own."""

from __future__ import annotations

import shlex

from gristmill.store import storage
from gristmill.training.launch.job_launcher import JobLauncher
from gristmill.training.launch.launch_section import CommandLaunch
from gristmill.training.launch.run_command import last_line
from gristmill.training.launch.training_job import Submission, TrainingJob
from gristmill.training.train_section import TrainSection


class CommandLauncher(JobLauncher):
    """``launch: {kind: command}``. The state of such a job is unknown; its id is the last line that it prints."""

    def __init__(self, launch: CommandLaunch) -> None:
        self.launch = launch

    def command(self) -> list[str]:
        return shlex.split(self.launch.command)

    def submission(self, section: TrainSection, job: TrainingJob) -> Submission:
        values = {
            "section": job.section,
            "shards": job.shards,
            "manifest": storage.join(job.shards, "manifest.json"),
            "out": job.out,
            "processes": section.processes,
            "nodes": self.launch.nodes,
            "name": job.name,
        }
        return Submission([word.format_map(values) for word in self.command()])

    def job_id(self, job_name: str, stdout: str) -> str:
        return last_line(stdout)

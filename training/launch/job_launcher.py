"""The interface between ``train.launch`` and a cluster: how a job is submitted, and how its state is read."""

from __future__ import annotations

import shutil
from abc import ABC, abstractmethod

from gristmill.errors import InputError
from gristmill.training.launch.training_job import Submission, TrainingJob
from gristmill.training.train_section import TrainSection


class JobLauncher(ABC):
    """Submits runs as one kind of ``train.launch`` says."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the words of the command that must exist on this host."""

    def check(self, work: str) -> None:
        """Raises InputError for what would otherwise fail only after the mix is built.

        That is a missing command, or, on some clusters, hosts that cannot see the work directory ``work``.
        """
        executable = self.command()[0]
        if shutil.which(executable) is None:
            raise InputError(
                f"train.launch: the command {executable!r} is not installed: install it, or correct train.launch"
            )

    @abstractmethod
    def submission(self, section: TrainSection, job: TrainingJob) -> Submission:
        """Return what submits ``job``. Raises InputError if its hosts cannot see the shards."""

    @abstractmethod
    def job_id(self, job_name: str, stdout: str) -> str:
        """Return the job's id on the cluster, given the output of the submitting command."""

    def failure(self, job_name: str, job_id: str) -> str | None:
        """Return how a job ended without success; None while it runs or has succeeded, or if that is unknown."""
        return None

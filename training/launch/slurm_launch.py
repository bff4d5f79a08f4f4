"""The trainer as a batch job on Slurm."""

from __future__ import annotations

import shlex

from gristmill.store import storage
from gristmill.training.launch.job_launcher import JobLauncher
from gristmill.training.launch.launch_section import SlurmLaunch
from gristmill.training.launch.manifest_template import fill_text, read_template
from gristmill.training.launch.run_command import last_line, run_command
from gristmill.training.launch.trainer_command import (
    RENDEZVOUS_TIMEOUT_SECONDS,
    STOP_GRACE_SECONDS,
    TRAINER_ENVIRONMENT,
    trainer_arguments,
)
from gristmill.training.launch.training_job import Submission, TrainingJob
from gristmill.training.train_section import TrainSection


class SlurmLauncher(JobLauncher):
    """``launch: {kind: slurm}``."""

    def __init__(self, launch: SlurmLaunch) -> None:
        self.launch = launch

    def command(self) -> list[str]:
        return shlex.split(self.launch.through) or ["sbatch"]

    def submission(self, section: TrainSection, job: TrainingJob) -> Submission:
        return Submission([*self._prefix(), "sbatch", "--parsable"], batch_script(self.launch, job), ".sh")

    def job_id(self, job_name: str, stdout: str) -> str:
        return last_line(stdout).split(";")[0]  # sbatch --parsable prints <id> or <id>;<cluster>

    def failure(self, job_name: str, job_id: str) -> str | None:
        result = run_command([*self._prefix(), "squeue", "--noheader", "--format", "%T", "--jobs", job_id])
        if result.status:
            return "Slurm no longer knows it" if "Invalid job id" in result.stderr else None
        return None if result.stdout.strip() else "it is no longer queued"

    def _prefix(self) -> list[str]:
        return shlex.split(self.launch.through)


def batch_script(launch: SlurmLaunch, job: TrainingJob) -> str:
    """Return a batch script that starts one torchrun per node; they rendezvous on the first node."""
    timeout = RENDEZVOUS_TIMEOUT_SECONDS
    values = {
        "options": "\n".join(f"#SBATCH {option}" for option in _options(launch, job)),
        "environment": " ".join(f"{name}={value}" for name, value in TRAINER_ENVIRONMENT.items()),
        "setup": "\n".join(launch.setup),
        "timeouts": f"read_timeout={timeout},join_timeout={timeout}",
        "torchrun": f"--nnodes={launch.nodes} --nproc-per-node={launch.gpus_per_node} --rdzv-backend=c10d",
        "trainer": shlex.join(trainer_arguments(job.section, job.shards, job.out)),
    }
    return fill_text(read_template("slurm.sh"), values)


def _options(launch: SlurmLaunch, job: TrainingJob) -> list[str]:
    optional = {"partition": launch.partition, "account": launch.account, "time": launch.time}
    return [
        f"--job-name={job.name}",
        "--dependency=singleton",  # two jobs never run in one folder at the same time
        f"--nodes={launch.nodes}",
        "--ntasks-per-node=1",
        f"--gpus-per-node={launch.gpus_per_node}",
        *(f"--{name}={value}" for name, value in optional.items() if value is not None),
        "--requeue",  # a preempted job resumes from its last checkpoint
        f"--signal=TERM@{STOP_GRACE_SECONDS}",  # before the time limit, so that the run saves and stops
        "--open-mode=append",
        *([f'--output="{job.out}.slurm-%j.log"'] if storage.is_local(job.out) else []),
        *launch.options,
    ]

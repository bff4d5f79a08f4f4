"""The trainer as a batch job of Slurm: its script, and how it fares."""

from __future__ import annotations

import shlex

from gristmill.store import storage
from gristmill.training.launch.job import Job, Order, run
from gristmill.training.launch.launch_section import SlurmLaunch
from gristmill.training.launch.local import ENVIRONMENT, PATIENCE, trainer_arguments
from gristmill.training.launch.template import filled_text, template


def order(launch: SlurmLaunch, job: Job) -> Order:
    """The script, and the command that submits it."""
    return Order([*shlex.split(launch.through), "sbatch", "--parsable"], script(launch, job), ".sh")


def script(launch: SlurmLaunch, job: Job) -> str:
    """A batch script of one torchrun a node, which meet at the first one."""
    values = {
        "options": "\n".join(f"#SBATCH {option}" for option in _options(launch, job)),
        "environment": " ".join(f"{name}={value}" for name, value in ENVIRONMENT.items()),
        "setup": "\n".join(launch.setup),
        "timeouts": f"read_timeout={PATIENCE},join_timeout={PATIENCE}",
        "torchrun": f"--nnodes={launch.nodes} --nproc-per-node={launch.gpus_per_node} --rdzv-backend=c10d",
        "trainer": shlex.join(trainer_arguments(job.section, job.shards, job.out)),
    }
    return filled_text(template("slurm.sh"), values)


def job_id(stdout: str) -> str:
    """From ``sbatch --parsable``, which prints ``<id>`` or ``<id>;<cluster>``."""
    return stdout.strip().split(";")[0]


def ended(launch: SlurmLaunch, job: str) -> str | None:
    """That the job is no longer queued; None while it is at work, or cannot be asked."""
    asked = run([*shlex.split(launch.through), "squeue", "--noheader", "--format", "%T", "--jobs", job])
    if asked.status:
        return "Slurm no longer knows it" if "Invalid job id" in asked.stderr else None
    return None if asked.stdout.strip() else "it is no longer queued"


def _options(launch: SlurmLaunch, job: Job) -> list[str]:
    named = {"partition": launch.partition, "account": launch.account, "time": launch.time}
    return [
        f"--job-name={job.name}",
        "--dependency=singleton",  # never two jobs at once in one folder
        f"--nodes={launch.nodes}",
        "--ntasks-per-node=1",
        f"--gpus-per-node={launch.gpus_per_node}",
        *(f"--{name}={value}" for name, value in named.items() if value is not None),
        "--requeue",  # a preempted job goes on from its last checkpoint
        "--open-mode=append",
        *([f'--output="{job.out}.slurm-%j.log"'] if storage.is_local(job.out) else []),
        *launch.options,
    ]

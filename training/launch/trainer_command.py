"""The command line and the environment of the trainer's processes, wherever they run."""

from __future__ import annotations

from gristmill.training.train_section import TrainSection

STOP_GRACE_SECONDS = 300
"""How long the trainer has to finish a step and save after it is asked to stop, before it is killed."""

TRAINER_ENVIRONMENT = {
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # otherwise workers may find the port of the agent's store in use
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # cuBLAS is deterministic only with a workspace of fixed size
    "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": str(STOP_GRACE_SECONDS),
}

STORE_FILE = "GRISTMILL_STORE_FILE"
"""Environment variable with the path of a new file through which the processes of one host exchange addresses.

Without it they do so through a TCP port of the first process, which listens on all addresses.
"""

RENDEZVOUS_TIMEOUT_SECONDS = 1800
"""How long the hosts of a run wait for each other: pods are scheduled, and images pulled, one after the other."""


def trainer_arguments(section: str, shards: str, out: str) -> list[str]:
    """Return the arguments of ``python`` or ``torchrun`` for a run, given its URLs."""
    return ["-m", "gristmill.training", "--section", section, "--shards", shards, "--out", out]


def section_json(section: TrainSection) -> str:
    """Return the section that the trainer reads: without ``launch``."""
    return section.model_dump_json(exclude={"launch"})

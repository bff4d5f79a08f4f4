"""The processes that train together: one per GPU, communicating over NCCL, or on CPUs over gloo.

``torchrun`` passes rank and size in environment variables; a process started without it is a group of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from gristmill.errors import InputError
from gristmill.training.train_section import TrainSection


class ProcessGroup(NamedTuple):
    """This process's place among those that train together."""

    rank: int
    size: int
    device: Any

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes shared files."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until all processes reach this call."""
        dist.barrier()

    def sum(self, value: Any) -> float:
        """Return the sum of a scalar tensor over all processes."""
        value = value.clone()
        dist.all_reduce(value)
        return float(value.item())


@contextmanager
def join_process_group(section: TrainSection) -> Iterator[ProcessGroup]:
    """Join the other processes, and make arithmetic deterministic. Raises InputError if their number is wrong."""
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if size != section.processes:
        raise InputError(
            f"the trainer was started with {size} processes, but train.processes is {section.processes}: use the same "
            "number"
        )
    device = _device()
    torch.set_num_threads(section.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    backend = "nccl" if device.type == "cuda" else "gloo"
    device_id = device if device.type == "cuda" else None
    store = None if "RANK" in os.environ else dist.HashStore()
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, device_id=device_id)
    try:
        yield ProcessGroup(rank, size, device)
        dist.barrier()  # otherwise a process that is still working loses its peers
    finally:
        dist.destroy_process_group()


def _device() -> Any:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local_rank, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if local_rank >= gpus:
        raise InputError(f"there are more processes than GPUs ({gpus}) on this host: lower train.processes")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)

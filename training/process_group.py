"""The processes that train together: one per GPU, communicating over NCCL, or on CPUs over gloo.

``torchrun`` passes rank and size in environment variables; a process started without it is a group of one.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
import torch.distributed as dist

from gristmill.errors import InputError
from gristmill.training.launch.trainer_command import STORE_FILE
from gristmill.training.train_section import TrainSection

T = TypeVar("T")


class ProcessGroup(NamedTuple):
    """This process's place among those that train together."""

    rank: int
    size: int
    device: Any
    background: Any = None
    """A gloo group of the same processes, for collectives of other threads than the main one."""

    @property
    def is_main(self) -> bool:
        """Whether this is the one process that writes shared files."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until all processes reach this call."""
        dist.barrier()

    def all(self, value: bool) -> bool:
        """Return whether ``value`` is true in every process."""
        flag = torch.tensor(float(not value), device=self.device)
        dist.all_reduce(flag)
        return not flag.item()

    def from_main(self, compute: Callable[[], T]) -> T:
        """Return what ``compute``, which only the main process calls, returns there: a picklable object."""
        values = [compute() if self.is_main else None]
        dist.broadcast_object_list(values)
        return values[0]  # type: ignore[return-value]

    def gather(self, value: Any, in_background: bool = False) -> list[Any]:
        """Return every process's ``value``, a picklable object, in the order of ranks.

        ``in_background`` is for other threads than the main one: within a group, collectives have one order.
        """
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value, group=self.background if in_background else None)
        return values


@contextmanager
def join_process_group(section: TrainSection) -> Iterator[ProcessGroup]:
    """Join the other processes. Raises InputError if their number is wrong."""
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if size != section.processes:
        raise InputError(
            f"the trainer was started with {size} processes, but train.processes is {section.processes}: use the same "
            "number"
        )
    device = _device()
    torch.set_num_threads(section.threads)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    device_id = device if device.type == "cuda" else None
    store = _store(size)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, device_id=device_id)
    try:
        with _arithmetic(section.deterministic):
            yield ProcessGroup(rank, size, device, dist.new_group(backend="gloo"))
        dist.barrier()  # otherwise a process that is still working loses its peers
    finally:
        dist.destroy_process_group()


@contextmanager
def _arithmetic(deterministic: bool) -> Iterator[None]:
    """Make every operation repeat its bits, or allow the fastest ones.

    The backward passes of cuDNN's and of the memory-efficient attention do not repeat their bits on GPUs, so only flash
    attention and plain matrix products are left to a deterministic run. An operation without a deterministic
    implementation raises RuntimeError.
    """
    allowed, filled = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
    attention = torch.backends.cuda.cudnn_sdp_enabled(), torch.backends.cuda.mem_efficient_sdp_enabled()
    torch.use_deterministic_algorithms(deterministic)
    torch.utils.deterministic.fill_uninitialized_memory = False
    torch.backends.cuda.enable_cudnn_sdp(not deterministic)
    torch.backends.cuda.enable_mem_efficient_sdp(not deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(allowed)
        torch.utils.deterministic.fill_uninitialized_memory = filled
        torch.backends.cuda.enable_cudnn_sdp(attention[0])
        torch.backends.cuda.enable_mem_efficient_sdp(attention[1])


def _store(size: int) -> Any:
    """Return what the processes find each other by: this process alone, a file of this host, or torchrun's TCP port."""
    if "RANK" not in os.environ:
        return dist.HashStore()
    return dist.FileStore(os.environ[STORE_FILE], size) if STORE_FILE in os.environ else None


def _device() -> Any:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local_rank, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if local_rank >= gpus:
        raise InputError(f"there are more processes than GPUs ({gpus}) on this host: lower train.processes")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)

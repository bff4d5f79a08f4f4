"""The processes that train together: one a GPU over NCCL, or on CPUs over gloo; and a model shared out among them.

Under ``torchrun`` the environment says who is who; a process started alone is a world of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import distribute_tensor

from gristmill.errors import InputError
from gristmill.training.model import Decoder, first_weights
from gristmill.training.train_section import TrainSection


class World(NamedTuple):
    """This process among those that train together."""

    rank: int
    size: int
    device: Any

    @property
    def leads(self) -> bool:
        """The one process that writes what all share."""
        return self.rank == 0

    def barrier(self) -> None:
        dist.barrier()

    def total(self, value: Any) -> float:
        """The sum of every process's scalar tensor."""
        value = value.clone()
        dist.all_reduce(value)
        return float(value.item())


@contextmanager
def joined(section: TrainSection) -> Iterator[World]:
    """Join the other processes, with arithmetic set up to repeat itself. Raises InputError if their number is wrong."""
    rank, size = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if size != section.processes:
        raise InputError(f"started as {size} processes where train.processes is {section.processes}: make them equal")
    device = _device()
    torch.set_num_threads(section.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False
    backend = "nccl" if device.type == "cuda" else "gloo"
    bound = device if device.type == "cuda" else None
    alone = None if "RANK" in os.environ else dist.HashStore()
    dist.init_process_group(backend, store=alone, rank=rank, world_size=size, device_id=bound)
    try:
        yield World(rank, size, device)
        dist.barrier()  # or a process still at work loses its peers
    finally:
        dist.destroy_process_group()


def _device() -> Any:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    local, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if local >= gpus:
        raise InputError(f"more processes than the {gpus} GPUs of this host: lower train.processes")
    torch.cuda.set_device(local)
    return torch.device("cuda", local)


def sharded_model(section: TrainSection, vocab_size: int, world: World) -> Any:
    """A new ``Decoder`` under FSDP: each block a unit, the rest another; bfloat16 arithmetic on CUDA, float32 on a CPU.

    A weight's first value depends on the seed and its number alone, so every layout starts from the same model. A
    process holds one whole matrix at a time.
    """
    mesh = init_device_mesh(world.device.type, (world.size,))
    halved = world.device.type == "cuda"
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if halved else None, reduce_dtype=torch.float32, cast_forward_inputs=False
    )
    with torch.device("meta"):
        model = Decoder(section.model, vocab_size)
    for block in model.layers:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    model.to_empty(device=world.device)
    for number, (name, weight) in enumerate(model.named_parameters()):
        generator = torch.Generator().manual_seed((section.seed << 20) + number)
        value = first_weights(name, weight.shape, section.model.layers, generator).to(world.device)
        weight.data.copy_(distribute_tensor(value, mesh, weight.placements, src_data_rank=None))
    return model

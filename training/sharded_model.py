"""The model sharded over the processes of a run with FSDP."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import distribute_tensor

from gristmill.training.llama_decoder import Decoder, initial_weights
from gristmill.training.process_group import ProcessGroup
from gristmill.training.train_section import TrainSection


def build_sharded_model(section: TrainSection, vocab_size: int, group: ProcessGroup) -> Any:
    """Return a new ``Decoder`` under FSDP; it computes in bfloat16 on CUDA and in float32 on a CPU.

    Each block is one FSDP unit, and the rest another. The initial value of a weight depends on the seed and on the
    weight's index only, so every layout starts from the same model; a process holds one complete matrix at a time.
    """
    mesh = init_device_mesh(group.device.type, (group.size,))
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if group.device.type == "cuda" else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    with torch.device("meta"):
        model = Decoder(section.model, vocab_size)
    for block in model.layers:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    fully_shard(model, mesh=mesh, mp_policy=policy)
    model.to_empty(device=group.device)
    for index, (name, weight) in enumerate(model.named_parameters()):
        generator = torch.Generator().manual_seed((section.seed << 20) + index)
        value = initial_weights(name, weight.shape, section.model.layers, generator).to(group.device)
        weight.data.copy_(distribute_tensor(value, mesh, weight.placements, src_data_rank=None))
    return model

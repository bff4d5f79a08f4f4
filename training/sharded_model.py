"""The model sharded over the processes of a run with FSDP, and its initial weights."""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from gristmill.training.initial_weights import initial_rows
from gristmill.training.llama_decoder import Decoder
from gristmill.training.model_import import read_rows
from gristmill.training.process_group import ProcessGroup
from gristmill.training.train_section import TrainSection


def build_sharded_model(section: TrainSection, vocab_size: int, group: ProcessGroup) -> Any:
    """Return a ``Decoder`` under FSDP with uninitialised weights; see ``initialise``.

    It computes in bfloat16 on CUDA and in float32 on a CPU. Each block is one FSDP unit, and the rest another. With
    ``replicas``, each group of ``processes / replicas`` processes shards a complete copy (HSDP).
    """
    sharded = group.size > section.replicas
    with torch.device("meta"):
        model = Decoder(section.model, vocab_size, section.activation_checkpointing)
    if is_compiled(section, group):
        for block in model.layers:
            block.compile(fullgraph=True)
    options: dict[str, Any] = {
        "mesh": _mesh(section, group),
        "reshard_after_forward": sharded if section.reshard_after_forward is None else section.reshard_after_forward,
        "mp_policy": MixedPrecisionPolicy(
            param_dtype=torch.bfloat16 if group.device.type == "cuda" else None,
            reduce_dtype=torch.float32,
            cast_forward_inputs=False,
        ),
    }
    for block in model.layers:
        fully_shard(block, **options)
    fully_shard(model, **options)
    model.to_empty(device=group.device)
    return model


def initialise(model: Any, section: TrainSection) -> None:
    """Set the weights to those of ``initial_model``, or to random ones; a process computes only its own rows."""
    for name, weight in model.named_parameters():
        first, rows = _first_row(weight), len(weight.to_local())
        if section.initial_model is not None:
            values = read_rows(section.initial_model, name, first, rows)
        elif weight.ndim == 1:
            values = np.ones(rows, np.float32)  # gains
        else:
            values = initial_rows(name, section.seed, section.model.layers, first, rows, weight.shape[1])
        with torch.no_grad():
            weight.to_local().copy_(torch.from_numpy(values))


def is_compiled(section: TrainSection, group: ProcessGroup) -> bool:
    """Return whether blocks are compiled, which needs a C compiler on a CPU and on a GPU."""
    return _wants_compiling(section, group) and _has_compiler()


def compilation_notice(section: TrainSection, group: ProcessGroup) -> str | None:
    """Return a sentence that says why blocks are not compiled although the recipe asks for it; None if they are."""
    if _wants_compiling(section, group) and not _has_compiler():
        return "there is no C++ compiler on this host, so blocks are not compiled and training is slower"
    return None


def _wants_compiling(section: TrainSection, group: ProcessGroup) -> bool:
    return group.device.type == "cuda" if section.compile is None else section.compile


def _has_compiler() -> bool:
    return any(shutil.which(name) for name in ("g++", "clang++"))


def _mesh(section: TrainSection, group: ProcessGroup) -> Any:
    if section.replicas == 1:
        return init_device_mesh(group.device.type, (group.size,), mesh_dim_names=("shard",))
    shape = (section.replicas, group.size // section.replicas)
    return init_device_mesh(group.device.type, shape, mesh_dim_names=("replicate", "shard"))


def _first_row(weight: Any) -> int:
    """Return the index of the first row of this process's shard of a DTensor."""
    chunks = weight.__create_chunk_list__()
    return int(chunks[0].offsets[0]) if chunks else 0

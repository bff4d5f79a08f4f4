"""The trained model as a folder that ``transformers.LlamaForCausalLM.from_pretrained`` reads: config and weights."""

from __future__ import annotations

import os
import shutil
from typing import Any

from safetensors.torch import save_file
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from gristmill.store.keys import pretty
from gristmill.training.data import Sequences
from gristmill.training.distributed import World
from gristmill.training.folder import Folder
from gristmill.training.model import INIT_STD, NORM_EPS
from gristmill.training.train_section import ModelSection


def llama_config(shape: ModelSection, sequences: Sequences) -> dict[str, Any]:
    """``config.json`` in the keys of Hugging Face's ``LlamaConfig``."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": sequences.vocab_size,
        "hidden_size": shape.dim,
        "intermediate_size": shape.ffn_dim,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": sequences.sequence_length,
        "rms_norm_eps": NORM_EPS,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": shape.tie_embeddings,
        "attention_bias": False,
        "mlp_bias": False,
        "initializer_range": INIT_STD,
        "bos_token_id": sequences.eos_id,
        "eos_token_id": sequences.eos_id,
        "torch_dtype": "float32",
    }


def export(model: Any, config: dict[str, Any], out: Folder, world: World) -> None:
    """Write ``model/config.json`` and ``model/model.safetensors`` (float32). All processes call it together."""
    weights = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if not world.leads:
        return
    folder = out.local / "model"
    folder.mkdir(exist_ok=True)
    named = {name if name.startswith("lm_head.") else f"model.{name}": weight for name, weight in weights.items()}
    (folder / "config.json").write_bytes(pretty(config))
    part = folder / ".model.safetensors.part"
    save_file(named, part, metadata={"format": "pt"})
    shutil.copymode(folder / "config.json", part)  # save_file gives its owner alone the right to read
    os.replace(part, folder / "model.safetensors")
    out.publish("model/config.json")
    out.publish("model/model.safetensors")

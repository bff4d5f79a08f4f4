"""Writes the trained model as a folder that ``transformers.LlamaForCausalLM.from_pretrained`` reads."""

from __future__ import annotations

import os
import shutil
from typing import Any

from safetensors.torch import save_file
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from gristmill.store.keys import pretty_json
from gristmill.training.llama_decoder import INIT_STD, NORM_EPS
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_folder import RunFolder
from gristmill.training.sequence_batches import Sequences
from gristmill.training.train_section import ModelSection


def llama_config(shape: ModelSection, sequences: Sequences) -> dict[str, Any]:
    """Return ``config.json`` with the keys of Hugging Face's ``LlamaConfig``."""
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


def export_model(model: Any, config: dict[str, Any], out: RunFolder, group: ProcessGroup) -> None:
    """Write ``model/config.json`` and ``model/model.safetensors`` (float32). All processes must call it."""
    weights = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if not group.is_main:
        return
    folder = out.local / "model"
    folder.mkdir(exist_ok=True)
    prefixed = {name if name.startswith("lm_head.") else f"model.{name}": weight for name, weight in weights.items()}
    (folder / "config.json").write_bytes(pretty_json(config))
    part = folder / ".model.safetensors.part"
    save_file(prefixed, part, metadata={"format": "pt"})
    shutil.copymode(folder / "config.json", part)  # save_file makes it readable by its owner only
    os.replace(part, folder / "model.safetensors")
    out.publish("model/config.json")
    out.publish("model/model.safetensors")

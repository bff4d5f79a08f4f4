"""Writes the trained model as a folder that ``transformers.AutoModelForCausalLM.from_pretrained`` reads."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from typing import Any

from safetensors.torch import save_file
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

from gristmill.errors import InputError
from gristmill.store.keys import pretty_json
from gristmill.training.llama_decoder import EMBEDDINGS, INIT_STD, hugging_face_name
from gristmill.training.model_section import ModelSection
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_folder import TOKENIZER, RunFolder
from gristmill.training.sequence_batches import Sequences

FOLDER = "model"


def model_config(shape: ModelSection, sequences: Sequences) -> dict[str, Any]:
    """Return ``config.json``: that of a Qwen3 model with QK-norm, else of a Mistral model with a window, else LLaMA."""
    return {
        **_architecture(shape),
        "vocab_size": sequences.vocab_size,
        "hidden_size": shape.dim,
        "intermediate_size": shape.ffn_dim,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.key_value_heads,
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": sequences.sequence_length,
        "rms_norm_eps": shape.norm_eps,
        "rope_theta": shape.rope_theta,
        "tie_word_embeddings": shape.tie_embeddings,
        "initializer_range": INIT_STD,
        "bos_token_id": sequences.eos_id,
        "eos_token_id": sequences.eos_id,
        "torch_dtype": "float32",
    }


def export_model(
    model: Any, config: Mapping[str, Any], out: RunFolder, group: ProcessGroup, tokenizer: bytes | None
) -> None:
    """Write the folder ``model`` with the weights in float32. All processes must call it.

    ``config`` is the result of ``model_config`` and ``tokenizer`` the content of a ``tokenizer.json``; without one,
    the folder has no tokenizer.
    """
    weights = get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
    if not group.is_main:
        return
    folder = out.local / FOLDER
    folder.mkdir(exist_ok=True)
    files = {"config.json": pretty_json(config), "generation_config.json": pretty_json(generation_config(config))}
    if tokenizer is not None:
        files["tokenizer.json"] = tokenizer
        files["tokenizer_config.json"] = pretty_json(tokenizer_config(config, tokenizer))
    for name, data in files.items():
        (folder / name).write_bytes(data)
        out.publish(f"{FOLDER}/{name}")
    part = folder / ".model.safetensors.part"
    save_file(_exported(weights, config["vocab_size"]), part, metadata={"format": "pt"})
    shutil.copymode(folder / "config.json", part)  # save_file makes it readable by its owner only
    os.replace(part, folder / "model.safetensors")
    out.publish(f"{FOLDER}/model.safetensors")


def generation_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``generation_config.json``: text is sampled until the end-of-text token."""
    eos_id = config["eos_token_id"]
    return {"bos_token_id": eos_id, "eos_token_id": eos_id, "pad_token_id": eos_id, "do_sample": True}


def tokenizer_config(config: Mapping[str, Any], tokenizer: bytes) -> dict[str, Any]:
    """Return ``tokenizer_config.json``; the end-of-text token also starts a text and pads it."""
    eos_token = _token(tokenizer, config["eos_token_id"])
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": eos_token,
        "eos_token": eos_token,
        "pad_token": eos_token,
        "model_max_length": config["max_position_embeddings"],
        "model_input_names": ["input_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
    }


def _token(tokenizer: bytes, token_id: int) -> str:
    """Return a token of a ``tokenizer.json``, read without the library, which a damaged file could crash.

    Raises InputError if there is none.
    """
    try:
        data = json.loads(tokenizer)
        vocabulary = data["model"]["vocab"]
        listed = vocabulary.items() if isinstance(vocabulary, dict) else ((x[0], n) for n, x in enumerate(vocabulary))
        added = ((x["content"], x["id"]) for x in data.get("added_tokens", ()))
        return str({number: token for tokens in (listed, added) for token, number in tokens}[token_id])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{TOKENIZER} in the training's folder has no token {token_id} ({type(error).__name__}): put the tokenizer "
            "of the mix there, or none"
        ) from None


def _architecture(shape: ModelSection) -> dict[str, Any]:
    """Return the keys of ``config.json`` that only one class of models has."""
    window = {"sliding_window": shape.window}
    if shape.qk_norm:
        layers = {"use_sliding_window": True, "max_window_layers": 0} if shape.window else {"use_sliding_window": False}
        names = {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}
        return {**names, **window, **layers, "attention_bias": False}
    if shape.window:
        return {"architectures": ["MistralForCausalLM"], "model_type": "mistral", **window}
    names = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"}
    return {**names, "attention_bias": False, "mlp_bias": False}


def _exported(weights: Mapping[str, Any], vocab_size: int) -> dict[str, Any]:
    """Return the weights under the names of ``transformers``, embeddings without their padding."""
    return {
        hugging_face_name(name): weight[:vocab_size].contiguous() if name in EMBEDDINGS else weight
        for name, weight in weights.items()
    }

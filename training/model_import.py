"""Reads a Hugging Face checkpoint of a LLaMA, Mistral or Qwen3 model, to continue its training.

A checkpoint is a local folder with ``config.json`` and either ``model.safetensors`` or several files with
``model.safetensors.index.json``. Configurations are read as ``transformers`` reads them: of any version, and with the
model's defaults for keys that are missing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors import SafetensorError, safe_open

from gristmill.corpus.arrays import Float32s
from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.trial_open import Trial, require_opens
from gristmill.training.llama_decoder import EMBEDDINGS, Decoder, hugging_face_name
from gristmill.training.model_section import ModelSection
from gristmill.training.safetensors_trial import open_safetensors

_TRIAL = Trial(open_safetensors, ("safetensors",))
_MAX_LAYERS = 10_000

_SUPPORTED = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "rope_scaling": None}
"""The only values of keys for which train.model has no setting; they are also the defaults of all models."""

_DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"num_key_value_heads": 8, "sliding_window": 4096},
    "qwen3": {"num_key_value_heads": 32, "head_dim": 128, "sliding_window": 4096, "max_window_layers": 28},
}
"""What else a ``config.json`` leaves out when it is the default of its ``model_type``."""


class Difference(NamedTuple):
    """A key of ``config.json``, its value there, the value that the trainer needs, and what requires it."""

    key: str
    found: Any
    needed: Any
    required_by: str


def check_shape(folder: str, shape: ModelSection, vocab_size: int) -> None:
    """Compare the checkpoint in ``folder`` with the recipe's ``train.model`` and the vocabulary of the mix.

    Raises InputError if there is no checkpoint of a supported model, for the first key of its ``config.json`` that
    differs, and for a parameter that is missing or has another shape than that of ``config.json``.
    """
    config = _read_config(_local_folder(folder))
    difference = next((row for row in _compared(config, shape, vocab_size) if row.found != row.needed), None)
    if difference:
        key, found, needed, required_by = difference
        raise InputError(
            f"{folder}/config.json has {key} {json.dumps(found)[:80]}, but {required_by} requires "
            f"{json.dumps(needed)}: change it, or use another train.initial_model"
        )
    with torch.device("meta"):
        model = Decoder(shape, vocab_size)
    for name, weight in model.named_parameters():
        needed = [vocab_size if name in EMBEDDINGS else len(weight), *weight.shape[1:]]
        with _stored(folder, name) as stored:
            if stored.get_shape() != needed:
                raise InputError(
                    f"{hugging_face_name(name)} in the checkpoint {folder} has the shape {stored.get_shape()}, but its "
                    f"config.json requires {needed}: use another train.initial_model"
                )


def read_rows(folder: str, name: str, first_row: int, rows: int) -> Float32s:
    """Return the rows ``first_row`` to ``first_row + rows`` of the checkpoint's parameter ``name``, in float32.

    ``name`` is the parameter's name in ``Decoder``. Only these rows are read. Rows after the last one are zero, since
    the embeddings of a checkpoint are not padded. Raises InputError if there is no such parameter.
    """
    with _stored(folder, name) as stored:
        length, *width = stored.get_shape()
        last = min(first_row + rows, length)
        values = np.zeros((rows, *width), np.float32)
        if first_row < last:
            values[: last - first_row] = stored[first_row:last].to(torch.float32).numpy()
    return values


def _compared(config: Mapping[str, Any], shape: ModelSection, vocab_size: int) -> Iterator[Difference]:
    """Yield the keys that describe the model, whether they differ or not."""
    kind = config["model_type"]
    without_qk_norm = kind if kind != "qwen3" else "llama"
    yield Difference("model_type", kind, "qwen3" if shape.qk_norm else without_qk_norm, "train.model.qk_norm")
    yield Difference("hidden_size", config.get("hidden_size"), shape.dim, "train.model.dim")
    yield Difference("num_hidden_layers", config.get("num_hidden_layers"), shape.layers, "train.model.layers")
    yield Difference("num_attention_heads", config.get("num_attention_heads"), shape.heads, "train.model.heads")
    kv_heads = config.get("num_key_value_heads") or shape.heads
    yield Difference("num_key_value_heads", kv_heads, shape.key_value_heads, "train.model.kv_heads")
    yield Difference("head_dim", config.get("head_dim") or shape.head_dim, shape.head_dim, "dim / heads of train.model")
    yield Difference("intermediate_size", config.get("intermediate_size"), shape.ffn_dim, "train.model.ffn_multiple")
    tied = config.get("tie_word_embeddings", False)
    yield Difference("tie_word_embeddings", tied, shape.tie_embeddings, "train.model.tie_embeddings")
    yield Difference("rms_norm_eps", config.get("rms_norm_eps", 1e-6), shape.norm_eps, "train.model.norm_eps")
    yield Difference("rope_theta", config["rope_theta"], shape.rope_theta, "train.model.rope_theta")
    yield Difference("sliding_window", _window(config), shape.window, "train.model.window")
    yield Difference("vocab_size", config.get("vocab_size"), vocab_size, "the tokenizer of the mix")
    for key, value in _SUPPORTED.items():
        yield Difference(key, config.get(key, value), value, "the trainer")


def _window(config: Mapping[str, Any]) -> int | str | None:
    """Return the sliding window of all layers; a text if only some have it."""
    window = config.get("sliding_window")
    if config["model_type"] != "qwen3":
        return window if config["model_type"] == "mistral" else None
    if not config.get("use_sliding_window"):
        return None
    layers, without = config.get("num_hidden_layers", 0), config["max_window_layers"]
    types = config.get("layer_types") or ["full_attention"] * without + ["sliding_attention"] * (layers - without)
    windowed = types.count("sliding_attention")
    return window if windowed == len(types) else f"{window} in {windowed} of {len(types)} layers" if windowed else None


def _read_config(folder: Path) -> dict[str, Any]:
    """Return ``config.json`` with default values; ``rope_theta`` and ``rope_scaling`` are where old versions put them.

    Version 5 of ``transformers`` writes both as ``rope_parameters``.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: train.initial_model must be a Hugging Face checkpoint") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): use another train.initial_model") from error
    if not isinstance(config, dict):
        raise InputError(f"{path} is not a JSON object: use another train.initial_model")
    for key in ("num_hidden_layers", "max_window_layers"):
        if not isinstance(config.get(key) or 0, int) or not 0 <= (config.get(key) or 0) <= _MAX_LAYERS:
            raise InputError(f"{path} has {key} {json.dumps(config[key])[:40]}: use another train.initial_model")
    for key in ("rope_scaling", "rope_parameters"):
        if not isinstance(config.get(key) or {}, dict):
            raise InputError(f"{path} has a {key} that is not a JSON object: use another train.initial_model")
    if not isinstance(config.get("layer_types") or [], list):
        raise InputError(f"{path} has layer_types that are not a list: use another train.initial_model")
    kind = config.get("model_type")
    if not isinstance(kind, str) or kind not in _DEFAULTS:
        known = ", ".join(_DEFAULTS)
        raise InputError(f"{path} has model_type {json.dumps(kind)[:40]}: only {known} models are supported")
    rope = {**(config.get("rope_scaling") or {}), **(config.get("rope_parameters") or {})}
    theta = rope.pop("rope_theta", config.get("rope_theta", 10_000.0))
    scaling = rope if rope.keys() - {"rope_type"} or rope.get("rope_type", "default") != "default" else None
    return {**_DEFAULTS[kind], **config, "rope_theta": theta, "rope_scaling": scaling}


@lru_cache(maxsize=1)
def _parameter_files(folder: str) -> Mapping[str, Path]:
    """Return the file of each parameter of a checkpoint. Raises InputError if its files cannot be read."""
    root = _local_folder(folder)
    index = root / "model.safetensors.index.json"
    if index.exists():
        try:
            files = json.loads(index.read_bytes())["weight_map"]
            return {name: root / _own_file(file) for name, file in files.items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(f"{index} is damaged ({error!r}): use another train.initial_model") from error
    path = root / "model.safetensors"
    with _opened(path) as file:
        return dict.fromkeys(file.keys(), path)


def _own_file(name: str) -> str:
    """Return the name of a file in the checkpoint's folder. Raises ValueError for a path that leads elsewhere."""
    if name in ("", "..") or Path(name).name != name:
        raise ValueError(f"{name[:80]!r} is not the name of a file beside it")
    return name


def _local_folder(folder: str) -> Path:
    if not storage.is_local(folder):
        raise InputError(f"{folder} is not a local folder: copy the checkpoint to this host, then train from the copy")
    return Path(storage.url_to_fs(folder)[1])


@contextmanager
def _stored(folder: str, name: str) -> Iterator[Any]:
    """Open the parameter ``name`` of ``Decoder`` in a checkpoint, without reading it."""
    stored_name = hugging_face_name(name)
    path = _parameter_files(folder).get(stored_name)
    if path is None:
        raise InputError(f"the checkpoint {folder} has no parameter {stored_name}: use another train.initial_model")
    with _opened(path) as file:
        yield file.get_slice(stored_name)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        require_opens(_TRIAL, path, str(path), "use another train.initial_model")
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: a checkpoint needs its weights as safetensors") from error
    except SafetensorError as error:
        raise InputError(f"{path} cannot be read ({error}): use another train.initial_model") from error

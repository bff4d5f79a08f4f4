"""A checkpoint of ``transformers`` is read row by row, and one of another model is refused by the key that differs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from safetensors.torch import save_file  # noqa: E402

from gristmill.errors import InputError  # noqa: E402
from gristmill.training.llama_decoder import Decoder  # noqa: E402
from gristmill.training.model_import import check_shape, read_rows  # noqa: E402
from gristmill.training.model_section import ModelSection  # noqa: E402

SHAPE = ModelSection(dim=16, layers=2, heads=4, kv_heads=2)
LLAMA: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 64,
    "rms_norm_eps": 1e-5,
    "tie_word_embeddings": True,
    "vocab_size": 50,
}
MISTRAL = {**LLAMA, "model_type": "mistral", "sliding_window": 8}
QWEN3 = {**LLAMA, "model_type": "qwen3", "head_dim": 4}
QWEN3_WINDOW = {**QWEN3, "use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0}
ROPE = {"rope_type": "default", "rope_theta": 10_000.0}


def checkpoint(root: Path, config: dict[str, Any], **weights: Any) -> str:
    (root / "config.json").write_text(json.dumps(config))
    names = {name: name if name == "lm_head.weight" else f"model.{name}" for name in weights}
    save_file({names[name]: weight for name, weight in weights.items()}, root / "model.safetensors")
    return str(root)


def parameters(shape: ModelSection) -> dict[str, Any]:
    """The parameters of a model with a vocabulary of 50 tokens, without padding."""
    rows = {"embed_tokens.weight": 50, "lm_head.weight": 50}
    return {name: weight.detach()[: rows.get(name)] for name, weight in Decoder(shape, 50).named_parameters()}


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        (LLAMA, {}),
        ({**LLAMA, "rope_theta": 10_000, "rope_scaling": None, "hidden_act": "silu", "attention_bias": False}, {}),
        ({**LLAMA, "rope_parameters": ROPE}, {}),
        ({**LLAMA, "rope_theta": 5e5}, {"rope_theta": 500_000.0}),
        ({**LLAMA, "rope_parameters": {**ROPE, "rope_theta": 5e5}}, {"rope_theta": 500_000.0}),
        ({key: value for key, value in LLAMA.items() if "tie" not in key}, {"tie_embeddings": False}),
        ({key: value for key, value in LLAMA.items() if "eps" not in key}, {"norm_eps": 1e-6}),
        ({key: value for key, value in LLAMA.items() if "value" not in key}, {"kv_heads": None}),
        (MISTRAL, {"window": 8}),
        ({**MISTRAL, "sliding_window": None}, {}),
        ({key: value for key, value in MISTRAL.items() if "window" not in key}, {"window": 4096}),
        (QWEN3, {"qk_norm": True}),
        ({**QWEN3_WINDOW, "use_sliding_window": False}, {"qk_norm": True}),
        ({**QWEN3_WINDOW, "max_window_layers": 2}, {"qk_norm": True}),
        (QWEN3_WINDOW, {"qk_norm": True, "window": 8}),
        (
            {**QWEN3_WINDOW, "max_window_layers": 2, "layer_types": ["sliding_attention"] * 2},
            {"qk_norm": True, "window": 8},
        ),
    ],
)
def test_checkpoint_of_the_same_shape(config: dict[str, Any], fields: dict[str, Any], tmp_path: Path) -> None:
    shape = SHAPE.model_copy(update=fields)
    check_shape(checkpoint(tmp_path, config, **parameters(shape)), shape, 50)


@pytest.mark.parametrize(
    ("config", "fields", "message"),
    [
        ({"hidden_size": 32}, {}, "has hidden_size 32, but train.model.dim requires 16: change it, or use another"),
        ({"hidden_size": None}, {}, "has hidden_size null, but train.model.dim requires 16"),
        ({"num_hidden_layers": 3}, {}, "num_hidden_layers 3, but train.model.layers requires 2"),
        ({"num_attention_heads": 2}, {}, "num_attention_heads 2, but train.model.heads requires 4"),
        ({"num_key_value_heads": None}, {}, "num_key_value_heads 4, but train.model.kv_heads requires 2"),
        ({"head_dim": 8}, {}, "head_dim 8, but dim / heads of train.model requires 4"),
        ({"intermediate_size": 63}, {}, "intermediate_size 63, but train.model.ffn_multiple requires 64"),
        ({"tie_word_embeddings": False}, {}, "false, but train.model.tie_embeddings requires true"),
        ({"rms_norm_eps": 1e-6}, {}, "rms_norm_eps 1e-06, but train.model.norm_eps requires 1e-05"),
        ({"rope_theta": 10_001}, {}, "rope_theta 10001, but train.model.rope_theta requires 10000"),
        ({"rope_parameters": {"rope_theta": 5e5}}, {}, "rope_theta 500000.0, but train.model.rope_theta"),
        ({"vocab_size": 51}, {}, "vocab_size 51, but the tokenizer of the mix requires 50"),
        ({"vocab_size": 49}, {}, "vocab_size 49, but the tokenizer of the mix requires 50"),
        ({}, {"window": 8}, "sliding_window null, but train.model.window requires 8"),
        (MISTRAL, {}, "sliding_window 8, but train.model.window requires null"),
        (MISTRAL, {"window": 7}, "sliding_window 8, but train.model.window requires 7"),
        ({}, {"qk_norm": True}, 'model_type "llama", but train.model.qk_norm requires "qwen3"'),
        (QWEN3, {}, 'model_type "qwen3", but train.model.qk_norm requires "llama"'),
        ({**QWEN3, "head_dim": 128}, {"qk_norm": True}, "head_dim 128, but dim / heads of train.model requires 4"),
        (
            {**QWEN3_WINDOW, "max_window_layers": 1},
            {"qk_norm": True, "window": 8},
            'sliding_window "8 in 1 of 2 layers", but train.model.window requires 8',
        ),
        ({"hidden_act": "gelu"}, {}, 'hidden_act "gelu", but the trainer requires "silu"'),
        ({"attention_bias": True}, {}, "attention_bias true, but the trainer requires false"),
        ({"mlp_bias": True}, {}, "mlp_bias true, but the trainer requires false"),
        (
            {"rope_scaling": {"type": "linear", "factor": 2}},
            {},
            'rope_scaling {"type": "linear", "factor": 2}, but the trainer requires null',
        ),
        ({"rope_parameters": {**ROPE, "rope_type": "yarn"}}, {}, "rope_scaling .*, but the trainer requires null"),
        ({"model_type": "gemma"}, {}, 'has model_type "gemma": only llama, mistral, qwen3 models are supported'),
        ({"model_type": None}, {}, "has model_type null: only llama"),
    ],
)
def test_first_key_that_differs_is_named(
    config: dict[str, Any], fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    folder = checkpoint(tmp_path, {**LLAMA, **config})
    with pytest.raises(InputError, match=message.replace("{", r"\{").replace("}", r"\}")):
        check_shape(folder, SHAPE.model_copy(update=fields), 50)


def test_unreadable_checkpoints(tmp_path: Path) -> None:
    def error() -> str:
        with pytest.raises(InputError) as raised:
            check_shape(str(tmp_path), SHAPE, 50)
        return str(raised.value).replace(f"{tmp_path}/", "")

    assert error() == "config.json does not exist: train.initial_model must be a Hugging Face checkpoint"
    (tmp_path / "config.json").write_text("{")
    assert error().startswith("config.json is not valid JSON (")
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    assert error() == "model.safetensors does not exist: a checkpoint needs its weights as safetensors"
    (tmp_path / "model.safetensors").write_bytes(b"not safetensors")
    assert error().startswith("cannot load model.safetensors: ")
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert (
        error() == "model.safetensors.index.json is damaged (KeyError('weight_map')): use another train.initial_model"
    )


@pytest.mark.parametrize(
    "config",
    [
        "[]",
        "[" * 100_000,
        '{"rope_theta": ' + "9" * 5000 + "}",
        json.dumps({**LLAMA, "num_hidden_layers": 10**12}),
        json.dumps({**LLAMA, "num_hidden_layers": "2"}),
        json.dumps({**QWEN3_WINDOW, "max_window_layers": 10**12}),
        json.dumps({**QWEN3_WINDOW, "layer_types": 7}),
        json.dumps({**LLAMA, "rope_scaling": [1]}),
        json.dumps({**LLAMA, "model_type": ["llama"]}),
        json.dumps({**LLAMA, "hidden_size": "x" * 5000}),
    ],
)
def test_a_damaged_config_is_one_sentence(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(InputError, match=r"/config\.json ") as raised:
        check_shape(str(tmp_path), SHAPE, 50)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("file", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", 1, None])
def test_the_files_of_a_checkpoint_are_beside_its_index(tmp_path: Path, file: Any) -> None:
    index = {"weight_map": {"model.norm.weight": file}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"model\.safetensors\.index\.json is damaged"):
        read_rows(str(tmp_path), "norm.weight", 0, 4)


def test_remote_checkpoints_are_refused() -> None:
    with pytest.raises(InputError, match=r"^memory://bucket/model is not a local folder: copy the checkpoint"):
        check_shape("memory://bucket/model", SHAPE, 50)


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        ("embed_tokens.weight", (49, 16), r"has the shape \[49, 16\], but its config\.json requires \[50, 16\]"),
        ("layers.1.mlp.up_proj.weight", (64, 15), r"has the shape \[64, 15\], but its .* requires \[64, 16\]"),
        ("norm.weight", None, r"has no parameter model\.norm\.weight"),
    ],
)
def test_parameters_have_the_shapes_of_the_config(
    name: str, size: tuple[int, ...] | None, message: str, tmp_path: Path
) -> None:
    weights = parameters(SHAPE)
    del weights[name]
    if size:
        weights[name] = torch.zeros(size)
    folder = checkpoint(tmp_path, LLAMA, **weights)
    with pytest.raises(InputError, match=message):
        check_shape(folder, SHAPE, 50)


def test_missing_parameters_and_files_are_named(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, LLAMA, **{"norm.weight": torch.ones(16)})
    with pytest.raises(InputError, match=r"has no parameter model\.embed_tokens\.weight: use another"):
        read_rows(folder, "embed_tokens.weight", 0, 4)
    with pytest.raises(InputError, match=r"has no parameter lm_head\.weight"):
        read_rows(folder, "lm_head.weight", 0, 4)
    index = {"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors"}}
    other = tmp_path / "sharded"
    other.mkdir()
    (other / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"sharded/model-00001-of-00002\.safetensors does not exist"):
        read_rows(str(other), "norm.weight", 0, 4)


@pytest.mark.parametrize(
    ("first", "rows", "found"),
    [(0, 10, 10), (0, 0, 0), (3, 2, 2), (9, 1, 1), (8, 4, 2), (10, 2, 0), (12, 3, 0), (0, 64, 10)],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_after_the_last_are_zero(first: int, rows: int, found: int, dtype: Any, tmp_path: Path) -> None:
    matrix, gains = torch.arange(30, dtype=dtype).view(10, 3) + 1, torch.arange(10, dtype=dtype) + 1
    folder = checkpoint(tmp_path, LLAMA, **{"embed_tokens.weight": matrix, "norm.weight": gains})
    for name, stored in (("embed_tokens.weight", matrix), ("norm.weight", gains)):
        values = read_rows(folder, name, first, rows)
        assert (values.dtype, values.shape) == (np.float32, (rows, *stored.shape[1:]))
        assert np.array_equal(values[:found], stored[first : first + found].float().numpy())
        assert not values[found:].any()


@pytest.mark.slow
@pytest.mark.parametrize("max_shard_size", ["1GB", "8KB"])
@pytest.mark.parametrize(
    ("kind", "config", "fields"),
    [
        ("Llama", {}, {}),
        ("Llama", {"tie_word_embeddings": False, "rope_theta": 5e5}, {"tie_embeddings": False, "rope_theta": 5e5}),
        ("Mistral", {"sliding_window": 5}, {"window": 5}),
        ("Qwen3", {"head_dim": 4}, {"qk_norm": True}),
        (
            "Qwen3",
            {"head_dim": 4, "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 0},
            {"qk_norm": True, "window": 5},
        ),
    ],
)
def test_model_of_transformers_has_the_same_loss(
    kind: str, config: dict[str, Any], fields: dict[str, Any], max_shard_size: str, tmp_path: Path
) -> None:
    transformers = pytest.importorskip("transformers")
    settings = {key: value for key, value in LLAMA.items() if key != "model_type"} | config
    theirs = getattr(transformers, f"{kind}ForCausalLM")(getattr(transformers, f"{kind}Config")(**settings))
    for weight in theirs.parameters():
        weight.data.normal_(1.0 if weight.ndim == 1 else 0.0, 0.4)
    theirs.save_pretrained(tmp_path, max_shard_size=max_shard_size)
    assert (tmp_path / "model.safetensors.index.json").exists() is (max_shard_size == "8KB")

    shape = SHAPE.model_copy(update=fields)
    check_shape(str(tmp_path), shape, 50)
    model = Decoder(shape, 50)
    for name, weight in model.named_parameters():
        weight.data.copy_(torch.from_numpy(read_rows(str(tmp_path), name, 0, len(weight))))
    tokens = torch.randint(0, 50, (3, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        loss = model(tokens, loss="sum") / (3 * 23)
        torch.testing.assert_close(loss, theirs(tokens, labels=tokens).loss, rtol=1e-5, atol=1e-5)

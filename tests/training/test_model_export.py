"""The exported folder: its files, and that ``transformers`` computes the same model from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from safetensors.torch import load_file  # noqa: E402

from gristmill.errors import InputError  # noqa: E402
from gristmill.tokenization.token_encoder import Encoder  # noqa: E402
from gristmill.tokenization.tokenizer_section import TokenizerSection  # noqa: E402
from gristmill.tokenization.train_bpe import train_bpe  # noqa: E402
from gristmill.training.llama_decoder import Decoder  # noqa: E402
from gristmill.training.model_export import export_model, model_config, tokenizer_config  # noqa: E402
from gristmill.training.model_section import ModelSection  # noqa: E402
from gristmill.training.process_group import ProcessGroup  # noqa: E402
from gristmill.training.run_folder import open_run_folder  # noqa: E402

SHAPE = ModelSection(dim=16, layers=3, heads=4, tie_embeddings=False)
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "tied": {"tie_embeddings": True},
    "grouped": {"kv_heads": 2},
    "theta-and-eps": {"rope_theta": 500_000.0, "norm_eps": 0.01},
    "window": {"window": 5, "kv_heads": 1},
    "qk-norm": {"qk_norm": True, "tie_embeddings": True},
    "qk-norm-and-window": {"qk_norm": True, "window": 5, "kv_heads": 2},
}
TEXT = "the mill grinds the grist, and the miller sells the flour; "


class Mix(NamedTuple):
    """What ``model_config`` reads from the training data."""

    vocab_size: int
    sequence_length: int = 24
    eos_id: int = 0


def decoder(shape: ModelSection, vocab_size: int) -> Any:
    """A model whose every weight matters: gains differ from one, and attention is far from uniform."""
    model = Decoder(shape, vocab_size)
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        weight.data.normal_(1.0 if weight.ndim == 1 else 0.0, 0.4, generator=generator)
    return model


def export(shape: ModelSection, vocab_size: int, root: Path, tokenizer: bytes | None = None) -> tuple[Any, Path]:
    model = decoder(shape, vocab_size)
    group = ProcessGroup(0, 1, torch.device("cpu"))
    with open_run_folder(str(root)) as folder:
        export_model(model, model_config(shape, Mix(vocab_size)), folder, group, tokenizer)
    return model, root / "model"


def small_tokenizer() -> str:
    return train_bpe([TEXT * 20], TokenizerSection(vocab_size=512))


@pytest.mark.parametrize(
    ("fields", "model_type"),
    [
        ({}, "llama"),
        ({"window": 8}, "mistral"),
        ({"qk_norm": True}, "qwen3"),
        ({"qk_norm": True, "window": 8}, "qwen3"),
    ],
)
def test_model_type(fields: dict[str, Any], model_type: str) -> None:
    config = model_config(SHAPE.model_copy(update=fields), Mix(50))
    assert config["model_type"] == model_type
    assert config["architectures"][0].lower() == f"{model_type}forcausallm"
    assert config.get("sliding_window") == fields.get("window")
    assert config.get("use_sliding_window") == (("window" in fields) if model_type == "qwen3" else None)


@pytest.mark.parametrize("tied", [True, False])
def test_weights_are_exported_without_padding(tied: bool, tmp_path: Path) -> None:
    model, folder = export(SHAPE.model_copy(update={"tie_embeddings": tied}), 50, tmp_path)
    weights = load_file(folder / "model.safetensors")
    names = {name: name if name == "lm_head.weight" else f"model.{name}" for name, _ in model.named_parameters()}
    assert weights.keys() == set(names.values())
    for name, weight in model.named_parameters():
        exported = weights[names[name]]
        assert exported.dtype == torch.float32
        assert torch.equal(exported, weight[:50] if len(weight) == 64 and "mlp" not in name else weight)
    assert ("lm_head.weight" in weights) is not tied
    assert (folder / "model.safetensors").stat().st_mode == (folder / "config.json").stat().st_mode
    assert {path.name for path in folder.iterdir()} == {"config.json", "generation_config.json", "model.safetensors"}


def test_only_the_main_process_writes(tmp_path: Path) -> None:
    with open_run_folder(str(tmp_path)) as folder:
        group = ProcessGroup(1, 2, torch.device("cpu"))
        export_model(decoder(SHAPE, 50), model_config(SHAPE, Mix(50)), folder, group, None)
    assert list(tmp_path.iterdir()) == []


DAMAGED = {
    "no tokenizer": b"{}",
    "no text": b"\xff",
    "deep": b"[" * 100_000,
    "without the token": b'{"model": {"vocab": {"a": 7}}}',
}


@pytest.mark.parametrize("tokenizer", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_tokenizer_is_refused_in_one_sentence(tokenizer: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^tokenizer\.json in the training's folder has no token \d+ \("):
        export(SHAPE, 512, tmp_path, tokenizer)


@pytest.mark.parametrize(
    "model",
    [
        {"model": {"vocab": [["a", 0.0], ["</s>", -1.0]]}},
        {"model": {"vocab": {"a": 0, "</s>": 1}}},
        {"model": {"vocab": {"a": 0}}, "added_tokens": [{"id": 1, "content": "</s>"}]},
    ],
)
def test_the_token_of_an_id(model: dict[str, object]) -> None:
    config = {"eos_token_id": 1, "max_position_embeddings": 8}
    assert tokenizer_config(config, json.dumps(model).encode())["eos_token"] == "</s>"


def test_tokenizer_files_name_the_end_of_text(tmp_path: Path) -> None:
    tokenizer = small_tokenizer()
    _, folder = export(SHAPE, 512, tmp_path, tokenizer.encode())
    assert (folder / "tokenizer.json").read_text() == tokenizer
    config = json.loads((folder / "tokenizer_config.json").read_bytes())
    assert {config[f"{name}_token"] for name in ("bos", "eos", "pad")} == {"<|endoftext|>"}
    assert config["model_max_length"] == 24
    generation = json.loads((folder / "generation_config.json").read_bytes())
    assert {generation[f"{name}_token_id"] for name in ("bos", "eos", "pad")} == {0}


@pytest.mark.parametrize("fields", VARIANTS.values(), ids=VARIANTS.keys())
def test_transformers_computes_the_same_logits_and_loss(fields: dict[str, Any], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model, folder = export(SHAPE.model_copy(update=fields), 50, tmp_path)
    tokens = torch.randint(0, 50, (3, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        theirs = transformers.AutoModelForCausalLM.from_pretrained(folder)(tokens, labels=tokens)
        logits, loss = model(tokens), model(tokens, loss="sum") / (3 * 23)
    torch.testing.assert_close(logits, theirs.logits, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(loss, theirs.loss, rtol=1e-5, atol=1e-5)
    assert logits.std() > 0.5  # the comparison is of values that differ


@pytest.mark.parametrize("fields", [{}, {"window": 5}, {"qk_norm": True}], ids=["llama", "mistral", "qwen3"])
def test_text_is_generated_in_three_lines(fields: dict[str, Any], tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    encoder = Encoder(small_tokenizer())
    _, folder = export(SHAPE.model_copy(update=fields), encoder.vocab_size, tmp_path, small_tokenizer().encode())

    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder)
    output = model.generate(**tokenizer("the miller", return_tensors="pt"), max_new_tokens=6)

    prompt = encoder.encode_batch(["the miller"]).tokens.tolist()
    assert output[0, : len(prompt)].tolist() == prompt
    assert len(output[0]) == len(prompt) + 6 or output[0, -1] == tokenizer.eos_token_id
    assert tokenizer.decode(output[0]).startswith("the miller")
    assert (tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id) == (0, 0, 0)
    sentence = "Don't  grind 12345 grains —\n\tnor  <|endoftext|>"
    ids = encoder.encode_batch([sentence.removesuffix("<|endoftext|>")]).tokens.tolist()
    assert tokenizer(sentence).input_ids == [*ids, 0]
    assert tokenizer.decode([*ids, 0]) == sentence

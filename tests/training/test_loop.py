"""A run in this process: it learns, it goes on where it was cut off, and its folder is its own."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from safetensors.numpy import load_file  # noqa: E402

from gristmill.errors import InputError, RunError  # noqa: E402
from gristmill.mixing.reader import MixedShards  # noqa: E402
from gristmill.training import loop  # noqa: E402
from gristmill.training.distributed import joined, sharded_model  # noqa: E402
from gristmill.training.journal import peak_flops  # noqa: E402
from gristmill.training.loop import adamw, train, train_step  # noqa: E402
from gristmill.training.train_section import ModelSection, TrainSection  # noqa: E402

SECTION = TrainSection(
    model=ModelSection(dim=16, layers=2, heads=4, kv_heads=2),
    batch_sequences=4,
    micro_batch=2,
    lr=0.02,
    warmup_steps=2,
    checkpoint_every=4,
    log_every=3,
)


class CutOffError(Exception):
    """Stands for whatever ends a run."""


def run(section: TrainSection, mix: str, out: Path, until: int | None = None) -> list[dict[str, Any]]:
    """Train; with ``until``, only to the first report after that step. The reports."""
    reports: list[dict[str, Any]] = []

    def report(row: dict[str, Any]) -> None:
        reports.append(row)
        if until is not None and row["step"] >= until:
            raise CutOffError

    train(section, MixedShards.open(mix), str(out), report)
    return reports


def outcome(out: Path) -> tuple[bytes, ...]:
    return tuple((out / name).read_bytes() for name in ("metrics.jsonl", "result.json", "model/model.safetensors"))


def checkpoints(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "checkpoints").iterdir())


def test_a_run_from_end_to_end(mix: str, tmp_path: Path) -> None:
    reports = run(SECTION, mix, tmp_path / "out")
    rows = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(20))
    assert [(row["sequences"], row["tokens"]) for row in rows] == [(4 * n, 68 * n) for n in range(1, 21)]
    assert [list(row) for row in rows] == [["step", "sequences", "tokens", "loss", "lr", "grad_norm"]] * 20
    assert rows[0]["loss"] == pytest.approx(np.log(32), rel=0.02)
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert [report["step"] for report in reports] == [2, 5, 8, 11, 14, 17, 19]
    assert all(report["steps"] == 20 and report["tokens_per_s"] > 0 for report in reports)
    assert rows[5].items() <= reports[1].items()
    result = json.loads((tmp_path / "out" / "result.json").read_bytes())
    losses = {"first_loss": rows[0]["loss"], "last_loss": rows[-1]["loss"]}
    assert result == {"steps": 20, "sequences": 80, "tokens": 1360, "parameters": 8272, **losses}
    assert checkpoints(tmp_path / "out") == ["step-00000016", "step-00000020"]


def test_a_run_that_was_cut_off_ends_as_one_that_was_not(mix: str, tmp_path: Path) -> None:
    run(SECTION, mix, tmp_path / "whole")
    with pytest.raises(CutOffError):
        run(SECTION, mix, tmp_path / "cut", until=0)  # before the first checkpoint
    assert not (tmp_path / "cut" / "checkpoints").exists()
    with pytest.raises(CutOffError):
        run(SECTION, mix, tmp_path / "cut", until=9)
    assert checkpoints(tmp_path / "cut") == ["step-00000004", "step-00000008"]
    with pytest.raises(CutOffError):
        run(SECTION, mix, tmp_path / "cut", until=15)
    reports = run(SECTION, mix, tmp_path / "cut")
    assert reports[0]["step"] == 17  # on from step 16
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
    assert run(SECTION, mix, tmp_path / "cut") == []  # nothing left to do
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


def test_half_a_checkpoint_and_half_a_line_are_as_good_as_none(mix: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(SECTION, mix, out)
    whole = outcome(out)
    (out / "checkpoints" / "step-00000020" / "complete.json").unlink()
    (out / "metrics.jsonl").write_bytes(whole[0][:-7])
    stale = out / "checkpoints" / "step-00000018"
    stale.mkdir()
    (stale / "__0_0.distcp").write_bytes(b"half")
    reports = run(SECTION, mix, out)
    assert reports[0]["step"] == 17
    assert outcome(out) == whole
    assert checkpoints(out) == ["step-00000016", "step-00000020"]


def test_metrics_that_end_before_the_checkpoint_are_refused(mix: str, tmp_path: Path) -> None:
    with pytest.raises(CutOffError):
        run(SECTION, mix, tmp_path, until=9)
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_bytes(b"".join(metrics.read_bytes().splitlines(keepends=True)[:7]))
    with pytest.raises(InputError, match="ends before the checkpoint at step 8: delete"):
        run(SECTION, mix, tmp_path)


def test_a_folder_belongs_to_one_section_and_one_mix(mix: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    short = SECTION.model_copy(update={"steps": 4})
    run(short, mix, out)
    run(short.model_copy(update={"log_every": 1, "checkpoint_every": 1}), mix, out)
    with pytest.raises(InputError, match="another train section or mix"):
        run(short.model_copy(update={"seed": 1}), mix, out)
    manifest = Path(mix, "manifest.json")
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(InputError, match="another train section or mix"):
        run(short, mix, out)


def test_two_runs_do_not_share_a_folder(mix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "PATIENCE", 1)
    with open(tmp_path / ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another run is at work"):
            run(SECTION, mix, tmp_path)


def test_a_loss_that_is_no_number_ends_the_run(mix: str, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"the loss of step \d+ is (nan|inf): lower train.lr"):
        run(SECTION.model_copy(update={"lr": 1e30, "warmup_steps": 0}), mix, tmp_path)


def test_a_wrong_number_of_processes_is_refused(mix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"started as 1 processes where train\.processes is 2"):
        run(SECTION.model_copy(update={"processes": 2}), mix, tmp_path)


def test_the_micro_batch_does_not_weigh_in(mix: str, tmp_path: Path) -> None:
    sequences = MixedShards.open(mix)
    tokens = torch.from_numpy(sequences.tokens(0, 4).astype(np.int64))

    def first_step(micro_batch: int) -> tuple[float, float]:
        section = SECTION.model_copy(update={"micro_batch": micro_batch})
        with joined(section) as world:
            model = sharded_model(section, sequences.vocab_size, world)
            return train_step(model, adamw(model, section, world), tokens, 1e-3, section, world)

    whole = first_step(4)
    assert first_step(1) == pytest.approx(whole, rel=1e-5)
    assert first_step(2) == pytest.approx(whole, rel=1e-5)


def test_gains_do_not_decay() -> None:
    with joined(SECTION) as world:
        model = sharded_model(SECTION, 32, world)
        decay = {
            id(w): group["weight_decay"] for group in adamw(model, SECTION, world).param_groups for w in group["params"]
        }
        assert {name: decay[id(weight)] for name, weight in model.named_parameters()} == {
            name: 0.0 if "norm" in name else 0.1 for name, _ in model.named_parameters()
        }


@pytest.mark.parametrize("tied", [True, False])
def test_the_exported_model_is_a_llama(mix: str, tmp_path: Path, tied: bool) -> None:
    """Its config and weights, in a LLaMA written in plain numpy, give the loss that the next step would have had."""
    shape = SECTION.model.model_copy(update={"tie_embeddings": tied})
    section = SECTION.model_copy(update={"model": shape, "steps": 6})
    run(section, mix, tmp_path)
    config = json.loads((tmp_path / "model" / "config.json").read_bytes())
    weights = load_file(tmp_path / "model" / "model.safetensors")
    tokens = MixedShards.open(mix).tokens(24, 4).astype(np.int64)
    logits = np.stack([plain_llama(config, weights, row[:-1]) for row in tokens])
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    loss = -np.take_along_axis(log_probabilities, tokens[:, 1:, None], -1).mean()
    with joined(section) as world:
        model = sharded_model(section, 32, world)
        loop.Checkpoints(str(tmp_path / "checkpoints"), 1, world).restore(model, adamw(model, section, world))
        assert loop.summed_loss(model, torch.from_numpy(tokens)).item() / 64 == pytest.approx(loss, rel=1e-5)


def plain_llama(config: dict[str, Any], weights: dict[str, Any], tokens: Any) -> Any:
    """Logits of shape (length, vocabulary), after Hugging Face's ``LlamaForCausalLM`` in float64."""

    def norm(x: Any, name: str) -> Any:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weights[f"{name}.weight"]

    def project(x: Any, name: str) -> Any:
        return x @ weights[f"{name}.weight"].T

    length, width = len(tokens), config["head_dim"]
    angles = np.outer(np.arange(length), config["rope_theta"] ** (-np.arange(0, width, 2) / width))
    angles = np.concatenate((angles, angles), -1)

    def turn(x: Any) -> Any:
        half = np.concatenate((-x[:, width // 2 :], x[:, : width // 2]), -1)
        return x * np.cos(angles) + half * np.sin(angles)

    x = weights["model.embed_tokens.weight"][tokens].astype(np.float64)
    for layer in range(config["num_hidden_layers"]):
        at = f"model.layers.{layer}"
        h = norm(x, f"{at}.input_layernorm")
        q, k, v = (project(h, f"{at}.self_attn.{n}_proj").reshape(length, -1, width) for n in "qkv")
        heads = []
        for head in range(config["num_attention_heads"]):
            shared = head * config["num_key_value_heads"] // config["num_attention_heads"]
            scores = turn(q[:, head]) @ turn(k[:, shared]).T / np.sqrt(width)
            scores[np.triu_indices(length, 1)] = -np.inf
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            heads.append(scores / scores.sum(-1, keepdims=True) @ v[:, shared])
        x = x + project(np.concatenate(heads, -1), f"{at}.self_attn.o_proj")
        h = norm(x, f"{at}.post_attention_layernorm")
        gate = project(h, f"{at}.mlp.gate_proj")
        x = x + project(gate / (1 + np.exp(-gate)) * project(h, f"{at}.mlp.up_proj"), f"{at}.mlp.down_proj")
    output = "model.embed_tokens" if config["tie_word_embeddings"] else "lm_head"
    return project(norm(x, "model.norm"), output)


@pytest.mark.parametrize(
    ("name", "peak"), [("NVIDIA H200", 989e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA GeForce GTX 1080", None)]
)
def test_peaks_of_gpus(name: str, peak: float | None) -> None:
    assert peak_flops(name) == peak

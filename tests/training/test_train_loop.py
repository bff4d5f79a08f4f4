"""A run in this process: it learns, resumes after an interruption, and claims its folder."""

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
from gristmill.mixing.mixed_shards import MixedShards  # noqa: E402
from gristmill.training import run_claim  # noqa: E402
from gristmill.training.checkpoints import Checkpoints  # noqa: E402
from gristmill.training.gpu_peaks import peak_flops  # noqa: E402
from gristmill.training.model_section import ModelSection  # noqa: E402
from gristmill.training.optimizer import build_optimizers  # noqa: E402
from gristmill.training.process_group import join_process_group  # noqa: E402
from gristmill.training.sharded_model import build_sharded_model, initialise  # noqa: E402
from gristmill.training.spike_guard import StepFigures  # noqa: E402
from gristmill.training.stop_signal import StopSignal  # noqa: E402
from gristmill.training.train_loop import train  # noqa: E402
from gristmill.training.train_section import ScheduleSection, TrainSection  # noqa: E402
from gristmill.training.train_step import compute_gradient  # noqa: E402
from tests.training.conftest import log_rows, losses  # noqa: E402

SECTION = TrainSection(
    model=ModelSection(dim=16, layers=2, heads=4, kv_heads=2),
    batch_sequences=4,
    micro_batch=2,
    lr=0.02,
    schedule=ScheduleSection(warmup_tokens=136),
    checkpoint_every=4,
    log_every=3,
)


class InterruptedRunError(Exception):
    """Raised by a test to interrupt a run."""


def run(section: TrainSection, mix: str, out: Path, until: int | None = None) -> list[dict[str, Any]]:
    """Train, only to the first report at or after the step ``until`` if given, and return the reports."""
    reports: list[dict[str, Any]] = []

    def report(row: dict[str, Any]) -> None:
        reports.append(row)
        if until is not None and row["step"] >= until:
            raise InterruptedRunError

    train(section, MixedShards.open(mix), str(out), report)
    return reports


def output_files(out: Path) -> tuple[bytes, ...]:
    return tuple((out / name).read_bytes() for name in ("metrics.jsonl", "result.json", "model/model.safetensors"))


def checkpoint_names(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "checkpoints").iterdir())


def test_a_run_from_end_to_end(mix: str, tmp_path: Path) -> None:
    reports = run(SECTION, mix, tmp_path / "out")
    rows = log_rows(tmp_path / "out")
    assert [row["step"] for row in rows] == list(range(20))
    assert [(row["sequences"], row["tokens"]) for row in rows] == [(4 * n, 68 * n) for n in range(1, 21)]
    assert [row["first_sequence"] for row in rows] == [4 * n for n in range(20)]
    assert all(row.keys() == rows[0].keys() for row in rows)
    assert rows[0]["loss"] == pytest.approx(np.log(32), rel=0.02)
    assert rows[-1]["loss"] < 0.7 * rows[0]["loss"]
    assert [report["step"] for report in reports] == [2, 5, 8, 11, 14, 17, 19]
    assert all(report["steps"] == 20 and report["tokens_per_s"] > 0 for report in reports)
    assert rows[5].items() <= reports[1].items()
    result = json.loads((tmp_path / "out" / "result.json").read_bytes())
    ends = {"first_loss": rows[0]["loss"], "last_loss": rows[-1]["loss"]}
    counts = {"planned_steps": 20, "steps": 20, "sequences": 80, "tokens": 1360, "skipped_sequences": 0}
    assert result == {**counts, "parameters": 8272, **ends}
    assert checkpoint_names(tmp_path / "out") == ["step-00000016", "step-00000020"]


def test_resumed_run_equals_an_uninterrupted_run(mix: str, tmp_path: Path) -> None:
    run(SECTION, mix, tmp_path / "whole")
    with pytest.raises(InterruptedRunError):
        run(SECTION, mix, tmp_path / "cut", until=0)  # before the first checkpoint
    assert not (tmp_path / "cut" / "checkpoints").exists()
    with pytest.raises(InterruptedRunError):
        run(SECTION, mix, tmp_path / "cut", until=9)
    assert checkpoint_names(tmp_path / "cut") == ["step-00000004", "step-00000008"]
    with pytest.raises(InterruptedRunError):
        run(SECTION, mix, tmp_path / "cut", until=15)
    reports = run(SECTION, mix, tmp_path / "cut")
    assert reports[0]["step"] == 17  # resumed from step 16
    assert output_files(tmp_path / "cut") == output_files(tmp_path / "whole")
    assert run(SECTION, mix, tmp_path / "cut") == []  # nothing left to do
    assert output_files(tmp_path / "cut") == output_files(tmp_path / "whole")


def test_incomplete_checkpoints_and_lines_are_ignored(mix: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(SECTION, mix, out)
    whole = output_files(out)
    (out / "checkpoints" / "step-00000020" / "complete.json").unlink()
    (out / "metrics.jsonl").write_bytes(whole[0][:-7])
    stale = out / "checkpoints" / "step-00000018"
    stale.mkdir()
    (stale / "__0_0.distcp").write_bytes(b"half")
    reports = run(SECTION, mix, out)
    assert reports[0]["step"] == 17
    assert output_files(out) == whole
    assert checkpoint_names(out) == ["step-00000016", "step-00000020"]


def test_missing_metrics_are_rejected(mix: str, tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        run(SECTION, mix, tmp_path, until=9)
    metrics = tmp_path / "metrics.jsonl"
    metrics.write_bytes(b"".join(metrics.read_bytes().splitlines(keepends=True)[:7]))
    with pytest.raises(InputError, match="ends before the checkpoint at step 8: delete"):
        run(SECTION, mix, tmp_path)


def test_folder_belongs_to_one_model_and_one_mix(mix: str, tmp_path: Path) -> None:
    """The error names what differs, and both values."""
    out = tmp_path / "out"
    short = SECTION.model_copy(update={"steps": 4})
    run(short, mix, out)
    run(short.model_copy(update={"log_every": 1, "checkpoint_every": 1}), mix, out)
    for field, value, message in (
        ("seed", 1, r"holds a run with train\.seed = 0, not 1: weights or data"),
        ("optimizer", "muon", r"with train\.optimizer = adamw, not muon: "),
        ("model", SECTION.model.model_copy(update={"layers": 3}), r"with train\.model\.layers = 2, not 3: "),
    ):
        with pytest.raises(InputError, match=message):
            run(short.model_copy(update={field: value}), mix, out)
    manifest = Path(mix, "manifest.json")
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(InputError, match=r"with mix = [0-9a-f]{64}, not [0-9a-f]{64}: "):
        run(short, mix, out)


def test_more_steps_and_other_settings_continue_a_run(mix: str, tmp_path: Path) -> None:
    """With a constant rate, another micro-batch and more steps only change the last digits of the losses."""
    steady = SECTION.model_copy(update={"schedule": ScheduleSection(shape="constant", warmup_tokens=0), "lr": 0.005})
    run(steady, mix, tmp_path / "whole")
    out = tmp_path / "out"
    run(steady.model_copy(update={"steps": 7}), mix, out)
    assert json.loads((out / "result.json").read_bytes())["steps"] == 7
    run(steady.model_copy(update={"steps": 12, "micro_batch": 1}), mix, out)
    run(steady.model_copy(update={"micro_batch": 4}), mix, out)
    assert losses(out) == pytest.approx(losses(tmp_path / "whole"), rel=1e-5)
    assert log_rows(out, "events.jsonl")[1:] == [
        {"event": "change", "step": 7, "changed": {"steps": [7, 12], "micro_batch": [2, 1]}},
        {"event": "change", "step": 12, "changed": {"steps": [12, None], "micro_batch": [1, 4]}},
    ]
    run(steady.model_copy(update={"steps": 5}), mix, out)  # fewer than it has: nothing to do
    assert json.loads((out / "result.json").read_bytes())["steps"] == 20


def test_a_lower_learning_rate_resumes_and_is_logged(mix: str, tmp_path: Path) -> None:
    run(SECTION.model_copy(update={"steps": 8}), mix, tmp_path)
    run(SECTION.model_copy(update={"lr": 0.002, "weight_decay": 0.0}), mix, tmp_path)
    rows = log_rows(tmp_path)
    assert len(rows) == 20
    assert max(row["lr"] for row in rows[:8]) == 0.02
    assert max(row["lr"] for row in rows[8:]) <= 0.002
    change = log_rows(tmp_path, "events.jsonl")[1]
    assert change["changed"] == {"steps": [8, None], "lr": [0.02, 0.002], "weight_decay": [0.1, 0.0]}


def test_a_batch_ramp_reads_every_sequence_once(mix: str, tmp_path: Path) -> None:
    ramp = SECTION.model_dump() | {"batch_ramp": [{"until_tokens": 100, "batch_sequences": 2}], "micro_batch": 1}
    run(TrainSection.model_validate(ramp), mix, tmp_path)
    rows = log_rows(tmp_path)
    assert [row["first_sequence"] for row in rows] == [0, 2, 4, *range(6, 78, 4)]
    assert [row["sequences"] for row in rows] == [2, 4, 6, *range(10, 79, 4)]


@pytest.mark.parametrize(("every", "kept"), [(None, [16, 20]), (8, [8, 16, 20])])
def test_latest_checkpoints_and_every_mth_are_kept(
    mix: str, tmp_path: Path, every: int | None, kept: list[int]
) -> None:
    run(SECTION.model_copy(update={"keep_every": every}), mix, tmp_path)
    assert checkpoint_names(tmp_path) == [f"step-{step:08}" for step in kept]


def test_two_runs_cannot_use_a_folder_at_the_same_time(
    mix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_claim, "LOCK_TIMEOUT_SECONDS", 1)
    with open(tmp_path / ".lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another run is using"):
            run(SECTION, mix, tmp_path)


def test_a_run_that_diverges_fails(mix: str, tmp_path: Path) -> None:
    section = SECTION.model_copy(update={"lr": 1e30, "schedule": ScheduleSection(warmup_tokens=0)})
    with pytest.raises(RunError, match=r"80 sequences were skipped, see .*: lower train\.lr"):
        run(section, mix, tmp_path)


def test_a_wrong_number_of_processes_is_rejected(mix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"started with 1 processes, but train\.processes is 2"):
        run(SECTION.model_copy(update={"processes": 2}), mix, tmp_path)


def test_micro_batch_size_does_not_change_the_gradient(mix: str) -> None:
    sequences = MixedShards.open(mix)
    tokens = torch.from_numpy(sequences.tokens(0, 4).astype(np.int64))

    def figures(micro_batch: int) -> StepFigures:
        section = SECTION.model_copy(update={"micro_batch": micro_batch})
        with join_process_group(section) as group:
            model = build_sharded_model(section, sequences.vocab_size, group)
            initialise(model, section)
            return compute_gradient(model, tokens, 4, section, group, StopSignal()).figures

    whole = figures(4)
    assert figures(1) == pytest.approx(whole, rel=1e-5)
    assert figures(2) == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_exported_model_is_a_llama(mix: str, tmp_path: Path, tied: bool) -> None:
    """Config and weights, in a LLaMA written in numpy, give the loss of the next step."""
    shape = SECTION.model.model_copy(update={"tie_embeddings": tied})
    section = SECTION.model_copy(update={"model": shape, "steps": 6})
    run(section, mix, tmp_path)
    config = json.loads((tmp_path / "model" / "config.json").read_bytes())
    weights = load_file(tmp_path / "model" / "model.safetensors")
    tokens = MixedShards.open(mix).tokens(24, 4).astype(np.int64)
    logits = np.stack([plain_llama(config, weights, row[:-1]) for row in tokens])
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    loss = -np.take_along_axis(log_probabilities, tokens[:, 1:, None], -1).mean()
    with join_process_group(section) as group:
        model = build_sharded_model(section, 32, group)
        checkpoints = Checkpoints(str(tmp_path / "checkpoints"), section, group)
        checkpoints.restore(model, build_optimizers(model, section), lambda step: None)
        assert model(torch.from_numpy(tokens), loss="sum").item() / 64 == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_a_run_continues_from_an_exported_model(mix: str, tmp_path: Path, tied: bool) -> None:
    """Its first loss is that of the exported model on the same batch."""
    shape = SECTION.model.model_copy(update={"tie_embeddings": tied})
    section = SECTION.model_copy(update={"model": shape, "steps": 6})
    run(section, mix, tmp_path / "first")
    run(section.model_copy(update={"initial_model": str(tmp_path / "first" / "model")}), mix, tmp_path / "second")
    config = json.loads((tmp_path / "first" / "model" / "config.json").read_bytes())
    weights = load_file(tmp_path / "first" / "model" / "model.safetensors")
    tokens = MixedShards.open(mix).tokens(0, 4).astype(np.int64)
    logits = np.stack([plain_llama(config, weights, row[:-1]) for row in tokens])
    log_probabilities = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    loss = -np.take_along_axis(log_probabilities, tokens[:, 1:, None], -1).mean()
    assert losses(tmp_path / "second")[0] == pytest.approx(loss, rel=1e-5)
    wider = {"initial_model": str(tmp_path / "first" / "model"), "model": shape.model_copy(update={"dim": 32})}
    with pytest.raises(InputError, match=r"has hidden_size 16, but train\.model\.dim requires 32"):
        run(section.model_copy(update=wider), mix, tmp_path / "third")


def plain_llama(config: dict[str, Any], weights: dict[str, Any], tokens: Any) -> Any:
    """Return logits, shape (length, vocabulary), as Hugging Face's ``LlamaForCausalLM`` does, in float64."""

    def norm(x: Any, name: str) -> Any:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weights[f"{name}.weight"]

    def project(x: Any, name: str) -> Any:
        return x @ weights[f"{name}.weight"].T

    length, width = len(tokens), config["head_dim"]
    angles = np.outer(np.arange(length), config["rope_theta"] ** (-np.arange(0, width, 2) / width))
    angles = np.concatenate((angles, angles), -1)

    def rotate(x: Any) -> Any:
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
            scores = rotate(q[:, head]) @ rotate(k[:, shared]).T / np.sqrt(width)
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
    ("name", "peak"),
    [
        ("NVIDIA H200", 989e12),
        ("NVIDIA H200 NVL", 835e12),
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 NVL", 835e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA H20", 148e12),
        ("NVIDIA A100-SXM4-80GB", 312e12),
        ("NVIDIA A100-PCIE-40GB", 312e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA A10", 125e12),
        ("NVIDIA GeForce GTX 1080", None),
    ],
)
def test_peak_flops_by_gpu_name(name: str, peak: float | None) -> None:
    assert peak_flops(name) == peak

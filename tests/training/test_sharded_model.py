"""The sharded model: initial weights in any layout, the collectives of a step, and what is compiled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from gristmill.training import sharded_model  # noqa: E402
from gristmill.training.initial_weights import initial_rows  # noqa: E402
from gristmill.training.model_section import ModelSection  # noqa: E402
from gristmill.training.process_group import ProcessGroup, join_process_group  # noqa: E402
from gristmill.training.sharded_model import (  # noqa: E402
    build_sharded_model,
    compilation_notice,
    initialise,
    is_compiled,
)
from gristmill.training.train_section import TrainSection  # noqa: E402

SECTION = TrainSection(model=ModelSection(dim=16, layers=2, heads=2), batch_sequences=8, micro_batch=2)
VOCABULARY = 100


@pytest.mark.parametrize(
    ("name", "deviation"),
    [("layers.0.mlp.up_proj.weight", 0.02), ("layers.0.mlp.down_proj.weight", 0.005), ("x.o_proj.weight", 0.005)],
)
def test_initial_weights_have_the_documented_deviation(name: str, deviation: float) -> None:
    assert initial_rows(name, 0, 8, 0, 200, 200).std() == pytest.approx(deviation, rel=0.02)
    assert abs(initial_rows(name, 0, 8, 0, 200, 200).mean()) < deviation / 50


def test_a_row_depends_on_seed_name_and_index_only() -> None:
    whole = initial_rows("a", 0, 2, 0, 10, 5)
    assert np.array_equal(initial_rows("a", 0, 2, 3, 4, 5), whole[3:7])
    assert initial_rows("a", 0, 2, 10, 0, 5).shape == (0, 5)
    assert not np.isin(initial_rows("a", 1, 2, 0, 10, 5), whole).any()
    assert not np.isin(initial_rows("b", 0, 2, 0, 10, 5), whole).any()
    assert len(np.unique(whole)) == whole.size


def test_gains_are_one_and_embeddings_have_padding_rows() -> None:
    with join_process_group(SECTION) as group:
        model = build_sharded_model(SECTION, VOCABULARY, group)
        initialise(model, SECTION)
        weights = {name: weight.full_tensor() for name, weight in model.named_parameters()}
    assert all((weight == 1).all() for name, weight in weights.items() if "norm" in name)
    assert weights["embed_tokens.weight"].shape == (128, 16)


@pytest.mark.parametrize(
    ("device", "wanted", "compiler", "compiled", "noticed"),
    [
        ("cpu", None, True, False, False),
        ("cpu", True, True, True, False),
        ("cpu", True, False, False, True),
        ("cuda", None, True, True, False),
        ("cuda", None, False, False, True),
        ("cuda", False, True, False, False),
    ],
)
def test_what_is_compiled(
    monkeypatch: pytest.MonkeyPatch, device: str, wanted: bool | None, compiler: bool, compiled: bool, noticed: bool
) -> None:
    monkeypatch.setattr(sharded_model.shutil, "which", lambda name: "/bin/g++" if compiler else None)
    group, section = ProcessGroup(0, 1, torch.device(device)), SECTION.model_copy(update={"compile": wanted})
    assert is_compiled(section, group) is compiled
    assert (compilation_notice(section, group) is not None) is noticed


COUNTER = """
import json, sys, torch
from collections import Counter
from torch.utils._python_dispatch import TorchDispatchMode
from gristmill.training.optimizer import build_optimizers
from gristmill.training.process_group import join_process_group
from gristmill.training.sharded_model import build_sharded_model, initialise
from gristmill.training.stop_signal import StopSignal
from gristmill.training.train_section import TrainSection
from gristmill.training.train_step import compute_gradient, take_step

class Collectives(TorchDispatchMode):
    # CommDebugMode counts these, too, but fails at the second forward pass (torch 2.13)

    counts = Counter()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.namespace in ("c10d", "_c10d_functional"):
            self.counts[function.overloadpacket.__name__] += 1
        return function(*args, **(kwargs or {}))

section = TrainSection.model_validate_json(sys.argv[1])
with join_process_group(section) as group:
    model = build_sharded_model(section, 100, group)
    initialise(model, section)
    optimizers = build_optimizers(model, section)
    sums = [weight.full_tensor().double().sum().item() for weight in model.parameters()]
    share = section.batch_sequences // section.processes
    tokens = (torch.arange(share * 9) + group.rank * share * 9).view(share, 9) % 100
    with Collectives() as collectives:
        figures = compute_gradient(model, tokens, section.batch_sequences, section, group, StopSignal()).figures
        take_step(optimizers)
    if group.is_main:
        print(json.dumps({"sums": sums, "loss": figures.loss, "norm": figures.norm, "counts": collectives.counts}))
"""


def one_step(tmp_path: Path, **fields: Any) -> dict[str, Any]:
    """Figures of one step in two processes (or as ``fields`` say)."""
    section = TrainSection.model_validate({**SECTION.model_dump(), "processes": 2, **fields})
    (tmp_path / "step.py").write_text(COUNTER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    command += [str(section.processes), str(tmp_path / "step.py"), section.model_dump_json(exclude={"launch"})]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, env={**os.environ, "PYTHONPATH": "."})
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.mark.slow
def test_collectives_of_a_step(tmp_path: Path) -> None:
    """Gradients are reduced once per FSDP unit, whatever the number of micro-batches; Muon adds two per shape."""
    few, many = (one_step(tmp_path, micro_batch=size, optimizer="muon")["counts"] for size in (4, 1))
    units, shapes = SECTION.model.layers + 1, 3
    for counts in (few, many):
        assert counts["_reduce_scatter_base_"] == units
        assert counts["alltoall_base_"] == 2 * shapes
        assert counts["allreduce_"] == 1  # the loss
    assert many["_allgather_base_"] == 4 * few["_allgather_base_"]


@pytest.mark.slow
def test_every_layout_has_the_same_weights_and_gradients(tmp_path: Path) -> None:
    one = one_step(tmp_path, processes=1)
    for layout in ({}, {"processes": 4, "replicas": 2}, {"reshard_after_forward": False}, {"optimizer": "muon"}):
        other = one_step(tmp_path, **layout)
        assert other["sums"] == pytest.approx(one["sums"], rel=1e-12)
        assert (other["loss"], other["norm"]) == pytest.approx((one["loss"], one["norm"]), rel=1e-5)

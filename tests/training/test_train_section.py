"""Derived shapes, and messages for shapes and batches that do not divide evenly."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gristmill.corpus.recipe_section import key_config
from gristmill.training.model_section import ModelSection
from gristmill.training.train_section import TrainSection


@pytest.mark.parametrize(
    ("fields", "ffn_dim", "head_dim", "key_value_heads"),
    [
        ({}, 384, 32, 4),
        ({"dim": 4096, "heads": 32, "layers": 32}, 11008, 128, 32),
        ({"dim": 4096, "heads": 32, "kv_heads": 8, "ffn_multiple": 3.5}, 14336, 128, 8),
        ({"dim": 64, "ffn_multiple": 1.0}, 64, 16, 4),
        ({"dim": 64, "ffn_multiple": 1.01}, 128, 16, 4),
    ],
)
def test_derived_shapes(fields: dict[str, Any], ffn_dim: int, head_dim: int, key_value_heads: int) -> None:
    shape = ModelSection(**fields)
    assert (shape.ffn_dim, shape.head_dim, shape.key_value_heads) == (ffn_dim, head_dim, key_value_heads)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"model": {"dim": 126}}, r"dim \(126\) must be an even multiple of heads \(4\)"),
        ({"model": {"dim": 12, "heads": 4}}, "even multiple"),
        ({"model": {"heads": 4, "kv_heads": 3}}, r"heads \(4\) must be a multiple of kv_heads \(3\)"),
        ({"model": {"width": 3}}, "Extra inputs"),
        ({"batch_sequences": 12, "micro_batch": 8}, r"batch_sequences \(12\) must be a multiple"),
        ({"batch_sequences": 16, "micro_batch": 8, "processes": 3}, r"\(3 × 8\)"),
        ({"lr": 0}, "greater than 0"),
        ({"lr": float("nan")}, "finite number"),
        ({"betas": (0.9, 1.0)}, "less than 1"),
        ({"steps": 0}, "greater than or equal to 1"),
        ({"processes": 2, "replicas": 2, "micro_batch": 8}, None),
        ({"processes": 2, "replicas": 3}, r"processes \(2\) must be a multiple of replicas \(3\)"),
        ({"batch_ramp": [{"until_tokens": 9, "batch_sequences": 8}]}, None),
        (
            {"batch_ramp": [{"until_tokens": 9, "batch_sequences": 12}]},
            r"batch_ramp\.0\.batch_sequences \(12\) must be a multiple of processes × micro_batch \(1 × 8\)",
        ),
        (
            {"batch_ramp": [{"until_tokens": 9, "batch_sequences": 8}, {"until_tokens": 9, "batch_sequences": 16}]},
            "until_tokens of batch_ramp must rise",
        ),
        ({"parameter_groups": [{"pattern": "("}]}, "not a regular expression: missing"),
        ({"guard": {"window": 7}}, "greater than or equal to 8"),
        ({"model": {"preset": "2B"}}, "Input should be '10M', '30M'"),
    ],
)
def test_invalid_section_is_rejected(fields: dict[str, Any], message: str | None) -> None:
    if message is None:
        TrainSection(**fields)
        return
    with pytest.raises(ValidationError, match=message):
        TrainSection(**fields)


@pytest.mark.parametrize(
    ("fields", "same"),
    [
        ({"steps": 7, "batch_sequences": 32, "micro_batch": 4, "processes": 2, "threads": 2}, True),
        ({"lr": 1.0, "schedule": {"shape": "wsd"}, "betas": (0.8, 0.9), "weight_decay": 0.0, "clip": 9.0}, True),
        ({"guard": None, "muon": {"momentum": 0.9}, "parameter_groups": [{"pattern": "norm"}]}, True),
        ({"checkpoint_every": 7, "keep_checkpoints": 5, "keep_every": 70, "log_every": 1, "compile": True}, True),
        ({"model": {"preset": None, "dim": 128}}, True),
        ({"model": {"dim": 64}}, False),
        ({"seed": 1}, False),
        ({"optimizer": "muon"}, False),
    ],
)
def test_a_run_is_identified_by_its_model_and_kind_of_optimizer(fields: dict[str, Any], same: bool) -> None:
    assert (key_config(TrainSection()) == key_config(TrainSection(**fields))) is same


def test_section_round_trips_through_json() -> None:
    section = TrainSection(steps=3, processes=2, model=ModelSection(kv_heads=2))
    assert TrainSection.model_validate_json(section.model_dump_json()) == section

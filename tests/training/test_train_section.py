"""Derived shapes, and messages for shapes and batches that do not divide evenly."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gristmill.corpus.recipe_section import key_config
from gristmill.training.train_section import ModelSection, TrainSection


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
    ],
)
def test_invalid_section_is_rejected(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TrainSection(**fields)


def test_runtime_settings_are_not_in_the_key() -> None:
    section = TrainSection()
    runtime = section.model_copy(update={"checkpoint_every": 7, "keep_checkpoints": 5, "log_every": 1})
    assert key_config(section) == key_config(runtime)
    assert key_config(section) != key_config(section.model_copy(update={"threads": 2}))


def test_section_round_trips_through_json() -> None:
    section = TrainSection(steps=3, processes=2, model=ModelSection(kv_heads=2))
    assert TrainSection.model_validate_json(section.model_dump_json()) == section

"""The recipe section ``train.model``: presets, what overrides them, and the shapes it rejects. Does not need torch."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from gristmill.corpus.recipe_section import key_config
from gristmill.training.model_section import PRESETS, ModelSection, PresetName
from gristmill.training.model_size import parameter_count

UNITS = {"M": 10**6, "B": 10**9}


def test_every_preset_has_a_shape() -> None:
    assert tuple(PRESETS) == get_args(PresetName)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_have_about_the_number_of_parameters_of_their_names(preset: str) -> None:
    shape = ModelSection.model_validate({"preset": preset})
    without_embeddings = parameter_count(shape, 0)
    assert without_embeddings == pytest.approx(float(preset[:-1]) * UNITS[preset[-1]], rel=0.15)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"preset": "30M"}, {"dim": 512, "layers": 10, "heads": 8}),
        ({"preset": "30M", "layers": 3}, {"dim": 512, "layers": 3, "heads": 8}),
        ({"preset": "30M", "heads": 4, "kv_heads": 2}, {"dim": 512, "layers": 10, "heads": 4, "kv_heads": 2}),
        ({"preset": "30M", "dim": 256, "layers": 1, "heads": 2}, {"dim": 256, "layers": 1, "heads": 2}),
        ({"preset": None}, {"dim": 128, "layers": 4, "heads": 4}),
        ({"preset": "30M", "window": 9, "qk_norm": True}, {"dim": 512, "window": 9, "qk_norm": True}),
    ],
)
def test_given_values_override_a_preset(values: dict[str, Any], expected: dict[str, Any]) -> None:
    shape = ModelSection.model_validate(values)
    assert shape.model_dump().items() >= expected.items()
    assert ModelSection.model_validate_json(shape.model_dump_json()) == shape


def test_a_preset_and_its_values_have_the_same_key() -> None:
    assert key_config(ModelSection(preset="30M")) == key_config(ModelSection(dim=512, layers=10, heads=8))
    assert key_config(ModelSection(preset="30M")) != key_config(ModelSection(preset="10M"))


@pytest.mark.parametrize(
    ("dim", "multiple", "hidden"), [(4096, 2.6875, 11_008), (4096, 3.5, 14_336), (64, 1, 64), (64, 1.001, 128)]
)
def test_feed_forward_width_is_rounded_up_to_a_multiple_of_64(dim: int, multiple: float, hidden: int) -> None:
    assert ModelSection(dim=dim, ffn_multiple=multiple).ffn_dim == hidden


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"preset": "31M"}, "Input should be '10M'"),
        ({"dim": 16, "heads": 3}, r"dim \(16\) must be an even multiple of heads \(3\)"),
        ({"dim": 12, "heads": 4}, r"dim \(12\) must be an even multiple of heads \(4\)"),
        ({"preset": "30M", "heads": 7}, r"dim \(512\) must be an even multiple of heads \(7\)"),
        ({"heads": 4, "kv_heads": 3}, r"heads \(4\) must be a multiple of kv_heads \(3\)"),
        ({"window": 0}, "greater than or equal to 1"),
        ({"norm_eps": 0}, "greater than 0"),
    ],
)
def test_invalid_shapes(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelSection.model_validate(values)

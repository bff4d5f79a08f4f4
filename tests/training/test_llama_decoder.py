"""The decoder: its size, the causal mask, rotary positions and initial weights."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from gristmill.training.llama_decoder import (  # noqa: E402
    Attention,
    Decoder,
    flops_per_token,
    initial_weights,
    parameter_count,
    rotary_table,
    rotate,
)
from gristmill.training.train_section import ModelSection  # noqa: E402

SHAPE = ModelSection(dim=16, layers=2, heads=4, kv_heads=2)
VOCABULARY = 32


def decoder(shape: ModelSection, seed: int = 0) -> Any:
    model = Decoder(shape, VOCABULARY)
    for number, (name, weight) in enumerate(model.named_parameters()):
        generator = torch.Generator().manual_seed(seed + number)
        weight.data.copy_(10 * initial_weights(name, weight.shape, shape.layers, generator))
    return model


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 32 * 16 + 2 * (4 * 16 * 16 + 3 * 16 * 64 + 2 * 16) + 16),
        ({"kv_heads": 1}, 32 * 16 + 2 * (2 * 16 * 16 + 2 * 16 * 4 + 3 * 16 * 64 + 2 * 16) + 16),
        ({"tie_embeddings": False}, 2 * 32 * 16 + 2 * (4 * 16 * 16 + 3 * 16 * 64 + 2 * 16) + 16),
        ({"layers": 1, "ffn_multiple": 5}, 32 * 16 + (4 * 16 * 16 + 3 * 16 * 128 + 2 * 16) + 16),
    ],
)
def test_parameter_count(fields: dict[str, Any], count: int) -> None:
    shape = ModelSection(**{"dim": 16, "layers": 2, "heads": 4, **fields})
    assert parameter_count(shape, VOCABULARY) == count
    assert sum(weight.numel() for weight in Decoder(shape, VOCABULARY).parameters()) == count


def test_parameter_counts_of_published_models() -> None:
    llama_7b = ModelSection(dim=4096, layers=32, heads=32, tie_embeddings=False)
    assert parameter_count(llama_7b, 32_000) == 6_738_415_616
    llama_3_8b = llama_7b.model_copy(update={"kv_heads": 8, "ffn_multiple": 3.5})
    assert parameter_count(llama_3_8b, 128_256) == 8_030_261_248


def test_flops_exclude_embedding_lookups() -> None:
    tied, untied = ModelSection(dim=16, heads=4), ModelSection(dim=16, heads=4, tie_embeddings=False)
    assert flops_per_token(tied, 32, 8) == flops_per_token(untied, 32, 8)
    assert flops_per_token(tied, 32, 8) == 6 * parameter_count(tied, 32) + 12 * 4 * 16 * 8


@pytest.mark.parametrize("changed", [0, 1, 5, 11])
def test_attention_is_causal(changed: int) -> None:
    model = decoder(SHAPE)
    tokens = torch.arange(12).unsqueeze(0)
    other = tokens.clone()
    other[0, changed] = 31
    before, after = model(tokens)[0], model(other)[0]
    assert torch.equal(before[:changed], after[:changed])
    assert all((before[position] - after[position]).abs().max() > 1e-6 for position in range(changed, 12))


def test_rotary_scores_depend_on_distance_only() -> None:
    table = rotary_table(64, 8, 10_000.0, "cpu")
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    rotated_query, rotated_key = (rotate(x.expand(64, 8), table) for x in (query, key))
    scores = rotated_query @ rotated_key.T
    for distance in (0, 1, 7, 40):
        assert torch.allclose(scores.diagonal(-distance), scores[distance, 0].expand(64 - distance), atol=1e-5)
    assert not torch.allclose(scores[1, 0], scores[0, 0])


def test_grouped_heads_equal_full_heads_with_repeated_keys() -> None:
    grouped, full = Attention(SHAPE), Attention(SHAPE.model_copy(update={"kv_heads": None}))
    for name in ("q_proj", "o_proj"):
        getattr(full, name).weight.data.copy_(getattr(grouped, name).weight)
    for name in ("k_proj", "v_proj"):
        shared = getattr(grouped, name).weight.unflatten(0, (2, 4)).repeat_interleave(2, dim=0).flatten(0, 1)
        getattr(full, name).weight.data.copy_(shared)
    x, rotation = torch.randn(3, 9, 16), rotary_table(9, 4, 10_000.0, "cpu")
    assert torch.allclose(grouped(x, rotation), full(x, rotation), atol=1e-6)


def test_initial_weights_have_the_documented_deviation() -> None:
    def deviation(name: str) -> float:
        return float(initial_weights(name, (200, 200), 8, torch.Generator().manual_seed(0)).std())

    assert torch.equal(initial_weights("norm.weight", (5,), 8, None), torch.ones(5))
    assert deviation("layers.0.mlp.up_proj.weight") == pytest.approx(0.02, rel=0.02)
    assert deviation("layers.0.mlp.down_proj.weight") == pytest.approx(0.005, rel=0.02)
    assert deviation("layers.0.self_attn.o_proj.weight") == pytest.approx(0.005, rel=0.02)

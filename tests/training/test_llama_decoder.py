"""The decoder: its size, its masks, rotary positions, its losses, padding, and what is computed again."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

import torch.nn.functional as F  # noqa: E402, N812
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from gristmill.training.llama_decoder import (  # noqa: E402
    Attention,
    Decoder,
    padded,
    rotary_table,
    rotate,
    window_mask,
)
from gristmill.training.model_section import ModelSection  # noqa: E402
from gristmill.training.model_size import causal_flops_per_token, flops_per_token, parameter_count  # noqa: E402

SHAPE = ModelSection(dim=16, layers=2, heads=4, kv_heads=2)
VOCABULARY = 32


def decoder(shape: ModelSection, vocab_size: int = VOCABULARY, **options: Any) -> Any:
    model = Decoder(shape, vocab_size, **options)
    generator = torch.Generator().manual_seed(0)
    for weight in model.parameters():
        weight.data.normal_(1.0 if weight.ndim == 1 else 0.0, 0.2, generator=generator)
    return model


def random_tokens(vocab_size: int = VOCABULARY, batch: int = 3, length: int = 12) -> Any:
    return torch.randint(0, vocab_size, (batch, length), generator=torch.Generator().manual_seed(1))


BLOCK = 4 * 16 * 16 + 3 * 16 * 64 + 2 * 16


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({}, 64 * 16 + 2 * BLOCK + 16),
        ({"kv_heads": 1}, 64 * 16 + 2 * (BLOCK - 2 * 16 * 12) + 16),
        ({"tie_embeddings": False}, 2 * 64 * 16 + 2 * BLOCK + 16),
        ({"layers": 1, "ffn_multiple": 5}, 64 * 16 + (BLOCK + 3 * 16 * 64) + 16),
        ({"qk_norm": True}, 64 * 16 + 2 * (BLOCK + 2 * 4) + 16),
        ({"window": 3}, 64 * 16 + 2 * BLOCK + 16),
    ],
)
def test_parameter_count(fields: dict[str, Any], count: int) -> None:
    shape = ModelSection(**{"dim": 16, "layers": 2, "heads": 4, **fields})
    assert parameter_count(shape, 64) == count
    assert sum(weight.numel() for weight in Decoder(shape, 64).parameters()) == count


def test_parameter_counts_of_published_models() -> None:
    llama_7b = ModelSection(dim=4096, layers=32, heads=32, tie_embeddings=False)
    assert parameter_count(llama_7b, 32_000) == 6_738_415_616
    llama_3_8b = llama_7b.model_copy(update={"kv_heads": 8, "ffn_multiple": 3.5})
    assert parameter_count(llama_3_8b, 128_256) == 8_030_261_248
    qwen3_8b = ModelSection(dim=4096, layers=36, heads=32, kv_heads=8, ffn_multiple=3, qk_norm=True)
    assert parameter_count(qwen3_8b.model_copy(update={"tie_embeddings": False}), 151_936) == 8_190_735_360


def test_flops_exclude_embedding_lookups() -> None:
    tied, untied = ModelSection(dim=16, heads=4), ModelSection(dim=16, heads=4, tie_embeddings=False)
    assert flops_per_token(tied, 32, 8) == flops_per_token(untied, 32, 8)
    assert flops_per_token(tied, 32, 8) == 6 * parameter_count(tied, 32) + 12 * 4 * 16 * 8


@pytest.mark.parametrize(
    ("window", "visible"),
    [(None, 36), (1, 8), (2, 15), (7, 35), (8, 36), (9, 36)],
)
def test_causal_flops_count_visible_positions(window: int | None, visible: int) -> None:
    """``visible`` is the number of pairs of positions of which one attends to the other, of eight positions."""
    shape = ModelSection(dim=16, heads=4, window=window)
    mask = window_mask(8, window, "cpu")
    assert visible == (36 if mask is None else mask.sum())
    attention = causal_flops_per_token(shape, 32, 8) - 6 * parameter_count(shape, 32)
    assert attention == 12 * 4 * 16 * visible / 8


@pytest.mark.parametrize("window", [None, 1, 3])
@pytest.mark.parametrize("changed", [0, 1, 5, 11])
def test_attention_is_causal_and_stays_in_its_window(changed: int, window: int | None) -> None:
    model = decoder(SHAPE.model_copy(update={"window": window}))
    tokens = torch.arange(12).unsqueeze(0)
    other = tokens.clone()
    other[0, changed] = 31
    difference = (model(tokens)[0] - model(other)[0]).abs().amax(1)
    reach = 12 if window is None else SHAPE.layers * (window - 1) + 1  # a layer reaches window - 1 positions further
    assert (difference > 1e-6).tolist() == [changed <= i < changed + reach for i in range(12)]


@pytest.mark.parametrize(
    ("window", "rows"),
    [
        (1, ["1000", "0100", "0010", "0001"]),
        (2, ["1000", "1100", "0110", "0011"]),
        (3, ["1000", "1100", "1110", "0111"]),
        (4, None),
        (5, None),
        (None, None),
    ],
)
def test_window_mask(window: int | None, rows: list[str] | None) -> None:
    mask = window_mask(4, window, "cpu")
    assert (None if mask is None else ["".join(map(str, row)) for row in mask.int().tolist()]) == rows


def test_rotary_scores_depend_on_distance_only() -> None:
    table = rotary_table(64, 8, 10_000.0, "cpu")
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    rotated_query, rotated_key = (rotate(x.expand(64, 8), table) for x in (query, key))
    scores = rotated_query @ rotated_key.T
    for distance in (0, 1, 7, 40):
        assert torch.allclose(scores.diagonal(-distance), scores[distance, 0].expand(64 - distance), atol=1e-5)
    assert not torch.allclose(scores[1, 0], scores[0, 0])


@pytest.mark.parametrize("window", [None, 3])
def test_grouped_heads_equal_full_heads_with_repeated_keys(window: int | None) -> None:
    grouped, full = Attention(SHAPE), Attention(SHAPE.model_copy(update={"kv_heads": None}))
    for name in ("q_proj", "o_proj"):
        getattr(full, name).weight.data.copy_(getattr(grouped, name).weight)
    for name in ("k_proj", "v_proj"):
        shared = getattr(grouped, name).weight.unflatten(0, (2, 4)).repeat_interleave(2, dim=0).flatten(0, 1)
        getattr(full, name).weight.data.copy_(shared)
    x, rotation, mask = torch.randn(3, 9, 16), rotary_table(9, 4, 10_000.0, "cpu"), window_mask(9, window, "cpu")
    assert torch.allclose(grouped(x, rotation, mask), full(x, rotation, mask), atol=1e-6)


def test_qk_norm_ignores_the_scale_of_queries_and_keys() -> None:
    attention = Attention(SHAPE.model_copy(update={"qk_norm": True, "norm_eps": 1e-12}))
    x, rotation = torch.randn(3, 9, 16), rotary_table(9, 4, 10_000.0, "cpu")
    before = attention(x, rotation)
    attention.q_proj.weight.data *= 5
    attention.k_proj.weight.data *= 3
    assert torch.allclose(attention(x, rotation), before, atol=1e-5)
    attention.q_norm.weight.data *= 5
    assert not torch.allclose(attention(x, rotation), before, atol=1e-3)


@pytest.mark.parametrize(("vocab_size", "rows"), [(1, 64), (63, 64), (64, 64), (65, 128), (50_257, 50_304)])
def test_embeddings_are_padded_to_a_multiple_of_64(vocab_size: int, rows: int) -> None:
    assert padded(vocab_size) == rows


@pytest.mark.parametrize("tied", [True, False])
def test_padding_has_no_effect_and_no_gradient(tied: bool) -> None:
    model, tokens = decoder(SHAPE.model_copy(update={"tie_embeddings": tied}), 50), random_tokens(50)
    loss, logits = model(tokens, loss="sum"), model(tokens)
    loss.backward()
    assert logits.shape == (3, 12, 50)
    embeddings = [weight for name, weight in model.named_parameters() if name.startswith(("embed_tokens", "lm_head"))]
    for weight in embeddings:
        assert len(weight) == 64
        assert not weight.grad[50:].any()
        weight.data[50:] = 1e6
    assert torch.equal(model(tokens), logits)
    assert torch.equal(model(tokens, loss="sum"), loss)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("length", [1, 2, 12])
def test_losses_are_those_of_the_logits(tied: bool, length: int) -> None:
    """Position i predicts token i + 1; the last has no target, but the model is given all tokens."""
    shape = SHAPE.model_copy(update={"tie_embeddings": tied})
    model, tokens = decoder(shape), random_tokens(length=length)
    wanted = F.cross_entropy(model(tokens)[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    losses = model(tokens, loss="tokens")
    torch.testing.assert_close(losses, wanted.view(3, length - 1).detach())
    assert not losses.requires_grad
    torch.testing.assert_close(model(tokens, loss="sum"), wanted.sum())


class OperationCounts(TorchDispatchMode):  # type: ignore[misc]
    """Counts the operations that run by name."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[operation._schema.name.removeprefix("aten::")] += 1
        return operation(*args, **(kwargs or {}))


def loss_and_gradients(model: Any, tokens: Any) -> tuple[Any, ...]:
    loss = model(tokens, loss="sum")
    return loss.detach(), *torch.autograd.grad(loss, list(model.parameters()))


VARIANTS = [{}, {"window": 5}, {"qk_norm": True, "tie_embeddings": False}]


@pytest.mark.parametrize("fields", VARIANTS)
@pytest.mark.parametrize("recompute", ["selective", "full"])
def test_recomputation_does_not_change_gradients(recompute: str, fields: dict[str, Any]) -> None:
    shape, tokens = SHAPE.model_copy(update=fields), random_tokens()
    plain = loss_and_gradients(decoder(shape), tokens)
    recomputed = loss_and_gradients(decoder(shape, recompute=recompute), tokens)
    assert all(map(torch.equal, plain, recomputed))
    names = [name for name, _ in Decoder(shape, VOCABULARY).named_parameters()]
    assert [name for name, _ in Decoder(shape, VOCABULARY, recompute).named_parameters()] == names


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize(
    ("recompute", "products", "attentions", "activations"),
    [("none", 0, 0, 0), ("selective", 0, 0, 1), ("full", 6, 1, 1)],  # the last product of a block is never needed
)
def test_what_a_block_computes_again(
    recompute: str, products: int, attentions: int, activations: int, window: int | None
) -> None:
    model = decoder(ModelSection(dim=16, layers=1, heads=4, window=window), recompute=recompute)
    x, rotation = torch.randn(3, 12, 16, requires_grad=True), rotary_table(12, 4, 10_000.0, "cpu")
    block, mask = model.layers[0], window_mask(12, window, "cpu")
    with OperationCounts() as forward:
        loss = block(x, rotation, mask).sum()
    with OperationCounts() as backward:
        loss.backward()
    attention = "_scaled_dot_product_flash_attention_for_cpu"
    assert (forward.counts["mm"], forward.counts[attention], forward.counts["silu"]) == (7, 1, 1)
    assert backward.counts["mm"] - 14 == products  # two gradients of each product
    assert backward.counts[attention] == attentions
    assert backward.counts["silu"] == activations


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.parametrize(
    ("recompute", "fields"),
    [("none", VARIANTS[1]), ("selective", VARIANTS[0]), ("selective", VARIANTS[1]), ("full", VARIANTS[2])],
)
def test_compiled_blocks_have_the_same_gradients(recompute: str, fields: dict[str, Any]) -> None:
    """``fullgraph`` raises an error at a graph break; all blocks share one graph."""
    shape, tokens = SHAPE.model_copy(update=fields), random_tokens()
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    model = decoder(shape, recompute=recompute)
    for block in model.layers:
        block.compile(fullgraph=True)
    compiled = loss_and_gradients(model, tokens)
    for mine, other in zip(compiled, loss_and_gradients(decoder(shape), tokens), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1

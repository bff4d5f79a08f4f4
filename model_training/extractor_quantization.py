"""Quantization of the trained network to the integers that ``gristmill.extraction.learned.block_network`` reads.

Weights are rounded as finely as exact sums in float32 allow: for no input can a sum of products reach 2^24. Activations
become integers in units such that the largest activation on real pages is ``MAX_ACTIVATION``. Layers whose outputs are
added share their units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from gristmill.corpus.arrays import Float32s, Float64s
from gristmill.extraction.learned.block_features import LEVELS
from gristmill.extraction.learned.block_network import (
    MAX_ACTIVATION,
    MAX_WORD_SUM,
    MEAN_LEVELS,
    NEAR_OFFSETS,
    PROBABILITY_SCALE,
    WIDE_OFFSETS,
    WORD_LEVELS,
)
from model_training.extractor_net import EncodedExample, Net, Vocabularies, batch_of

LOGIT_FACTOR = 0.7
"""Logits are multiplied by this: training on soft F1 makes them overconfident (tuned by cross-validation)."""

_EXACT = 2**24
_STEPS_PER_LOGIT = 64
_ODDS_ENTRIES = 2048
_ACTIVATION_QUANTILE = 0.9999
_WORD_SUM_QUANTILE = 0.98


def quantize(net: Net, words: Vocabularies, pages: Sequence[EncodedExample]) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a model file. ``pages`` calibrate the range of activations."""
    state = {name: value.detach().numpy().astype(np.float64) for name, value in net.state_dict().items()}
    activations = _activations(net, pages)
    center, spread = state["norm.running_mean"], np.sqrt(state["norm.running_var"] + net.norm.eps)
    low, high = np.ceil(center - 4 * spread), np.floor(center + 4 * spread)
    arrays: dict[str, npt.NDArray[Any]] = {"low": low.astype(np.int16), "high": high.astype(np.int16)}

    tables = {}
    for name in ("elements", "leads", "pages"):
        largest = np.quantile([np.abs(page).max() for page in activations[name]], _WORD_SUM_QUANTILE)
        tables[name] = largest / MAX_WORD_SUM
        rows = np.rint(state[f"{name}.weight"][1:] / tables[name])
        arrays[f"{name}.rows"] = np.clip(rows, -MAX_WORD_SUM, MAX_WORD_SUM).astype(np.int16)
        arrays[f"{name}.words"] = np.frombuffer("\n".join(sorted(words[name])).encode(), np.uint8)
    tags = np.stack([state[f"tags.{level}.weight"] for level in range(LEVELS)])
    tag_unit = np.abs(tags).max() / 127
    arrays["tags"] = np.rint(tags / tag_unit).astype(np.int8)

    together = _units(*(activations[name] for name in ("alone", "near", "tree", "wide")))
    page, join = _units(activations["page"]), _units(activations["join"])
    width, clue = len(together), net.elements.embedding_dim

    def add(name: str, inputs: Sequence[tuple[int | Float64s, float | Float64s, int]], outputs: Float64s) -> None:
        """Add a layer; ``inputs`` are, for each group, the largest integer, the unit, and the number of inputs."""
        largest_input, unit = (
            np.concatenate([np.broadcast_to(group[i], group[2]) for group in inputs]) for i in (0, 1)
        )
        arrays.update(_layer(name, state, largest_input.astype(np.float64), unit, outputs))

    state["alone.bias"] -= state["alone.weight"][:, : len(low)] @ (center / spread)
    add(
        "alone",
        [
            (np.maximum(np.abs(low), np.abs(high)), 1 / spread, len(low)),
            (MAX_WORD_SUM, tables["elements"], (WORD_LEVELS + 1) * clue),
            (MAX_WORD_SUM, tables["leads"], clue),
            (MAX_WORD_SUM, tables["pages"], net.pages.embedding_dim),
            (127, tag_unit, tags.shape[2] * LEVELS),
        ],
        together,
    )
    for name, layers, steps in (("near", 1, NEAR_OFFSETS), ("tree", 2, MEAN_LEVELS), ("wide", 3, WIDE_OFFSETS)):
        add(name, [(layers * MAX_ACTIVATION, together, width)] * len(steps), together)
    every = (4 * MAX_ACTIVATION, together, width)
    add("page", [every, every, (MAX_WORD_SUM, tables["pages"], net.pages.embedding_dim)], page)
    add("join", [(MAX_ACTIVATION, together, width), every, (MAX_ACTIVATION, page, width)], join)
    state["last.weight"], state["last.bias"] = state["last.weight"][:1], state["last.bias"][:1]
    add("last", [(MAX_ACTIVATION, join, width)], np.array([1 / _STEPS_PER_LOGIT]))
    logits = (np.arange(_ODDS_ENTRIES) - _ODDS_ENTRIES // 2) / _STEPS_PER_LOGIT
    arrays["odds"] = np.rint(PROBABILITY_SCALE / (1 + np.exp(-LOGIT_FACTOR * logits))).astype(np.int16)
    return arrays


def _layer(
    name: str, state: dict[str, Float64s], largest_input: Float64s, unit: Float64s, outputs: Float64s
) -> Iterator[Any]:
    """Yield the integer weights, the bias and the scale; ``largest_input`` and ``unit`` are those of the inputs."""
    weights, bias = state[f"{name}.weight"] * unit, state[f"{name}.bias"]
    largest = np.abs(weights) @ largest_input + np.abs(bias)
    step = np.maximum(largest / (0.98 * _EXACT), np.abs(weights).max(1) / 32767)
    whole, whole_bias = np.rint(weights / step[:, None]), np.rint(bias / step)
    if (np.abs(whole) @ largest_input + np.abs(whole_bias)).max() >= _EXACT:
        raise ArithmeticError(f"sums of the layer {name} may be inexact: reduce the range of its weights")
    yield f"{name}.weights", whole.T.astype(np.int16)
    yield f"{name}.bias", whole_bias.astype(np.int32)
    yield f"{name}.scale", (step / outputs).astype(np.float32)


def _activations(net: Net, pages: Sequence[EncodedExample]) -> dict[str, list[Float32s]]:
    with torch.no_grad():
        by_page = [net.activations(batch_of([page])) for page in pages]
    return {name: [one[name].numpy() for one in by_page] for name in by_page[0]}


def _units(*layers: list[Float32s]) -> Float64s:
    """Return the unit of each channel: the real value of the integer 1."""
    largest = np.maximum.reduce([np.quantile(np.concatenate(layer), _ACTIVATION_QUANTILE, axis=0) for layer in layers])
    return np.asarray(np.maximum(largest, 1e-3) / MAX_ACTIVATION)

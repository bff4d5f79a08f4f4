"""From the trained network to whole numbers, as ``gristmill.extraction.learned.network`` reads them.

Weights are rounded as finely as exact sums in float32 allow: for no input can a sum of products reach 2^24. What a
layer gives becomes whole numbers of units, of which the largest activation seen on real pages is ``MAX_ACTIVATION``.
Layers whose outputs are added share their units.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from extractor_net import Coded, Net, Vocabularies, batch_of

from gristmill.extraction.learned.features import LEVELS
from gristmill.extraction.learned.network import (
    CERTAIN,
    CLOSE,
    MAX_ACTIVATION,
    MAX_CLUES,
    MEANS,
    NEAR,
    WIDE,
)

Values = npt.NDArray[np.float64]

COOLED = 0.7
"""What logits are multiplied by: training on soft F1 makes them too sure (tuned on cross-validation)."""

_EXACT = 2**24
_PER_LOGIT = 64
_PLACES = 2048
_SURE = 0.9999
_USUAL = 0.98


def whole_numbers(net: Net, words: Vocabularies, pages: Sequence[Coded]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a model file. ``pages`` tell how large activations get."""
    state = {name: value.detach().numpy().astype(np.float64) for name, value in net.state_dict().items()}
    seen = _seen(net, pages)
    center, spread = state["norm.running_mean"], np.sqrt(state["norm.running_var"] + net.norm.eps)
    low, high = np.ceil(center - 4 * spread), np.floor(center + 4 * spread)
    arrays: dict[str, npt.NDArray[Any]] = {"low": low.astype(np.int16), "high": high.astype(np.int16)}

    tables = {}
    for name in ("elements", "leads", "pages"):
        largest = np.quantile([np.abs(page).max() for page in seen[name]], _USUAL)
        tables[name] = largest / MAX_CLUES
        rows = np.rint(state[f"{name}.weight"][1:] / tables[name])
        arrays[f"{name}.rows"] = np.clip(rows, -MAX_CLUES, MAX_CLUES).astype(np.int16)
        arrays[f"{name}.words"] = np.frombuffer("\n".join(sorted(words[name])).encode(), np.uint8)
    tags = np.stack([state[f"tags.{level}.weight"] for level in range(LEVELS)])
    tag_unit = np.abs(tags).max() / 127
    arrays["tags"] = np.rint(tags / tag_unit).astype(np.int8)

    together = _units(*(seen[name] for name in ("alone", "near", "tree", "wide")))
    page, join = _units(seen["page"]), _units(seen["join"])
    width, clue = len(together), net.elements.embedding_dim

    def add(name: str, inputs: Sequence[tuple[int | Values, float | Values, int]], outputs: Values) -> None:
        """``inputs``: of each group, the largest whole number, the unit, and how many there are."""
        most, unit = (np.concatenate([np.broadcast_to(group[i], group[2]) for group in inputs]) for i in (0, 1))
        arrays.update(_layer(name, state, most.astype(np.float64), unit, outputs))

    state["alone.bias"] -= state["alone.weight"][:, : len(low)] @ (center / spread)
    add(
        "alone",
        [
            (np.maximum(np.abs(low), np.abs(high)), 1 / spread, len(low)),
            (MAX_CLUES, tables["elements"], (CLOSE + 1) * clue),
            (MAX_CLUES, tables["leads"], clue),
            (MAX_CLUES, tables["pages"], net.pages.embedding_dim),
            (127, tag_unit, tags.shape[2] * LEVELS),
        ],
        together,
    )
    for name, layers, steps in (("near", 1, NEAR), ("tree", 2, MEANS), ("wide", 3, WIDE)):
        add(name, [(layers * MAX_ACTIVATION, together, width)] * len(steps), together)
    every = (4 * MAX_ACTIVATION, together, width)
    add("page", [every, every, (MAX_CLUES, tables["pages"], net.pages.embedding_dim)], page)
    add("join", [(MAX_ACTIVATION, together, width), every, (MAX_ACTIVATION, page, width)], join)
    state["last.weight"], state["last.bias"] = state["last.weight"][:1], state["last.bias"][:1]
    add("last", [(MAX_ACTIVATION, join, width)], np.array([1 / _PER_LOGIT]))
    logits = (np.arange(_PLACES) - _PLACES // 2) / _PER_LOGIT
    arrays["odds"] = np.rint(CERTAIN / (1 + np.exp(-COOLED * logits))).astype(np.int16)
    return arrays


def _layer(name: str, state: dict[str, Values], most: Values, unit: Values, outputs: Values) -> Iterator[Any]:
    """A layer's weights, bias and scale, from those for real inputs; ``most`` and ``unit`` are of its whole ones."""
    weights, bias = state[f"{name}.weight"] * unit, state[f"{name}.bias"]
    largest = np.abs(weights) @ most + np.abs(bias)
    step = np.maximum(largest / (0.98 * _EXACT), np.abs(weights).max(1) / 32767)
    whole, whole_bias = np.rint(weights / step[:, None]), np.rint(bias / step)
    if (np.abs(whole) @ most + np.abs(whole_bias)).max() >= _EXACT:
        raise ArithmeticError(f"sums of the layer {name} may not be exact")
    yield f"{name}.weights", whole.T.astype(np.int16)
    yield f"{name}.bias", whole_bias.astype(np.int32)
    yield f"{name}.scale", (step / outputs).astype(np.float32)


def _seen(net: Net, pages: Sequence[Coded]) -> dict[str, list[npt.NDArray[np.float32]]]:
    with torch.no_grad():
        seen = [net.activations(batch_of([page])) for page in pages]
    return {name: [one[name].numpy() for one in seen] for name in seen[0]}


def _units(*layers: list[npt.NDArray[np.float32]]) -> Values:
    """Of each channel, what one whole number is worth."""
    most = np.maximum.reduce([np.quantile(np.concatenate(layer), _SURE, axis=0) for layer in layers])
    return np.maximum(most, 1e-3) / MAX_ACTIVATION

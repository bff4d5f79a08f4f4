"""Model cards: JSON beside a model that says what it was trained on and how accurate it is.

The card of ``quality.ftz`` is ``quality.ftz.json``. It identifies data by sha256 and contains no path, time or host. It
holds percentiles of the scores of a reference set, which turn the share of documents to keep into a threshold, so
thresholds never depend on the corpus that is judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.keys import pretty_json

_HUGE = 1e300


def card_url(model: str) -> str:
    """The URL of the card of the model at ``model``."""
    return f"{model}.json"


def write_card(model: str, card: Mapping[str, Any]) -> None:
    """Write the card of the model at ``model``."""
    storage.replace(card_url(model), pretty_json(card))


def read_card(model: str) -> dict[str, Any]:
    """The card of the model at ``model``. Raises InputError if it is missing or damaged."""
    try:
        card = json.loads(storage.read_bytes(card_url(model)))
    except FileNotFoundError:
        raise InputError(
            f"{model} has no card {card_url(model)}: train it with `gristmill classifier`, which writes one"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{card_url(model)} is damaged: {error}; train the model again") from None
    if not isinstance(card, dict):
        raise InputError(f"{card_url(model)} is damaged: it is not a JSON object; train the model again")
    return card


def read_percentiles(model: str) -> Sequence[float] | None:
    """The 101 percentiles of the reference set in a model's card; None if there is no card or no reference set."""
    if not storage.exists(card_url(model)):
        return None
    reference = read_card(model).get("reference") or {}
    points = reference.get("percentiles") if isinstance(reference, dict) else "damaged"
    if not points:
        return None
    if not isinstance(points, list) or not all(isinstance(p, int | float) and abs(p) < _HUGE for p in points):
        raise InputError(f"{card_url(model)} is damaged: the percentiles are not numbers; train the model again")
    return points

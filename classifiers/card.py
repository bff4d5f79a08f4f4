"""A model's card: what it was made of and how well it does, as JSON beside the model.

The card of ``quality.ftz`` is ``quality.ftz.json``. It names data by sha256 and holds no path, time or host; the
percentiles of a reference set in it are what a target keep-share is turned into a threshold by, so that a threshold
never comes from the corpus that is judged.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.keys import pretty


def card_url(model: str) -> str:
    """Where the card of the model at ``model`` is."""
    return f"{model}.json"


def write_card(model: str, card: Mapping[str, Any]) -> None:
    """Write the card of the model at ``model``."""
    storage.replace(card_url(model), pretty(card))


def read_card(model: str) -> dict[str, Any]:
    """The card of the model at ``model``. Raises InputError where it is missing or damaged."""
    try:
        card = json.loads(storage.read_bytes(card_url(model)))
    except FileNotFoundError:
        raise InputError(f"{model} has no card {card_url(model)}: train it with gristmill, which writes one") from None
    except ValueError as error:
        raise InputError(f"{card_url(model)} is damaged: {error}; train the model again") from None
    if not isinstance(card, dict):
        raise InputError(f"{card_url(model)} is damaged: it is no JSON object; train the model again")
    return card


def read_percentiles(model: str) -> Sequence[float] | None:
    """The 101 percentiles of the reference in the card of a model; None without a card, or where it has none."""
    if not storage.exists(card_url(model)):
        return None
    points = read_card(model).get("reference", {}).get("percentiles")
    return list(points) if points else None

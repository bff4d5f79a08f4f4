"""Heartbeats: small files that say how far each attempt at a unit has come.

They feed progress bars, and they reveal wasted attempts: an attempt whose receipt wins removes its heartbeat, so the
heartbeats that remain at the end belong to attempts that failed or came second. No output depends on them.
"""

from __future__ import annotations

import json
import re
import uuid
from collections import defaultdict
from typing import Any, NamedTuple

from gristmill.store import storage
from gristmill.store.keys import pretty_json

PROGRESS = "progress"
"""The folder of heartbeats in a stage's directory."""

_ID_DIGITS = 16
_OF_ATTEMPT = re.compile(rf"\.[0-9a-f]{{{_ID_DIGITS}}}\.json$")


class Heartbeats(NamedTuple):
    """The heartbeats in the stage directory at ``stage_url``."""

    stage_url: str

    def write(self, unit: str, documents: int, note: str = "", attempt: str = "") -> None:
        """Replace the heartbeat of an attempt; without ``attempt``, that of the unit as a whole."""
        storage.replace(self._url(unit, attempt), pretty_json({"documents": documents, "note": note}))

    def remove(self, unit: str, attempt: str) -> None:
        storage.remove([self._url(unit, attempt)])

    def by_unit(self) -> dict[str, list[str]]:
        """The URLs of all heartbeats, of running and of wasted attempts, by unit."""
        folder = storage.join(self.stage_url, PROGRESS)
        urls: dict[str, list[str]] = defaultdict(list)
        for name in sorted(storage.listing(folder)):
            urls[name.split(".")[0]].append(storage.join(folder, name))
        return urls

    def unfinished(self) -> list[str]:
        """The URLs of the heartbeats of attempts without a receipt; once the stage is done, all of them were wasted."""
        return [url for urls in self.by_unit().values() for url in urls if _OF_ATTEMPT.search(url)]

    def _url(self, unit: str, attempt: str) -> str:
        return storage.join(self.stage_url, PROGRESS, f"{unit}.{attempt}.json" if attempt else f"{unit}.json")


def new_attempt_id() -> str:
    """A random id that tells the attempts at one unit apart."""
    return uuid.uuid4().hex[:_ID_DIGITS]


def read_heartbeat(url: str) -> dict[str, Any]:
    """``{"documents": processed so far, "note": text for the progress bar}``."""
    return json.loads(storage.read_bytes(url))  # type: ignore[no-any-return]

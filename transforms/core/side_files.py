"""What a launcher sends to workers beside the job graph: as files in the stage's directory.

A job graph must stay small (Dataflow takes 10 MB) while a crawl has hundreds of thousands of units, so neither tasks
nor lists of files are in it, only the addresses of parcels. A parcel is a pickle: like the graph itself it is trusted,
so a work directory must be writable only to those who may run code on the workers.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from gristmill.store import storage
from gristmill.store.stage_directory import HASH_DIGITS, StageDirectory

FOLDER = "parcels"
_ITEMS = 1000


class SideFile(NamedTuple):
    """The address of a value; ``open`` fetches it once in each process."""

    url: str

    def open(self) -> Any:
        return _fetched(self.url)


def stage_side_file(stage: StageDirectory, value: Any) -> SideFile:
    """Put ``value`` where all workers see it, until the stage is done."""
    data = pickle.dumps(value)
    url = storage.join(stage.url, FOLDER, f"{sha256(data).hexdigest()[:HASH_DIGITS]}.pickle")
    storage.replace(url, data)
    return SideFile(url)


def stage_side_files(stage: StageDirectory, items: Sequence[Any]) -> list[SideFile]:
    """Parcels of at most a thousand of ``items`` each, in their order."""
    return [stage_side_file(stage, items[start : start + _ITEMS]) for start in range(0, len(items), _ITEMS)]


@lru_cache(maxsize=8)
def _fetched(url: str) -> Any:
    return pickle.loads(storage.read_bytes(url))

"""Side files: values that the launcher passes to workers as files in the stage's directory.

A job graph must be small (Dataflow accepts 10 MB), and a crawl has hundreds of thousands of units. So the graph holds
the URLs of side files rather than tasks or lists of files. A side file is a pickle, and trusted like the graph itself:
only those who may run code on the workers may have write access to a work directory.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from gristmill.store import storage
from gristmill.store.attempts import HASH_DIGITS
from gristmill.store.stage_directory import StageDirectory

FOLDER = "parcels"
_ITEMS_PER_FILE = 1000


class SideFile(NamedTuple):
    """The URL of a pickled value; ``open`` fetches it once per process."""

    url: str

    def open(self) -> Any:
        return _fetch(self.url)


def stage_side_file(stage: StageDirectory, value: Any) -> SideFile:
    """Write ``value`` to a side file that all workers can read until the stage is complete."""
    data = pickle.dumps(value)
    url = storage.join(stage.url, FOLDER, f"{sha256(data).hexdigest()[:HASH_DIGITS]}.pickle")
    storage.replace(url, data)
    return SideFile(url)


def stage_side_files(stage: StageDirectory, items: Sequence[Any]) -> list[SideFile]:
    """Write ``items`` to side files of at most a thousand items each, in order."""
    starts = range(0, len(items), _ITEMS_PER_FILE)
    return [stage_side_file(stage, items[start : start + _ITEMS_PER_FILE]) for start in starts]


@lru_cache(maxsize=8)
def _fetch(url: str) -> Any:
    return pickle.loads(storage.read_bytes(url))

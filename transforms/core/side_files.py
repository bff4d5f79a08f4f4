"""Side files: values that the launcher passes to workers as files in the stage's directory.

A job graph must be small (Dataflow accepts 10 MB), and a crawl has hundreds of thousands of units. So the graph holds
the URLs of side files rather than tasks or lists of files. A side file is a pickle, which may run code. So the graph
also holds its sha256, and a file that somebody else has written is not opened.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

from gristmill.errors import RunError
from gristmill.store import storage
from gristmill.store.attempts import HASH_DIGITS
from gristmill.store.stage_directory import StageDirectory

FOLDER = "parcels"
_ITEMS_PER_FILE = 1000


class SideFile(NamedTuple):
    """The URL and the sha256 of a pickled value."""

    url: str
    sha256: str

    def open(self) -> Any:
        """Return the value, which is fetched once per process. Raises RunError if the file was changed."""
        return _fetch(self)


def stage_side_file(stage: StageDirectory, value: Any) -> SideFile:
    """Write ``value`` to a side file that all workers can read until the stage is complete."""
    data = pickle.dumps(value)
    digest = sha256(data).hexdigest()
    url = storage.join(stage.url, FOLDER, f"{digest[:HASH_DIGITS]}.pickle")
    storage.replace(url, data, mode=0o600)
    return SideFile(url, digest)


def stage_side_files(stage: StageDirectory, items: Sequence[Any]) -> list[SideFile]:
    """Write ``items`` to side files of at most a thousand items each, in order."""
    starts = range(0, len(items), _ITEMS_PER_FILE)
    return [stage_side_file(stage, items[start : start + _ITEMS_PER_FILE]) for start in starts]


@lru_cache(maxsize=8)
def _fetch(file: SideFile) -> Any:
    data = storage.read_bytes(file.url)
    if sha256(data).hexdigest() != file.sha256:
        raise RunError(f"{file.url} was changed after the launcher wrote it: find out by whom, then run again")
    return pickle.loads(data)

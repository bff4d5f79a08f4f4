"""A run's folder belongs to one model and one mix, and one run works in it at a time."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gristmill.corpus.recipe_section import key_config
from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.keys import pretty_json
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_folder import RunFolder, write_durably
from gristmill.training.train_section import TrainSection

LOCK_TIMEOUT_SECONDS = 30
"""How long to wait for another run in the same folder to end: processes that a killed launcher leaves exit soon."""


@contextmanager
def claim_folder(folder: RunFolder, section: TrainSection, mix: str, group: ProcessGroup) -> Iterator[None]:
    """Claim ``folder`` for this run. Raises InputError if it holds a run of another model or mix, or is in use.

    An object store has no locks, so there only the identity is checked.
    """
    if not group.is_main:
        group.barrier()
        yield
        return
    with _lock(folder.local):
        identity = {"train": key_config(section), "mix": mix}
        url = folder.at("run.json")
        if not storage.exists(url):
            write_durably(url, pretty_json(identity))
        elif differences := _differences(json.loads(storage.read_bytes(url)), identity):
            name, old, new = differences[0]
            raise InputError(
                f"{folder.url} holds a run with {name} = {old}, not {new}: weights or data of the two runs are not "
                "comparable; use another folder, or delete it"
            )
        group.barrier()
        yield


def _differences(old: Any, new: Any, name: str = "") -> list[tuple[str, Any, Any]]:
    """Return the dotted names at which two JSON objects differ, each with both values."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        old, new = json.loads(json.dumps([old, new]))
        return [] if old == new else [(name, old, new)]
    keys = [*new, *(key for key in old if key not in new)]
    return [
        difference
        for key in keys
        for difference in _differences(old.get(key), new.get(key), f"{name}.{key}" if name else key)
    ]


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    with open(folder / ".lock", "wb") as lock:
        for _ in range(LOCK_TIMEOUT_SECONDS):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(1)
        else:
            raise InputError(f"another run is using {folder}: wait for it to end, or use another folder")
        yield

"""A run's folder belongs to one train section and one mix, and one run works in it at a time."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gristmill.corpus.recipe_section import key_config
from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.keys import key_of, pretty_json
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_folder import RunFolder, write_durably
from gristmill.training.train_section import TrainSection

LOCK_TIMEOUT_SECONDS = 30
"""How long to wait for another run in the same folder to end: processes that a killed launcher leaves exit soon."""


@contextmanager
def claim_folder(folder: RunFolder, section: TrainSection, mix: str, group: ProcessGroup) -> Iterator[None]:
    """Claim ``folder`` for this run. Raises InputError if it holds a run of another section or mix, or is in use.

    An object store has no locks, so there only the section and the mix are checked.
    """
    if not group.is_main:
        group.barrier()
        yield
        return
    with _lock(folder.local):
        identity = {"section": key_config(section), "mix": mix}
        identity["key"] = key_of(identity)
        url = folder.at("run.json")
        if not storage.exists(url):
            write_durably(url, pretty_json(identity))
        elif json.loads(storage.read_bytes(url))["key"] != identity["key"]:
            raise InputError(
                f"{folder.url} holds a run of another train section or mix (see its run.json): use another folder, or "
                "delete it"
            )
        group.barrier()
        yield


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

"""Reading and cleaning a work directory, without Beam."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from typing import Any

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.receipts import Manifest
from gristmill.store.stage_directory import StageDirectory

_STAGE_NAME = re.compile(r"[a-z]+-[0-9a-f]{16}")


def read_ledger(work: str) -> dict[str, Any]:
    """``ledger.json`` of a work directory; raises InputError if there is none."""
    return _read_json(work, "ledger.json")


def current(work: str) -> dict[str, StageDirectory]:
    """The current directory of each stage that has run in ``work``."""
    latest = _read_json(work, "latest.json")
    for stage, name in latest.items():
        if not _STAGE_NAME.fullmatch(str(name)) or str(name).rpartition("-")[0] != stage:
            raise InputError(f"{storage.join(work, 'latest.json')} is damaged: run the recipe again to rewrite it")
    return {stage: StageDirectory(work, stage, name.removeprefix(f"{stage}-")) for stage, name in latest.items()}


def directories(work: str, stage: str) -> list[StageDirectory]:
    """Every directory of a stage in ``work``, current or not, sorted; empty if the work directory does not exist."""
    filesystem, root = storage.url_to_fs(work)
    if not work or not filesystem.exists(root):
        return []
    names = (name for name in sorted(_folders(filesystem, root)) if _STAGE_NAME.fullmatch(name))
    found = (name.rpartition("-") for name in names)
    return [StageDirectory(work, one, key) for one, _, key in found if one == stage]


def manifests(work: str) -> dict[str, Manifest]:
    """The manifests of the current stages."""
    return {stage: directory.read_manifest() for stage, directory in current(work).items()}


def require_folder(work: str) -> None:
    """Create a local work directory if necessary, for its user alone; raises InputError if that fails."""
    if not storage.is_local(work):
        return
    path = storage.url_to_fs(work)[1]
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot create the work directory {work}: {error.strerror}; choose another folder") from None
    if not os.access(path, os.W_OK):
        raise InputError(f"{work} is not writable; choose another folder, or change its permissions")


def delete_orphans(work: str, wanted: Collection[str], keep_whole: Collection[str], delete: bool) -> tuple[int, int]:
    """Count the files, and their bytes, that no receipt of a current stage references; delete them if ``delete``.

    ``wanted`` are the names of the directories of the recipe's stages: they are kept even if the last run ended before
    them. ``keep_whole`` are stages whose current directory is kept whole.
    """
    latest = current(work)
    referenced = {d.name: _referenced(d) for stage, d in latest.items() if stage not in keep_whole}
    kept = {*wanted, *(directory.name for directory in latest.values())} - referenced.keys()
    filesystem, root = storage.url_to_fs(work)
    filesystem.invalidate_cache()
    found = {
        path: info["size"]
        for name in _folders(filesystem, root)
        if _STAGE_NAME.fullmatch(name) and name not in kept
        for path, info in filesystem.find(f"{root.rstrip('/')}/{name}", detail=True).items()
        if name not in referenced or _is_orphan(path.rpartition(f"/{name}/")[2], referenced[name])
    }
    if delete:
        for path in found:
            filesystem.rm_file(path)
    return len(found), sum(found.values())


def _referenced(directory: StageDirectory) -> set[str]:
    """The paths, below a stage's directory, of the receipts in its manifest and of the files that they list."""
    receipts = directory.read_manifest().receipts
    files = {entry.path for receipt in receipts for entry in receipt.files}
    return files | {f"receipts/{receipt.unit}.json" for receipt in receipts}


def _is_orphan(path: str, referenced: Collection[str]) -> bool:
    """Files directly in a stage's directory belong to the stage: its manifest, its index of test sets."""
    unfinished = path.startswith(".part-")
    return unfinished or ("/" in path and path not in referenced)


def _folders(filesystem: Any, root: str) -> list[str]:
    entries = filesystem.ls(root, detail=True)
    return [e["name"].rstrip("/").rsplit("/", 1)[-1] for e in entries if e["type"] == "directory"]


def _read_json(work: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(storage.read_bytes(storage.join(work, name)))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{work} has no {name}: it is not a work directory, or nothing has been run in it") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{storage.join(work, name)} is damaged: run the recipe again to rewrite it")
    return found

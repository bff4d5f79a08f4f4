"""What a work directory says of itself, without Beam."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection
from typing import Any

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.stage_directory import Manifest, StageDirectory

_STAGE_NAME = re.compile(r"[a-z]+-[0-9a-f]{16}")


def read_ledger(work: str) -> dict[str, Any]:
    """``ledger.json`` of a work directory; raises InputError where there is none."""
    return _read_json(work, "ledger.json")


def current(work: str) -> dict[str, StageDirectory]:
    """The current directory of each stage that has run in ``work``."""
    latest = _read_json(work, "latest.json")
    return {stage: StageDirectory(work, stage, name.removeprefix(f"{stage}-")) for stage, name in latest.items()}


def directories(work: str, stage: str) -> list[StageDirectory]:
    """Every directory of a stage in ``work``, current or not, sorted; empty where there is no work directory yet."""
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
    """Make the work directory where it is local and not there yet; raises InputError where that cannot be."""
    if not storage.is_local(work):
        return
    path = storage.url_to_fs(work)[1]
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise InputError(f"no work directory can be at {work}: {error.strerror}; give another folder") from None
    if not os.access(path, os.W_OK):
        raise InputError(f"{work} cannot be written to; give another folder, or the right to write")


def sweep(work: str, wanted: Collection[str], delete: bool) -> tuple[int, int]:
    """Files, and their bytes, that no receipt of a current stage names; deleted where ``delete``.

    ``wanted`` names the directories of the recipe's stages: one that is not current, since the last run ended before
    it, is left as it is.
    """
    latest = current(work)
    named = {directory.name: _named(directory) for stage, directory in latest.items() if stage != "train"}
    spared = {*wanted, *(directory.name for directory in latest.values())} - named.keys()
    filesystem, root = storage.url_to_fs(work)
    filesystem.invalidate_cache()
    found = {
        path: info["size"]
        for name in _folders(filesystem, root)
        if _STAGE_NAME.fullmatch(name) and name not in spared
        for path, info in filesystem.find(f"{root.rstrip('/')}/{name}", detail=True).items()
        if name not in named or _is_leftover(path.rpartition(f"/{name}/")[2], named[name])
    }
    if delete:
        for path in found:
            filesystem.rm_file(path)
    return len(found), sum(found.values())


def _named(directory: StageDirectory) -> set[str]:
    """The paths below a stage's directory that its manifest's receipts name, and their own."""
    receipts = directory.read_manifest().receipts
    files = {entry.path for receipt in receipts for entry in receipt.files}
    return files | {f"receipts/{receipt.unit}.json" for receipt in receipts}


def _is_leftover(path: str, named: Collection[str]) -> bool:
    """Files right under a stage's directory are the stage's own: its manifest, its index of test sets."""
    unfinished = path.startswith(".part-")
    return unfinished or ("/" in path and path not in named)


def _folders(filesystem: Any, root: str) -> list[str]:
    entries = filesystem.ls(root, detail=True)
    return [e["name"].rstrip("/").rsplit("/", 1)[-1] for e in entries if e["type"] == "directory"]


def _read_json(work: str, name: str) -> dict[str, Any]:
    try:
        found = json.loads(storage.read_bytes(storage.join(work, name)))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{work} holds no {name}: it is not a work directory, or nothing was run in it yet") from None
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(f"{storage.join(work, name)} is damaged: run the recipe again, which writes it anew")
    return found

"""What a work directory says of itself, without Beam."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from fsspec.core import url_to_fs

from gristmill.corpus import storage
from gristmill.corpus.errors import InputError
from gristmill.corpus.stage import Manifest, StageDirectory

_STAGE_NAME = re.compile(r"[a-z]+-[0-9a-f]{16}")


def read_ledger(work: str) -> dict[str, Any]:
    """``ledger.json`` of a work directory; raises InputError where there is none."""
    return _read_json(work, "ledger.json")


def current(work: str) -> dict[str, StageDirectory]:
    """The current directory of each stage that has run in ``work``."""
    latest = _read_json(work, "latest.json")
    return {stage: StageDirectory(work, stage, name.removeprefix(f"{stage}-")) for stage, name in latest.items()}


def manifests(work: str) -> dict[str, Manifest]:
    """The manifests of the current stages."""
    return {stage: directory.read_manifest() for stage, directory in current(work).items()}


def sweep(work: str, delete: bool) -> tuple[int, int]:
    """Files, and their bytes, that no receipt of a current stage names; deleted where ``delete``."""
    keep = set(_named(work))
    filesystem, root = url_to_fs(work)
    filesystem.invalidate_cache()
    base = root.rstrip("/")
    found = {
        path: info["size"]
        for name in _folders(filesystem, root)
        if _STAGE_NAME.fullmatch(name) and name not in keep
        for path, info in filesystem.find(f"{base}/{name}", detail=True).items()
        if path.removeprefix(f"{base}/") not in keep
    }
    if delete:
        for path in found:
            filesystem.rm_file(path)
    return len(found), sum(found.values())


def _named(work: str) -> Iterable[str]:
    for stage, directory in current(work).items():
        manifest = directory.read_manifest()
        if stage == "train":  # checkpoints are the trainer's own, and a resumed run needs them
            yield directory.name
        yield f"{directory.name}/manifest.json"
        for receipt in manifest.receipts:
            yield f"{directory.name}/receipts/{receipt.unit}.json"
            yield from (f"{directory.name}/{entry.path}" for entry in receipt.files)


def _folders(filesystem: Any, root: str) -> list[str]:
    entries = filesystem.ls(root, detail=True)
    return [e["name"].rstrip("/").rsplit("/", 1)[-1] for e in entries if e["type"] == "directory"]


def _read_json(work: str, name: str) -> dict[str, Any]:
    try:
        return json.loads(storage.read_bytes(storage.join(work, name)))  # type: ignore[no-any-return]
    except FileNotFoundError:
        raise InputError(f"{work} holds no {name}: it is not a work directory, or nothing was run in it yet") from None

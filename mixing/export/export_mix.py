"""Exports the shards of a mix: checks the source and the target, writes the format, and describes it in one file."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from typing import NamedTuple

from gristmill.errors import InputError
from gristmill.mixing.export.export_format import ExportFolder, ExportFormat
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.store import storage
from gristmill.store.keys import pretty_json

DESCRIPTION = "gristmill.json"
"""What a trainer's configuration needs to know about the tokens. It is written last, so its export is complete."""

_STAGE_FILES = (("manifest.json", "receipts"), ("latest.json", "recipe.yaml"))
"""Names that a stage's directory has, and those that a work directory has."""


class Export(NamedTuple):
    """A completed export; ``note`` is a sentence, without its period, about how the files are to be read."""

    mix: MixedShards
    token_type: str
    note: str


def export_mix(url: str, target: str, export_format: ExportFormat) -> Export:
    """Write the shards of the mix directory ``url`` to ``target``, a path or URL.

    Raises InputError if that is not a complete mix, if the format cannot hold it, or if ``target`` is in a directory of
    Gristmill or is anything else than an empty or a missing folder.
    """
    mix = MixedShards.open(url)
    export_format.check(mix)
    _check_target(url, target)
    with storage.scratch(target) as scratch:
        note = export_format.write(mix, ExportFolder(target, scratch))
    token_type = export_format.token_types[mix.dtype.name]
    description = {
        "format": export_format.name,
        "token_type": token_type,
        "vocab_size": mix.vocab_size,
        "eos_id": mix.eos_id,
        "sequence_length": mix.sequence_length,
        "sequences": len(mix),
        "mix_sha256": mix.digest,
    }
    storage.replace(storage.join(target, DESCRIPTION), pretty_json(description))
    return Export(mix, token_type, note)


def _check_target(source: str, target: str) -> None:
    filesystem, path = storage.url_to_fs(target)
    if storage.is_local(target):
        path = os.path.realpath(path)
    source_filesystem, source_path = storage.url_to_fs(source)
    inside = {os.path.realpath(source_path)} if storage.is_local(source) else {source_path.rstrip("/")}
    for folder in _folders(path):
        own = any(all(filesystem.exists(f"{folder}/{name}") for name in names) for names in _STAGE_FILES)
        if own or (folder in inside and filesystem == source_filesystem):
            raise InputError(f"{target} is in {folder}, where Gristmill keeps its own files: name a folder elsewhere")
    if filesystem.exists(path) and (not filesystem.isdir(path) or filesystem.ls(path, detail=False)):
        raise InputError(f"{target} exists and is not an empty folder: delete it, or name another one")


def _folders(path: str) -> Iterator[str]:
    """``path`` and the folders that it is in."""
    path = path.rstrip("/")
    while path:
        yield path
        path = posixpath.dirname(path).rstrip("/")

"""``key.json`` of a stage's directory: what its key is made of, and why a run cannot resume from an earlier directory.

The record is as reproducible as the key itself: files are in it by content hash, and it has no time, host or path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gristmill.pipelines.work_directory import directories
from gristmill.store import storage
from gristmill.store.keys import pretty_json
from gristmill.store.stage_directory import StageDirectory

KeyRecord = Mapping[str, Any]
"""``version``, ``libraries`` (versions by name), ``config`` (by recipe key) and ``tables`` (hashes by name)."""

_PARTS = {"version", "libraries", "config", "tables"}
_ABSENT = object()
_LIBRARIES = "libraries"
"""The key of a config whose values are versions of libraries by name."""
_HASH = re.compile(r"[0-9a-f]{16,64}")
_MAX_REASONS = 3
_MAX_SHOWN = 60  # characters of a value


def write_key_record(directory: StageDirectory, record: KeyRecord) -> None:
    """Write ``key.json`` unless it is there, also in a directory that a version without key records has filled."""
    data = pretty_json(record)
    if _read(directory) != json.loads(data):
        storage.replace(_url(directory), data)


def restart_reason(directory: StageDirectory, record: KeyRecord, versions: Mapping[int, str]) -> str | None:
    """One sentence on why the stage starts over although the work directory has completed units of it.

    None if the stage resumes in ``directory``, or has never completed a unit. Of several earlier directories, the one
    that differs least is compared. ``versions`` describes the versions of the stage.
    """
    if directory.completed_units():
        return None
    others = [other for other in directories(directory.work, directory.stage) if other.key != directory.key]
    earlier = [other for other in others if other.completed_units()]
    if not earlier:
        return None
    known = [found for found in map(_read, earlier) if found is not None]
    if not known:
        reasons = [f"{earlier[-1].name} was written before Gristmill recorded what a key is made of"]
    else:
        reasons = min((key_changes(found, record, versions) for found in known), key=len)
    return f"{directory.stage} runs again: {_joined(reasons)}"


def key_changes(old: KeyRecord, new: KeyRecord, versions: Mapping[int, str]) -> list[str]:
    """What differs between two records, as clauses; at least one, because their keys differ."""
    old, new = (json.loads(pretty_json(record)) for record in (old, new))
    found = [
        *_version_change(old["version"], new["version"], versions),
        *_changes(("libraries",), old["libraries"], new["libraries"]),
        *_changes((), old["config"], new["config"]),
    ]
    tables = sorted({*old["tables"], *new["tables"]})
    found += [
        f"the table {name} of Gristmill differs"
        for name in tables
        if old["tables"].get(name) != new["tables"].get(name)
    ]
    return list(dict.fromkeys(found)) or ["its key is computed differently now"]


def _version_change(old: int, new: int, versions: Mapping[int, str]) -> Iterator[str]:
    if old < new:
        yield f'it is at version {new} now, "{versions[new]}", was at {old}'
    elif old > new:
        yield f"it is at version {new}, was at {old}, which a later Gristmill wrote"


def _changes(path: tuple[str, ...], old: Any, new: Any) -> Iterator[str]:
    """The changes between two JSON values. The indices of lists are left out of ``path``."""
    if old == new:
        return
    if isinstance(old, dict) and isinstance(new, dict) and not (_is_hash(old) and _is_hash(new)):
        for name in sorted({*old, *new}):
            absent = {} if name == _LIBRARIES else _ABSENT
            yield from _changes((*path, name), old.get(name, absent), new.get(name, absent))
    elif _is_nested(old) and _is_nested(new) and len(old) == len(new):
        for before, after in zip(old, new, strict=True):
            if isinstance(before, (dict, list)) and isinstance(after, (dict, list)):
                yield from _changes(path, before, after)
            elif before != after:
                yield _change(f"a value of {'.'.join(path)}", before, after)
    elif len(path) > 1 and path[-2] == _LIBRARIES:
        yield _library_change(path[-1], old, new)
    else:
        yield _change(".".join(path), old, new)


def _library_change(name: str, old: Any, new: Any) -> str:
    if old is _ABSENT:
        return f"it uses {name} {new} now"
    if new is _ABSENT:
        return f"it no longer uses {name}"
    return f"{name} is not installed, was {old}" if new == "absent" else f"{name} {new} is installed, was {old}"


def _change(name: str, old: Any, new: Any) -> str:
    if _is_hash(old) and _is_hash(new):
        return f"the content of {name} changed"
    if isinstance(old, list) and isinstance(new, list) and len(old) != len(new) and _is_nested([*old, *new]):
        return f"{name} has {_items(new)}, had {len(old)}"
    before, after = _shown(old), _shown(new)
    if max(len(before), len(after)) <= _MAX_SHOWN:
        return f"{name} is {after}, was {before}"
    if old in (None, _ABSENT):
        return f"{name} is set, was {before}"
    if new in (None, _ABSENT):
        return f"{name} is {after}, was set"
    return f"{name} changed"


def _shown(value: Any) -> str:
    if value is _ABSENT:
        return "not set"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "a file" if _is_hash(value) else json.dumps(value, ensure_ascii=False)


def _items(values: list[Any]) -> str:
    return f"{len(values)} item{'s' if len(values) != 1 else ''}"


def _is_hash(value: Any) -> bool:
    if isinstance(value, dict):
        return value.keys() == {"sha256"}
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


def _is_nested(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value)


def _joined(reasons: Sequence[str]) -> str:
    more = len(reasons) - _MAX_REASONS
    rest = [f"and {more} more change{'s' if more > 1 else ''}"] if more > 0 else []
    return "; ".join([*reasons[:_MAX_REASONS], *rest])


def _url(directory: StageDirectory) -> str:
    return storage.join(directory.url, "key.json")


def _read(directory: StageDirectory) -> KeyRecord | None:
    """The record; None if there is none, or none that this version understands."""
    try:
        found = json.loads(storage.read_bytes(_url(directory)))
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() == _PARTS else None

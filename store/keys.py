"""Keys: short hex hashes of everything that the output of a stage or unit depends on.

A stage's key covers its part of the recipe, its version, the versions of the libraries that shape its data, and the
content hashes of its models, lists and tables. A unit's key adds the identity of the unit's input. Equal keys mean
equal bytes, so work that is done under a key is never repeated. No key depends on a path of this machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import lru_cache
from glob import has_magic
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from gristmill.errors import InputError
from gristmill.store import storage

KEY_BYTES = 8


def canonical_json(value: Any) -> bytes:
    """``value`` as JSON with sorted keys and no spaces, so equal values give equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pretty_json(value: Any) -> bytes:
    """``value`` as JSON with sorted keys, indented by two spaces, with a final newline: readable and reproducible."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def key_of(*parts: Any) -> str:
    """A hash of ``parts``, which must be JSON-serializable, as 16 hex digits."""
    return blake2b(canonical_json(parts), digest_size=KEY_BYTES).hexdigest()


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """The installed versions of distributions by name; ``"absent"`` for one that is not installed."""

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "absent"

    return {name: installed(name) for name in names}


@lru_cache(maxsize=4096)
def asset_hash(url: str) -> str:
    """The sha256 of a model or list; for a glob pattern or a folder, a hash of the names and contents of its files.

    A process reads each asset once. Raises InputError if there is no such file.
    """
    with suppress(FileNotFoundError, IsADirectoryError):  # a file's name may have brackets
        return storage.content_hash(url)
    root, pattern = storage.split_pattern(url) if has_magic(url) else (url, "*")
    files = storage.glob(root, pattern)
    if not files:
        raise InputError(f"no file {url}: correct its path in the recipe")
    return key_of([(path, storage.content_hash(storage.join(root, path))) for path, _ in files])


def content_key(table: Any) -> str:
    """16 hex digits of the content of a table: word lists, patterns, rules, arrays, and files given as ``Path``.

    Order counts except in sets. A function or class contributes only its name, since code is covered by the stage's
    version. Raises TypeError for a value of any other type.
    """
    return key_of(_plain(table))


def _plain(value: Any) -> Any:
    """``value`` as JSON."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return value.hex()
        case IPv4Network() | IPv6Network():
            return str(value)
        case Path():
            return {"sha256": storage.content_hash(str(value))}
        case BaseModel():
            return _plain(value.model_dump())
        case np.ndarray():
            return [value.dtype.str, list(value.shape), blake2b(value.tobytes()).hexdigest()]
        case Mapping():
            return [[_plain(key), _plain(item)] for key, item in value.items()]
        case Set():
            return sorted(map(_plain, value), key=canonical_json)
        case list() | tuple() | range():
            return [_plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        return [_plain(getattr(value, field.name)) for field in fields(value)]
    if hasattr(value, "pattern") and hasattr(value, "flags"):  # a compiled regular expression, of re or of regex
        return [value.pattern, int(value.flags)]
    if callable(value):
        return value.__qualname__
    raise TypeError(f"no content key for a {type(value).__name__}")

"""What the work depends on, as short hex keys.

A stage's key holds its slice of the recipe, its own version, the versions of the libraries that shape its data, and the
content hashes of its models and lists. A unit's key adds the identity of the unit's input. Equal keys mean equal bytes,
so what stands under a key is never done again; no key holds a path of this machine.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from glob import has_magic
from hashlib import blake2b
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from gristmill.errors import InputError
from gristmill.store import storage

KEY_BYTES = 8


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values, equal bytes."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def pretty(value: Any) -> bytes:
    """JSON for people and for hashing alike: sorted keys, two spaces, a last newline."""
    return (json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n").encode()


def key_of(*parts: Any) -> str:
    """16 hex digits of JSON-able ``parts``."""
    return blake2b(canonical(parts), digest_size=KEY_BYTES).hexdigest()


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of the named distributions; one that is not installed says so, and so changes the key."""

    def installed(name: str) -> str:
        try:
            return version(name)
        except PackageNotFoundError:
            return "absent"

    return {name: installed(name) for name in names}


@lru_cache(maxsize=4096)
def asset_hash(url: str) -> str:
    """sha256 of a model or list; of a glob pattern, a hash of its files' names and contents. Read once in a process.

    Raises InputError where there is no such file.
    """
    if not has_magic(url):
        try:
            return storage.content_hash(url)
        except FileNotFoundError:
            raise InputError(f"no file {url}, which the recipe names: correct its path") from None
    root, pattern = storage.split_pattern(url)
    files = storage.glob(root, pattern)
    if not files:
        raise InputError(f"no file {url}, which the recipe names: correct its path")
    return key_of([(path, storage.content_hash(storage.join(root, path))) for path, _ in files])

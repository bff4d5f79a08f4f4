"""Reads the YAML files that users write, recipes and profiles; every error is one sentence."""

from __future__ import annotations

from typing import Any

import yaml

from gristmill.errors import InputError
from gristmill.store import storage


def read_mapping(url: str, kind: str, expected: str) -> dict[str, Any]:
    """Read the mapping in the YAML file at ``url``.

    Raises InputError, which calls the file a ``kind`` ("recipe") and says that it must be what ``expected`` describes.
    """
    try:
        data = yaml.load(storage.read_bytes(url).decode(), _Loader)
    except FileNotFoundError:
        raise InputError(f"no {kind} at {url}; give the path of a YAML file") from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise InputError(f"{url} is not a YAML file; give the path of a {kind}") from None
    except OSError as error:
        raise InputError(f"cannot read the {kind} {url}: {error.strerror or error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{url} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise InputError(f"{url} is not a {kind}: it must be {expected}")
    return data


def apply_override(data: dict[str, Any], assignment: str, option: str) -> None:
    """Set a value in ``data`` from the argument ``key=value`` of a command-line option.

    The parts of the key are separated by dots; the value is YAML. Raises InputError.
    """
    path, equals, value = assignment.partition("=")
    if not equals or not path:
        raise InputError(f"{option} {assignment}: write it as key=value, with dots between the parts of the key")
    *parents, last = path.split(".")
    parent: Any = data
    try:
        for part in parents:
            parent = parent[int(part)] if isinstance(parent, list) else parent.setdefault(part, {})
        if isinstance(parent, list):
            parent[int(last)] = yaml.safe_load(value)
        else:
            parent[last] = yaml.safe_load(value)
    except (TypeError, ValueError, IndexError, AttributeError):
        raise InputError(f"{option} {assignment}: no such key") from None
    except yaml.YAMLError:
        raise InputError(f"{option} {assignment}: the value is not valid YAML") from None


class _Loader(yaml.SafeLoader):
    """Rejects duplicate keys, of which PyYAML silently keeps the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} appears twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

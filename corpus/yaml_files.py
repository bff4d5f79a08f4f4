"""YAML files that users write, recipes and profiles, read with faults told in a sentence each."""

from __future__ import annotations

from typing import Any

import yaml

from gristmill.errors import InputError
from gristmill.store import storage


def read_mapping(url: str, what: str, demand: str) -> dict[str, Any]:
    """The mapping in the YAML file at ``url``; raises InputError in terms of ``what`` it is and must be."""
    try:
        data = yaml.load(storage.read_bytes(url).decode(), _Loader)
    except FileNotFoundError:
        raise InputError(f"no {what} at {url}; give the path of a YAML file") from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise InputError(f"{url} is not a YAML file; give the path of a {what}") from None
    except OSError as error:
        raise InputError(f"cannot read the {what} {url}: {error.strerror or error}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{url} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise InputError(f"{url} is not a {what}: it must be {demand}")
    return data


def override(data: dict[str, Any], assignment: str, option: str) -> None:
    """Put ``key=value``, given with the command line's ``option``, into ``data``: a dotted key, the value as YAML.

    Raises InputError."""
    path, equals, value = assignment.partition("=")
    if not equals or not path:
        raise InputError(f"{option} {assignment}: write it as key=value, the key with dots between its parts")
    *parents, last = path.split(".")
    place: Any = data
    try:
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place.setdefault(part, {})
        if isinstance(place, list):
            place[int(last)] = yaml.safe_load(value)
        else:
            place[last] = yaml.safe_load(value)
    except (TypeError, ValueError, IndexError, AttributeError):
        raise InputError(f"{option} {assignment}: there is no such place") from None
    except yaml.YAMLError:
        raise InputError(f"{option} {assignment}: the value is not valid YAML") from None


class _Loader(yaml.SafeLoader):
    """YAML in which no key stands twice: the plain loader would forget the first one silently."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

"""Reads the YAML files that users write, recipes and profiles; every error is one sentence.

A file may come from somebody else, so what it can take is bounded: its size, its depth, and the number of its values
with every alias replaced by what it stands for (452 bytes of aliases of aliases stood for 2.3 GB).
"""

from __future__ import annotations

from typing import Any

import yaml

from gristmill.errors import InputError
from gristmill.store import storage

MAX_BYTES = 1 << 20
MAX_DEPTH = 100
MAX_VALUES = 20_000
MAX_NUMBER = 100
"""Characters of a number or date; PyYAML takes quadratic time for ``1:1:1:…``."""


def read_mapping(url: str, kind: str, expected: str) -> dict[str, Any]:
    """Read the mapping in the YAML file at ``url``.

    Raises InputError, which calls the file a ``kind`` ("recipe") and says that it must be what ``expected`` describes.
    """
    try:
        with storage.open_input(url) as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(f"{url} is not a {kind}: it has more than {MAX_BYTES:,} bytes; list files by patterns")
        data = _parse(content.decode())
    except FileNotFoundError:
        raise InputError(f"no {kind} at {url}; give the path of a YAML file") from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise InputError(f"{url} is not a YAML file; give the path of a {kind}") from None
    except OSError as error:
        raise InputError(f"cannot read the {kind} {url}: {error.strerror or error}") from None
    except _YamlError as error:
        raise InputError(f"{url} is not valid YAML: {error}") from None
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
    try:
        parsed = _parse(value)
    except _YamlError:
        raise InputError(f"{option} {assignment}: the value is not valid YAML") from None
    *parents, last = path.split(".")
    parent: Any = data
    try:
        for part in parents:
            parent = parent[int(part)] if isinstance(parent, list) else parent.setdefault(part, {})
        if isinstance(parent, list):
            parent[int(last)] = parsed
        else:
            parent[last] = parsed
    except (TypeError, ValueError, IndexError, AttributeError):
        raise InputError(f"{option} {assignment}: no such key") from None


class _YamlError(Exception):
    """Text that is not valid YAML, or too large; the message is one line."""


def _parse(text: str) -> Any:
    try:
        return yaml.load(text, _Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date such as 2026-99-99
        raise _YamlError(" ".join(str(error).split())) from None


class _Loader(yaml.SafeLoader):
    """Rejects duplicate keys, of which PyYAML silently keeps the last, and documents beyond the bounds."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._values = 0

    def get_single_node(self) -> Any:
        node = super().get_single_node()
        if node is not None:
            _expanded(node, {})
        return node

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        self._values += 1
        if self._values > MAX_VALUES:
            raise _too_large(f"it has more than {MAX_VALUES:,} values", parent)
        if self._depth > MAX_DEPTH:
            raise _too_large(f"it is nested deeper than {MAX_DEPTH} levels", parent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} appears twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _expanded(node: Any, known: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """The number of values in ``node`` and its depth, with aliases replaced; ``known`` holds those of visited nodes."""
    if id(node) in known:
        return known[id(node)]
    known[id(node)] = (MAX_VALUES, MAX_DEPTH)  # an alias within the node that it stands for has no end
    if isinstance(node, yaml.ScalarNode):
        if len(node.value) > MAX_NUMBER and node.tag.rpartition(":")[2] in ("int", "float", "timestamp"):
            raise _too_large(f"a number has more than {MAX_NUMBER} characters", node)
        children: list[Any] = []
    else:
        children = [part for item in node.value for part in (item if isinstance(item, tuple) else (item,))]
    measured = [_expanded(child, known) for child in children]
    values, depth = 1 + sum(values for values, _ in measured), 1 + max((depth for _, depth in measured), default=0)
    if values > MAX_VALUES or depth > MAX_DEPTH:
        raise _too_large(f"it stands for more than {MAX_VALUES:,} values or {MAX_DEPTH} levels", node)
    known[id(node)] = values, depth
    return values, depth


def _too_large(problem: str, at: Any) -> yaml.YAMLError:
    return yaml.composer.ComposerError(None, None, problem, at.start_mark)

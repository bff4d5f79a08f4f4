"""Templates that are shipped with the package, in which ``@{name}`` stands for a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

_PLACEHOLDER = re.compile(r"@\{(\w+)\}")


def read_template(name: str) -> str:
    """Return the text of a file in ``templates/``."""
    return files("gristmill.training.launch").joinpath("templates").joinpath(name).read_text(encoding="utf-8")


def fill_text(text: str, values: Mapping[str, Any]) -> str:
    """Return ``text`` with values filled in. Raises KeyError for a name without a value."""
    return _PLACEHOLDER.sub(lambda match: str(values[match[1]]), text)


def fill_tree(tree: Any, values: Mapping[str, Any]) -> Any:
    """Return parsed YAML with values filled in; a string that is just ``@{name}`` becomes the value, of any type.

    Values are never parsed as YAML, so none can change the structure. A key or item whose value is empty (None, an
    empty list or mapping) is omitted.
    """
    if isinstance(tree, dict):
        return {key: value for key, part in tree.items() if not _is_empty(value := fill_tree(part, values))}
    if isinstance(tree, list):
        return [value for part in tree if not _is_empty(value := fill_tree(part, values))]
    if isinstance(tree, str):
        match = _PLACEHOLDER.fullmatch(tree)
        # a copy, because YAML writes an object that occurs twice as a reference
        return deepcopy(values[match[1]]) if match else fill_text(tree, values)
    return tree


def _is_empty(value: Any) -> bool:
    return value is None or value in ([], {})

"""Templates that are shipped with the package: ``@{name}`` gives way to a value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from importlib.resources import files
from typing import Any

_NAME = re.compile(r"@\{(\w+)\}")


def template(name: str) -> str:
    """The text of a file of ``templates/``."""
    return files("gristmill.training.launch").joinpath("templates", name).read_text(encoding="utf-8")


def filled_text(text: str, values: Mapping[str, Any]) -> str:
    """``text`` with values put in. Raises KeyError for a name that has none."""
    return _NAME.sub(lambda match: str(values[match[1]]), text)


def filled(tree: Any, values: Mapping[str, Any]) -> Any:
    """Parsed YAML with values put in: a string that is ``@{name}`` alone becomes the value itself, of whatever type.

    Since values are never read as YAML, none of them can break out of its place. What comes out empty (None, an empty
    list or mapping) is left out of the mapping or list that it stands in.
    """
    if isinstance(tree, dict):
        return {key: value for key, part in tree.items() if not _is_empty(value := filled(part, values))}
    if isinstance(tree, list):
        return [value for part in tree if not _is_empty(value := filled(part, values))]
    if isinstance(tree, str):
        alone = _NAME.fullmatch(tree)
        return deepcopy(values[alone[1]]) if alone else filled_text(tree, values)  # or YAML would write references
    return tree


def _is_empty(value: Any) -> bool:
    return value is None or value in ([], {})

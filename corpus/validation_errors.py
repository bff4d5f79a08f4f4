"""Turns pydantic's validation errors into sentences for users: the key as they wrote it, and what is expected."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_KEY = "[key]"  # the last part of a location if the key itself is invalid
_MAX_SHOWN = 60  # characters of an invalid value


def describe_error(error: Mapping[str, Any], data: Any, model: type[BaseModel]) -> str:
    """Describe one of the ``errors()`` that ``model`` reports for ``data``: ``key: what is wrong; the remedy``."""
    path, known_keys = _resolve(error["loc"], data, model)
    key = ".".join(path)
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden" or error["loc"][-1:] == (_KEY,):
        return f"{key}: unknown key{_hint(path[-1], known_keys or _quoted(context.get('expected', '')))}"
    if kind == "missing":
        return f"{key} is missing"
    if kind == "union_tag_not_found":
        return f"{key}.{_quoted(context['discriminator'])[0]} is missing"
    if kind == "union_tag_invalid":
        tag, tags = context["tag"], _quoted(context["expected_tags"])
        return f"{key}.{_quoted(context['discriminator'])[0]}: unknown value {tag!r}{_hint(tag, tags)}"
    if kind == "literal_error" and isinstance(error["input"], str):
        return f"{key}: unknown value {error['input']!r}{_hint(error['input'], _quoted(context['expected']))}"
    if kind == "value_error":
        return f"{key}: {error['msg'].removeprefix('Value error, ')}" if key else str(context["error"])
    expectation, value = _expectation(kind, error["msg"]), error["input"]
    return f"{key}: {expectation}, not {_shorten(value)}{_remedy(kind, value)}"


def _resolve(location: tuple[Any, ...], data: Any, model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """The path of a key without the union tags that pydantic adds to it, and the valid keys beside its last part."""
    path: list[str] = []
    known_keys: list[str] = []
    models = [model]
    for part in (part for part in location if part != _KEY):
        fields = [candidate.model_fields for candidate in models]
        if not _contains(data, part) and isinstance(part, str) and not any(part in names for names in fields):
            models = [m for m in models if any(field.default == part for field in m.model_fields.values())]
            continue  # the tag of a union
        path.append(str(part))
        if isinstance(part, str):
            known_keys = [name for names in fields for name in names]
            models = [m for named in fields if part in named for m in _models_in(named[part].annotation)]
        data = data[part] if _contains(data, part) else None
    return path, known_keys


def _contains(data: Any, part: Any) -> bool:
    return part in data if isinstance(data, Mapping) else isinstance(data, (list, tuple)) and isinstance(part, int)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]


def _hint(invalid: str, known: list[str]) -> str:
    others = [name for name in known if name != invalid]
    closest = difflib.get_close_matches(invalid, others, n=1)
    return f"; did you mean {closest[0]!r}?" if closest else f"; choose from {', '.join(others)}" if others else ""


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _expectation(kind: str, message: str) -> str:
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return "must be a mapping"
    if kind in {"list_type", "tuple_type"}:
        return "must be a list"
    return re.sub(r"^\w+ should ", "must ", message).split(", ")[0].removesuffix(" after validation")


def _shorten(value: Any) -> str:
    if value is None:
        return "empty"
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def _remedy(kind: str, value: Any) -> str:
    if value is None:
        return "; omit the key to use its default"
    if kind == "string_type" and isinstance(value, bool):
        return "; YAML reads no, yes, on and off as booleans: put the value in quotes"
    return ""

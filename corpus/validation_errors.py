"""From pydantic's report of a fault in a recipe to a sentence: the key as the user wrote it, and what it must be."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

_KEY = "[key]"  # pydantic's last part of a location where the key itself is at fault
_SHOWN = 60  # characters of a wrong value


def fault_sentence(fault: Mapping[str, Any], data: Any, model: type[BaseModel]) -> str:
    """``key: what is wrong; the remedy``, for one of ``ValidationError.errors()`` of ``model`` over ``data``."""
    path, known = _place(fault["loc"], data, model)
    where = ".".join(path)
    kind, context = fault["type"], fault.get("ctx", {})
    if kind == "extra_forbidden" or fault["loc"][-1:] == (_KEY,):
        return f"{where}: no such key{_hint(path[-1], known or _quoted(context.get('expected', '')))}"
    if kind == "missing":
        return f"{where} is missing"
    if kind == "union_tag_not_found":
        return f"{where}.{_quoted(context['discriminator'])[0]} is missing"
    if kind == "union_tag_invalid":
        tags = _quoted(context["expected_tags"])
        key, tag = _quoted(context["discriminator"])[0], context["tag"]
        return f"{where}.{key}: no such choice, {tag!r}{_hint(tag, tags)}"
    if kind == "literal_error" and isinstance(fault["input"], str):
        return f"{where}: no such choice, {fault['input']!r}{_hint(fault['input'], _quoted(context['expected']))}"
    if kind == "value_error":
        return f"{where}: {fault['msg'].removeprefix('Value error, ')}" if where else str(context["error"])
    demand, value = _demand(kind, fault["msg"]), fault["input"]
    return f"{where}: {demand}, not {_shown(value)}{_remark(kind, value)}"


def _place(location: tuple[Any, ...], data: Any, model: type[BaseModel]) -> tuple[list[str], list[str]]:
    """The key's path without the tags that pydantic puts in, and the keys that are known where its last part stands."""
    path: list[str] = []
    known: list[str] = []
    models = [model]
    for part in (part for part in location if part != _KEY):
        fields = [one.model_fields for one in models]
        if not _holds(data, part) and isinstance(part, str) and not any(part in one for one in fields):
            models = [one for one in models if any(field.default == part for field in one.model_fields.values())]
            continue  # the tag of a union
        path.append(str(part))
        if isinstance(part, str):
            known = [name for one in fields for name in one]
            models = [found for one in fields if part in one for found in _models_in(one[part].annotation)]
        data = data[part] if _holds(data, part) else None
    return path, known


def _holds(data: Any, part: Any) -> bool:
    return part in data if isinstance(data, Mapping) else isinstance(data, (list, tuple)) and isinstance(part, int)


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in getattr(annotation, "__args__", ()) for found in _models_in(argument)]


def _hint(wrong: str, known: list[str]) -> str:
    others = [name for name in known if name != wrong]
    near = difflib.get_close_matches(wrong, others, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; there are {', '.join(others)}" if others else ""


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _demand(kind: str, message: str) -> str:
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return "must be a mapping of keys"
    if kind in {"list_type", "tuple_type"}:
        return "must be a list"
    return re.sub(r"^\w+ should ", "must ", message).split(", ")[0].removesuffix(" after validation")


def _shown(value: Any) -> str:
    if value is None:
        return "empty"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _remark(kind: str, value: Any) -> str:
    if value is None:
        return "; leave the key out for its default"
    if kind == "string_type" and isinstance(value, bool):
        return "; YAML takes no, yes, on and off for booleans: write it in quotes"
    return ""

"""The base of every section of a recipe.

A section is strict (a key that nobody knows is an error, not a silence) and frozen. Each room owns the sections of its
own stages; ``pipelines.recipe`` puts them together.
"""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo

from gristmill.store.keys import asset_hash

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class Section(BaseModel):
    """A part of a recipe: immutable, and closed to unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class AssetMark:
    """Marks a string as the path of a model, list or test set: in a stage's key its content stands, not its path."""


class RuntimeMark:
    """Marks a value that cannot change a byte of the output (where a job is sent, say): it stays out of the key."""


def resolve(value: str, info: ValidationInfo) -> str:
    """A relative path is relative to the recipe's folder (``context["base"]``, where the loader gives one)."""
    base = (info.context or {}).get("base")
    return value if base is None or "://" in value else posixpath.join(base, posixpath.expanduser(value))


Location = Annotated[str, AfterValidator(resolve)]
"""A folder's path or URL; what lies there is an input, where it lies is not."""

Asset = Annotated[str, AfterValidator(resolve), AssetMark()]
"""A path or URL of a model, list or test set; its *content* is an input of the stage."""


def parse_bytes(value: Any) -> Any:
    """``"256MiB"`` → 268435456; numbers pass. Raises ValueError for what is not a size."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError(f"not a size in bytes: {value!r} (write 256MiB, 1GB or a number)")
    return int(float(match[1]) * _UNITS[match[2].upper()])


ByteSize = Annotated[int, BeforeValidator(parse_bytes)]
"""A number of bytes, written as a number or as ``256MiB``."""


def key_config(section: BaseModel) -> dict[str, Any]:
    """A section as its stage's key holds it: assets by content, values that only steer the run left out."""

    def sliced(value: Any, marks: tuple[Any, ...] = ()) -> Any:
        if isinstance(value, BaseModel):
            return {
                name: sliced(getattr(value, name), _marks(field))
                for name, field in type(value).model_fields.items()
                if not any(isinstance(mark, RuntimeMark) for mark in field.metadata)
            }
        if isinstance(value, (list, tuple)):
            return [sliced(item, marks) for item in value]
        if isinstance(value, dict):
            return {str(name): sliced(item, marks) for name, item in value.items()}
        if isinstance(value, str) and any(isinstance(mark, AssetMark) for mark in marks):
            return {"sha256": asset_hash(value)}
        return value

    result: dict[str, Any] = sliced(section)
    return result


def _marks(field: Any) -> tuple[Any, ...]:
    """Marks on a field, and on the items of its list or optional: ``list[Asset] | None`` is marked as ``Asset`` is."""

    def inner(annotation: Any) -> list[Any]:
        found = list(getattr(annotation, "__metadata__", ()))
        for argument in getattr(annotation, "__args__", ()):
            found += inner(argument)
        return found

    return (*field.metadata, *inner(field.annotation))

"""The base class of all sections of a recipe, and the types of their fields.

Sections reject unknown keys and are immutable. Each package defines the sections of its own stages;
``pipelines.recipe`` combines them.
"""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationInfo

from gristmill.store.keys import asset_hash

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class Section(BaseModel):
    """A section of a recipe. It is immutable and rejects unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class AssetMark:
    """Marks a string as the path of a model, list or test set, which a stage's key covers by content, not by path."""


class RuntimeMark:
    """Marks a value that cannot affect the output, such as where a job runs; it is not part of the key."""


def resolve(value: str, info: ValidationInfo) -> str:
    """Resolve a relative path against the recipe's folder, which the loader passes as ``context["base"]``."""
    base = (info.context or {}).get("base")
    return value if base is None or "://" in value else posixpath.join(base, posixpath.expanduser(value))


Location = Annotated[str, AfterValidator(resolve)]
"""The path or URL of a folder. Its content is an input of the stage; its location is not."""

Asset = Annotated[str, AfterValidator(resolve), AssetMark()]
"""The path or URL of a model, list or test set. Its content is an input of the stage; its location is not."""


def parse_bytes(value: Any) -> Any:
    """Parse a size: ``"256MiB"`` is 268435456. Values that are not strings are returned. Raises ValueError."""
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*", value)
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError(f"not a size in bytes: {value!r} (write 256MiB, 1GB or a number)")
    return int(float(match[1]) * _UNITS[match[2].upper()])


ByteSize = Annotated[int, BeforeValidator(parse_bytes)]
"""A number of bytes, written as a number or as ``256MiB``."""


def key_config(section: BaseModel) -> dict[str, Any]:
    """The part of a stage's key that a section contributes: assets by content hash, runtime values left out."""

    def config_of(value: Any, marks: tuple[Any, ...] = ()) -> Any:
        if isinstance(value, BaseModel):
            return {
                name: config_of(getattr(value, name), _marks(field))
                for name, field in type(value).model_fields.items()
                if not any(isinstance(mark, RuntimeMark) for mark in field.metadata)
            }
        if isinstance(value, (list, tuple)):
            return [config_of(item, marks) for item in value]
        if isinstance(value, dict):
            return {str(name): config_of(item, marks) for name, item in value.items()}
        if isinstance(value, str) and any(isinstance(mark, AssetMark) for mark in marks):
            return {"sha256": asset_hash(value)}
        return value

    result: dict[str, Any] = config_of(section)
    return result


def _marks(field: Any) -> tuple[Any, ...]:
    """The marks on a field, including those inside its type: ``list[Asset] | None`` has the marks of ``Asset``."""

    def inner(annotation: Any) -> list[Any]:
        marks = list(getattr(annotation, "__metadata__", ()))
        for argument in getattr(annotation, "__args__", ()):
            marks += inner(argument)
        return marks

    return (*field.metadata, *inner(field.annotation))

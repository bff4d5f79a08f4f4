"""A recipe: what to mill, and how. YAML on disk, checked by pydantic, the sections owned by the rooms they steer.

Strings may hold ``${NAME}`` or ``${NAME:-default}`` from the environment. Relative paths are relative to the recipe's
folder.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, Field, ValidationError, model_validator

from gristmill.corpus import storage
from gristmill.corpus.errors import InputError
from gristmill.corpus.section import ByteSize, Section
from gristmill.mixing.section import MixSection
from gristmill.tokenization.section import TokenizerSection, TokenizeSection
from gristmill.training.section import TrainSection
from gristmill.transforms.dedup.section import DedupSection
from gristmill.transforms.extract.section import ExtractSection
from gristmill.transforms.judge.section import JudgeSection
from gristmill.transforms.read.section import SourceSection
from gristmill.transforms.refine.section import RefineSection

AnySection = TypeVar("AnySection", bound=Section)

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


class Recipe(Section):
    """Everything that shapes a corpus. Nothing in it says where or with how many workers it is milled."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the corpus.")
    unit_size: ByteSize = Field(256 * 2**20, ge=2**16, description="Input bytes of one unit of work.")
    sources: list[SourceSection] = Field(min_length=1, description="Where documents come from.")
    extract: ExtractSection = ExtractSection()
    judge: JudgeSection = JudgeSection()
    dedup: DedupSection = DedupSection()
    refine: RefineSection = RefineSection()
    tokenizer: TokenizerSection = TokenizerSection()
    tokenize: TokenizeSection = TokenizeSection()
    mix: MixSection = MixSection()
    train: TrainSection = TrainSection()

    @model_validator(mode="after")
    def _distinct_sources(self) -> Recipe:
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources are named {twice[0]!r}; names must differ")
        return self

    def source(self, name: str) -> SourceSection:
        return next(source for source in self.sources if source.name == name)


def load_recipe(url: str, overrides: Iterable[str] = ()) -> Recipe:
    """The recipe at ``url`` with ``key=value`` overrides applied; raises InputError with a sentence for each fault."""
    try:
        text = storage.read_bytes(url).decode()
        data = yaml.safe_load(text)
    except FileNotFoundError:
        raise InputError(f"no recipe at {url}; give the path of a YAML file") from None
    except (IsADirectoryError, UnicodeDecodeError):
        raise InputError(f"{url} is not a YAML file; give the path of a recipe") from None
    except yaml.YAMLError as error:
        raise InputError(f"{url} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(data, dict):
        raise InputError(f"{url} is not a recipe: it must be a mapping with at least `name` and `sources`")
    for one in overrides:
        override(data, one)
    base = os.path.dirname(url) if "://" in url else os.path.dirname(os.path.abspath(url))
    return parse_recipe(data, base, url)


def parse_recipe(data: Mapping[str, Any], base: str | None = None, name: str = "recipe") -> Recipe:
    """Validate a recipe; relative paths lie below ``base``. Raises InputError."""
    try:
        return Recipe.model_validate(_expanded(data), context={"base": base})
    except ValidationError as error:
        raise InputError("; ".join(f"{name}: {_sentence(one, Recipe)}" for one in error.errors())) from None


def override(data: dict[str, Any], assignment: str) -> None:
    """Put ``key=value`` into ``data``: a dotted key, the value as YAML. Raises InputError."""
    path, equals, value = assignment.partition("=")
    if not equals or not path:
        raise InputError(f"--set {assignment}: write it as key=value, for example judge.min_lang_score=0.5")
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
        raise InputError(f"--set {assignment}: the recipe has no such place") from None
    except yaml.YAMLError:
        raise InputError(f"--set {assignment}: the value is not valid YAML") from None


def parse_section(kind: type[AnySection], assignments: Iterable[str]) -> AnySection:
    """One section alone, from ``key=value`` assignments. Raises InputError."""
    data: dict[str, Any] = {}
    for assignment in assignments:
        override(data, assignment)
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise InputError("; ".join(f"--set {_sentence(one, kind)}" for one in error.errors())) from None


def dump_recipe(recipe: Recipe) -> str:
    """The recipe as validated, defaults filled in."""
    return yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _expanded(value: Any) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(_variable, value)
    if isinstance(value, list):
        return [_expanded(item) for item in value]
    if isinstance(value, dict):
        return {name: _expanded(item) for name, item in value.items()}
    return value


def _variable(match: re.Match[str]) -> str:
    value = os.environ.get(match[1], match[2])
    if value is None:
        name = match[1]
        raise InputError(f"the recipe names ${{{name}}}, which is not set: export it, or write ${{{name}:-default}}")
    return value


def _sentence(error: Any, model: type[BaseModel]) -> str:
    where = ".".join(map(str, error["loc"])) or "the recipe"
    if error["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(error["loc"][-1]), _keys_at(error["loc"][:-1], model), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{where}: no such key{hint}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def _keys_at(location: tuple[Any, ...], model: Any) -> list[str]:
    """The keys that the schema knows where an unknown one stood."""
    for part in location:
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation)
    return list(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for a in getattr(annotation, "__args__", ()) if (found := _model_in(a)) is not None), None)

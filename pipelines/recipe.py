"""Recipes: what a corpus is built from, and how. YAML, validated by pydantic; each package defines its own section.

Strings may contain ``${NAME}`` or ``${NAME:-default}`` from the environment, for names that the user allows
(``pipelines.variables``). Relative paths are relative to the folder of the recipe.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import yaml
from pydantic import Field, PrivateAttr, ValidationError, model_validator

from gristmill.corpus.metadata import META_PREFIX
from gristmill.corpus.recipe_section import ByteSize, Section
from gristmill.corpus.source_kind import SourceKind
from gristmill.corpus.validation_errors import describe_error
from gristmill.corpus.yaml_files import apply_override, read_mapping
from gristmill.errors import InputError
from gristmill.extraction.extract_section import ExtractSection
from gristmill.mixing.mix_section import BY_SOURCE, MixSection
from gristmill.pipelines.variables import REMEDY, expand, has_userinfo, refuse_userinfo, unexpanded, values_used
from gristmill.tokenization.tokenizer_section import TokenizerSection, TokenizeSection
from gristmill.training.train_section import TrainSection
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.line_dedup.repeats_section import RepeatsSection
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.scorers import ScorerChoice
from gristmill.transforms.read.source_section import SourceSection, crawl_source
from gristmill.transforms.refine.refine_section import RefineSection

AnySection = TypeVar("AnySection", bound=Section)


class Recipe(Section):
    """Everything that determines the content of a corpus, and nothing about where or with how many workers it runs."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", description="Name of the corpus.")
    unit_size: ByteSize = Field(256 * 2**20, ge=2**16, description="Size of one unit of work, in bytes of input.")
    sources: list[SourceSection] = Field(min_length=1, description="The inputs of the corpus.")
    extract: ExtractSection = ExtractSection()
    scores: tuple[ScorerChoice, ...] = Field(
        default=(), description="Scorers (fastText classifiers, KenLM, word lists, transformers) and their thresholds."
    )
    judge: JudgeSection = JudgeSection()
    dedup: DedupSection = DedupSection()
    repeats: RepeatsSection | None = Field(
        default=None, description="Cut lines, paragraphs and long spans that documents share; null to keep them."
    )
    refine: RefineSection = RefineSection()
    tokenizer: TokenizerSection = TokenizerSection()
    tokenize: TokenizeSection = TokenizeSection()
    mix: MixSection = MixSection()
    train: TrainSection = TrainSection()
    _variables: dict[str, str] = PrivateAttr(default={})

    @model_validator(mode="after")
    def _distinct_sources(self) -> Recipe:
        names = [source.name for source in self.sources]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two sources are named {twice[0]!r}; source names must be unique")
        return self

    @model_validator(mode="after")
    def _known_sources(self) -> Recipe:
        names = sorted(source.name for source in self.sources)
        named = {
            "judge.overlays": [overlay.source for overlay in self.judge.all_overlays if overlay.source is not None],
            **{f"sources of the score {scorer.name!r}": scorer.sources or () for scorer in self.scores},
            "dedup.priority": self.dedup.priority,
            "repeats.exclude_sources": self.repeats.exclude_sources if self.repeats else (),
            "refine.redact.exclude_sources": self.refine.redact.exclude_sources if self.refine.redact else (),
            "mix.weights": (self.mix.weights or ()) if self.mix.groups == BY_SOURCE else (),
        }
        for key, used in named.items():
            if unknown := sorted(set(used) - set(names)):
                raise ValueError(f"{key} names an unknown source {unknown[0]!r}; the sources are {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _distinct_scores(self) -> Recipe:
        names = [scorer.name for scorer in self.scores]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two scores are named {twice[0]!r}; score names must be unique")
        return self

    @model_validator(mode="after")
    def _overlays_take_effect(self) -> Recipe:
        scores = sorted(scorer.name for scorer in self.scores)
        for overlay in self.judge.all_overlays:
            if unknown := sorted(set(overlay.scores) - set(scores)):
                known = f"the scores are {', '.join(scores)}" if scores else "the recipe has no `scores`"
                raise ValueError(f"judge.overlays names an unknown score {unknown[0]!r}; {known}")
        for overlay in self.judge.overlays:
            if not overlay.for_sources(self.source_kinds):
                raise ValueError(
                    f"judge.overlays: no source is of the kind {overlay.kind!r} that an overlay selects; set `kind` of "
                    "a source, or remove the overlay"
                )
        return self

    @model_validator(mode="after")
    def _kept_metadata(self) -> Recipe:
        if not self.judge.uses_meta:
            return self
        judge = self.judge_by_source
        used = False
        for source in self.sources:
            rules = judge.policy(None, source.name).meta
            used = used or rules == self.judge.meta
            overlaid = [overlay.meta or {} for overlay in judge.all_overlays if overlay.source in (None, source.name)]
            for column in (column for columns in (rules, *overlaid) for column in columns):
                if column not in source.keep_columns:
                    raise ValueError(
                        f"a rule of judge.meta compares {column!r} of source {source.name!r}, which does not keep it: "
                        "add it to `keep_columns` of the source, or set `meta` in an overlay for other sources"
                    )
        if self.judge.meta and not used:
            raise ValueError(
                "judge.meta applies to no source, because overlays replace it; set `meta` in an overlay for the source"
            )
        return self

    @model_validator(mode="after")
    def _kept_columns(self) -> Recipe:
        kept = {column for source in self.sources for column in source.keep_columns}
        for key, names in (("dedup.quality", [self.dedup.quality or ""]), ("mix.groups", self.mix.groups)):
            for name in names:
                column = name.removeprefix(META_PREFIX)
                if column != name and column not in kept:
                    raise ValueError(f"{key} names {name!r}, but no source keeps {column!r}; add it to `keep_columns`")
        return self

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that the recipe uses, and their values; empty for those not set."""
        return self._variables

    @property
    def source_kinds(self) -> dict[str, SourceKind]:
        """The kind of each source, by name."""
        return {source.name: source.kind for source in self.sources}

    @property
    def judge_by_source(self) -> JudgeSection:
        """The judge section with overlays by kind replaced by overlays by source, for workers."""
        return self.judge.for_sources(self.source_kinds)

    def source(self, name: str) -> SourceSection:
        return next(source for source in self.sources if source.name == name)


def load_recipe(
    url: str | None,
    overrides: Iterable[str] = (),
    crawls: Iterable[str] = (),
    sample: int | None = None,
    env: Iterable[str] = (),
) -> Recipe:
    """Load the recipe at ``url``, add ``crawls`` as sources, then apply ``key=value`` overrides.

    Without ``url``, the crawls are the only sources. ``env`` are the environment variables that the recipe may use.
    Raises InputError with one sentence per problem.
    """
    if url is not None and has_userinfo(url):
        raise InputError(f"the recipe's URL has credentials: {REMEDY}")
    crawled = [crawl_source(crawl, sample) for crawl in crawls]
    if not crawled and sample is not None:
        raise InputError("--sample needs a crawl to sample from: add --crawl CC-MAIN-YYYY-WW")
    if url is None and not crawled:
        raise InputError("nothing to run: give a recipe, or a crawl with --crawl CC-MAIN-YYYY-WW")
    data = read_mapping(url, "recipe", "a mapping with at least `name` and `sources`") if url is not None else {}
    if crawled:
        _add_sources(data, crawled)
    for one in overrides:
        apply_override(data, one, "--set")
    if url is None:
        return parse_recipe(data, os.getcwd(), "--crawl", env)
    base = os.path.dirname(url) if "://" in url else os.path.dirname(os.path.abspath(url))
    return parse_recipe(data, base, url, env)


def parse_recipe(
    data: Mapping[str, Any], base: str | None = None, name: str = "recipe", env: Iterable[str] = ()
) -> Recipe:
    """Validate a recipe that may use the variables ``env``; relative paths are relative to ``base``.

    Raises InputError.
    """
    expanded = expand(dict(data), frozenset(env), name)
    refuse_userinfo(expanded, name)
    recipe = _validated(Recipe, expanded, name, base)
    recipe._variables = values_used(dict(data))
    return recipe


def parse_section(kind: type[AnySection], assignments: Iterable[str]) -> AnySection:
    """Build a single section from ``key=value`` assignments. Raises InputError."""
    data: dict[str, Any] = {}
    for assignment in assignments:
        apply_override(data, assignment, "--set")
    return _validated(kind, data, "--set", None)


def dump_recipe(recipe: Recipe) -> str:
    """The validated recipe as YAML, including defaults, with ``${NAME}`` in place of the values of variables."""
    data = unexpanded(recipe.model_dump(mode="json"), recipe.variables)
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _add_sources(data: dict[str, Any], sources: list[dict[str, Any]]) -> None:
    """Append ``sources`` to those of the recipe; they replace sources of the same name."""
    names = [source["name"] for source in sources]
    present = data.get("sources") or []
    if isinstance(present, list):  # otherwise validation reports the error
        others = [source for source in present if not (isinstance(source, dict) and source.get("name") in names)]
        data["sources"] = [*others, *sources]
    data.setdefault("name", names[0])


def _validated(kind: type[AnySection], data: Any, name: str, base: str | None) -> AnySection:
    try:
        return kind.model_validate(data, context={"base": base})
    except ValidationError as error:
        faults = "; ".join(describe_error(fault, data, kind) for fault in error.errors())
        raise InputError(f"{name}: {faults}") from None

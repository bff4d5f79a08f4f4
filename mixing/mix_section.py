"""The recipe section ``mix``."""

from __future__ import annotations

from pydantic import Field, model_validator

from gristmill.corpus.metadata import META_PREFIX
from gristmill.corpus.recipe_section import Section

BY_SOURCE = ("source",)


class MixSection(Section):
    """The share of each group in the training data, and the size of sequences and shards."""

    groups: tuple[str, ...] = Field(
        BY_SOURCE,
        min_length=1,
        description="Columns whose values form the groups of the mixture: `source`, `lang`, or `meta.` and the name of "
        "a kept column. A group of several columns is named by its values, joined by slashes: web/en; a value that is "
        "missing is `und`.",
    )
    alpha: float = Field(
        0.7,
        ge=0,
        le=1,
        description="The share of a group of n tokens is proportional to n**alpha: 1 keeps the proportions of the "
        "groups, 0 gives equal shares. 0.7 (multilingual BERT) raises small groups slightly; XLM-R and mT5 use 0.3 "
        "for languages.",
    )
    weights: dict[str, float] | None = Field(
        None, description="Factor of each group's share; 0 excludes the group. Groups not listed have 1."
    )
    max_epochs: float = Field(
        4.0,
        gt=0,
        allow_inf_nan=False,
        description="Maximum number of epochs of a group; the other groups make up the difference. Up to 4 epochs, "
        "repeated data is nearly as good as new data (Muennighoff et al. 2023, 'Scaling Data-Constrained Language "
        "Models').",
    )
    tokens: int | None = Field(
        None, ge=1, description="Number of training tokens. The default is one epoch of all groups."
    )
    sequence_length: int = Field(1024, ge=1, description="Number of tokens of a training sequence.")
    shard_tokens: int = Field(
        1 << 24,
        ge=1,
        description="Number of tokens of a shard file, a multiple of sequence_length. The last shard may be shorter.",
    )
    seed: int = Field(0, ge=0, description="Seed of the order of documents, buckets and groups.")

    @model_validator(mode="after")
    def _check(self) -> MixSection:
        if self.shard_tokens % self.sequence_length:
            raise ValueError(
                f"shard_tokens ({self.shard_tokens}) must be a multiple of sequence_length ({self.sequence_length})"
            )
        for name in self.groups:
            if name not in ("source", "lang") and not name.startswith(META_PREFIX):
                raise ValueError(f"no column {name!r} can form groups: use source, lang, or meta. and a kept column")
        if len(set(self.groups)) < len(self.groups):
            raise ValueError("`groups` names a column twice")
        if bad := sorted(name for name, weight in (self.weights or {}).items() if not 0 <= weight < float("inf")):
            raise ValueError(f"the weight of group {bad[0]!r} must be a finite number of at least 0")
        return self

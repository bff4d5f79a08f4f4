"""The recipe section ``mix``."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, NamedTuple

from pydantic import Field, model_validator

from gristmill.corpus.metadata import META_PREFIX
from gristmill.corpus.recipe_section import RuntimeMark, Section

BY_SOURCE = ("source",)

Shares = dict[str, Annotated[float, Field(ge=0, le=1)]]
Weights = dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]


def _check_shares(least: Shares, most: Shares) -> None:
    """Raise ValueError if no mixture can have these shares."""
    if (total := sum(Fraction(str(share)) for share in least.values())) > 1:
        raise ValueError(f"min_shares add up to {float(total):g}, more than 1")
    for name in sorted(least.keys() & most.keys()):
        if least[name] > most[name]:
            raise ValueError(f"min_shares of {name!r} ({least[name]:g}) is above its max_shares ({most[name]:g})")


class Mixture(NamedTuple):
    """What decides the shares of a stage; ``tokens`` is None if they follow from the size of the groups."""

    name: str
    tokens: int | None
    alpha: float
    weights: Weights
    min_shares: Shares
    max_shares: Shares

    @property
    def keys(self) -> str:
        """Where its keys are in the recipe, for messages."""
        return f"mix.stages ({self.name})" if self.name else "mix"


class MixStage(Section):
    """A part of the training with a mixture of its own. What it leaves out is that of ``mix``."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", description="Name of the stage, such as general or annealing.")
    tokens: int = Field(ge=1, description="Number of training tokens of the stage.")
    alpha: float | None = Field(None, ge=0, le=1, description="As `mix.alpha`.")
    weights: Weights | None = Field(None, description="As `mix.weights`; replaces all of them.")
    min_shares: Shares | None = Field(None, description="As `mix.min_shares`; replaces all of them.")
    max_shares: Shares | None = Field(None, description="As `mix.max_shares`; replaces all of them.")


class WeightChange(Section):
    """Other weights from a sequence on, until the next change or the end of the stage."""

    sequence: int = Field(ge=1, description="Position of the first sequence with these weights.")
    weights: Weights = Field(description="As `mix.weights`; replaces all of them.")


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
    weights: Weights | None = Field(
        None, description="Factor of each group's share; 0 excludes the group. Groups not listed have 1."
    )
    min_shares: Shares = Field({}, description="Least share of a group, whatever its size and weight: {books: 0.1}.")
    max_shares: Shares = Field({}, description="Greatest share of a group; the other groups make up the difference.")
    max_epochs: float = Field(
        4.0,
        gt=0,
        allow_inf_nan=False,
        description="Maximum number of epochs of a group, over all stages; the other groups make up the difference. "
        "Up to 4 epochs, repeated data is nearly as good as new data (Muennighoff et al. 2023, 'Scaling "
        "Data-Constrained Language Models').",
    )
    tokens: int | None = Field(
        None,
        ge=1,
        description="Number of training tokens. The default is one epoch of all groups, or the sum of `stages`.",
    )
    stages: tuple[MixStage, ...] = Field(
        (),
        description="Parts of the training, one after the other, each with a mixture of its own. A group goes on where "
        "the stage before stopped, so that no token is repeated before its group is exhausted.",
    )
    changes: Annotated[tuple[WeightChange, ...], RuntimeMark()] = Field(
        (),
        description="Changes of the weights while a training runs, by position; append only. Shards that end before a "
        "change are not written again, and the other groups go on where they are.",
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
        for mixture in self.mixtures:
            _check_shares(mixture.min_shares, mixture.max_shares)
        if self.stages and self.tokens is not None:
            raise ValueError("`tokens` is the sum of those of `stages`: leave it out")
        if len({stage.name for stage in self.stages}) < len(self.stages):
            raise ValueError("`stages` has a name twice")
        positions = [change.sequence for change in self.changes]
        if positions != sorted(set(positions)):
            raise ValueError("`changes` must be sorted by `sequence`, each position once")
        return self

    @property
    def mixtures(self) -> tuple[Mixture, ...]:
        """The mixture of each stage; a single one without a name if there are no stages."""
        whole = Mixture("", self.tokens, self.alpha, self.weights or {}, self.min_shares, self.max_shares)
        parts = (stage.model_dump(exclude_none=True) for stage in self.stages)
        return tuple(whole._replace(**part) for part in parts) or (whole,)

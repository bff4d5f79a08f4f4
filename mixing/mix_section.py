"""The recipe's section for the stage ``mix``."""

from __future__ import annotations

from pydantic import Field, model_validator

from gristmill.corpus.recipe_section import Section


class MixSection(Section):
    """How much of each source is in the training data, and how it is cut."""

    alpha: float = Field(
        0.7,
        ge=0,
        le=1,
        description="A source of n tokens is asked for in proportion to n**alpha: 1 takes sources as they are, 0 takes "
        "all alike. 0.7 (as for multilingual BERT) lifts small sources gently; XLM-R and mT5 use 0.3 for languages.",
    )
    weights: dict[str, float] | None = Field(
        None, description="Multiplies the proportion of the sources named; 0 leaves a source out. Others have 1."
    )
    max_epochs: float = Field(
        4.0,
        gt=0,
        allow_inf_nan=False,
        description="No source is repeated more often; what it cannot give, the others do. Up to 4 epochs repeated "
        "data is nearly as good as new (Muennighoff et al. 2023, 'Scaling Data-Constrained Language Models').",
    )
    tokens: int | None = Field(
        None, ge=1, description="Training tokens wanted; without it as many as the sources hold together, once."
    )
    sequence_length: int = Field(1024, ge=1, description="Tokens of one training sequence.")
    shard_tokens: int = Field(
        1 << 24, ge=1, description="Tokens of one shard file, a multiple of sequence_length; the last may be shorter."
    )
    seed: int = Field(0, ge=0, description="Chooses the order of documents, buckets and sources.")

    @model_validator(mode="after")
    def _check(self) -> MixSection:
        if self.shard_tokens % self.sequence_length:
            raise ValueError(
                f"shard_tokens ({self.shard_tokens}) must be a multiple of sequence_length ({self.sequence_length})"
            )
        if bad := sorted(name for name, weight in (self.weights or {}).items() if not 0 <= weight < float("inf")):
            raise ValueError(f"the weight of source {bad[0]!r} must be a number that is not negative")
        return self

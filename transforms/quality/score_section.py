"""The ``scores`` section of a recipe: a list of scorers, and what each asks of a document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from gristmill.corpus.recipe_section import Asset, Location, Section

_MODEL_KEEP = (
    "Keep about this share, in hundredths, by the percentiles of the reference in the model's card, never by "
    "those of the corpus at hand."
)


class Scorer(Section):
    """What all scorers share: a name, the documents they see, and limits. A score at a limit passes; so does none."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$", description="Name of the score: its column and reason are `score:<name>`."
    )
    languages: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Score documents in these languages (ISO 639) only; null for all."
    )
    min: float | None = Field(default=None, description="Documents that score lower go.")
    max: float | None = Field(default=None, description="Documents that score higher go.")

    @property
    def column(self) -> str:
        """The name of the score's column, and of the reason that it gives."""
        return f"score:{self.name}"


class Calibrated(Scorer):
    """A scorer whose model has a card with percentiles of a reference."""

    keep: float | None = Field(default=None, gt=0, lt=1, multiple_of=0.01, description=_MODEL_KEEP)

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if self.keep is not None and (self.min is not None or self.max is not None):
            raise ValueError("`keep` sets the limit by the model's card: leave out `min` and `max`, or `keep`")
        return self


class FastText(Calibrated):
    """The probability of a label under a fastText classifier."""

    kind: Literal["fasttext"] = "fasttext"
    model: Asset | None = Field(
        default=None, description="A fastText .bin or .ftz file; without it the small English model that ships."
    )
    label: str = Field(default="positive", description="The label whose probability is the score.")


class Kenlm(Calibrated):
    """Perplexity under a KenLM language model; lower is better. Needs the extra `kenlm`."""

    kind: Literal["kenlm"] = "kenlm"
    model: Asset = Field(description="An ARPA file or a binary of KenLM.")


class WordLists(Scorer):
    """Words of a list for each thousand words."""

    kind: Literal["words"] = "words"
    lists: dict[str, Asset] = Field(
        min_length=1, description="A file of words and phrases, one a line, by language (ISO 639)."
    )


class Transformer(Scorer):
    """A sequence classifier in the manner of Hugging Face, asked last. Needs the extra `transformers`."""

    kind: Literal["transformer"] = "transformer"
    model: Location = Field(description="The folder of the model: config.json, weights, tokenizer.")
    label: str | None = Field(
        default=None, description="The label whose probability is the score; null where the model has one output."
    )
    max_tokens: int = Field(default=512, ge=1, description="Tokens of a text that are read, from its beginning.")


AnyScorer = FastText | Kenlm | WordLists | Transformer
ScorerChoice = Annotated[AnyScorer, Field(discriminator="kind")]


class OneScorer(Section):
    """A scorer alone, for texts at hand."""

    scorer: ScorerChoice

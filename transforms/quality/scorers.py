"""The ``scores`` section of a recipe: each kind of scorer, its options, its thresholds, and how its model is opened.

A scorer gives every document a number. To add a kind of scorer, add a class to this module and to ``SCORER_TYPES``, and
the model itself as a module of ``gristmill.classifiers``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import reduce
from importlib.util import find_spec
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import Self

from gristmill.classifiers import QUALITY_MODEL
from gristmill.classifiers.score import Scorer
from gristmill.corpus.character_tables import UNICODE_VERSION
from gristmill.corpus.recipe_section import Asset, Location, Section, key_config
from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.keys import asset_hash, key_of, library_versions


class ScorerSection(Section):
    """What all scorers have in common: a name, the documents to score, and thresholds.

    A document passes if its score is at a threshold, or if it has no score. Modules that need an optional package are
    imported by ``open`` and ``check``.
    """

    version: ClassVar[int] = 1
    """To be incremented when the same text and model get another score."""
    libraries: ClassVar[tuple[str, ...]] = ()
    """Distributions that compute the score."""
    package: ClassVar[str | None] = None
    """An optional package that the scorer needs, which is also the name of Gristmill's extra that installs it."""
    expensive: ClassVar[bool] = False
    """Expensive scorers run last, and only on documents that pass all other rules."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="Name of the score. Its column, and the drop reason that it gives, are `score:<name>`.",
    )
    languages: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Score only documents in these languages (ISO 639); null for all."
    )
    sources: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Score only documents of these sources; null for all."
    )
    min: float | None = Field(default=None, description="Minimum score; documents with a lower score are dropped.")
    max: float | None = Field(default=None, description="Maximum score; documents with a higher score are dropped.")

    @property
    def column(self) -> str:
        """The name of the score's column, and of its drop reason."""
        return f"score:{self.name}"

    @abstractmethod
    def open(self) -> Scorer:
        """Load the model. Raises InputError if that is impossible."""

    def check(self) -> None:
        """Raises InputError if the scorer's package is missing, or if its model is found to be invalid at low cost."""
        if self.package is not None and find_spec(self.package) is None:
            raise InputError(
                f"scores: {self.name} needs the package {self.package}, which is not installed; "
                f"pip install 'gristmill[{self.package}]'"
            )

    def model_hash(self) -> str | None:
        """Return the hash of the model for the scorer's key, if no field of type ``Asset`` holds its path."""
        return None


class CalibratedScorer(ScorerSection):
    """A scorer whose model may have a card with the percentiles of a reference set."""

    higher_is_better: ClassVar[bool] = True

    keep: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        multiple_of=0.01,
        description="Keep about this share of documents, in steps of 0.01. The threshold comes from the percentiles of "
        "the reference set in the model's card, never from the corpus.",
    )

    @model_validator(mode="after")
    def _one_kind_of_threshold(self) -> Self:
        if self.keep is not None and (self.min is not None or self.max is not None):
            raise ValueError("`keep` takes the threshold from the model's card: remove `min` and `max`, or `keep`")
        return self

    @abstractmethod
    def model_url(self) -> str:
        """Return the path or URL of the model."""


class FastText(CalibratedScorer):
    """The probability of a label, computed by a fastText classifier."""

    libraries: ClassVar[tuple[str, ...]] = ("fasttext-community",)

    kind: Literal["fasttext"] = "fasttext"
    model: Asset | None = Field(
        default=None, description="A fastText .bin or .ftz file; null for the small English model that is included."
    )
    label: str = Field(default="positive", description="The label whose probability is the score.")

    def model_url(self) -> str:
        return self.model or str(QUALITY_MODEL)

    def open(self) -> Scorer:
        from gristmill.classifiers.text_model import TextClassifier

        return TextClassifier.load(self.model_url(), self.label)

    def check(self) -> None:
        super().check()
        self.open()

    def model_hash(self) -> str:
        return asset_hash(self.model_url())


class Kenlm(CalibratedScorer):
    """Perplexity under a KenLM language model; lower is better. Needs the extra `kenlm`."""

    libraries: ClassVar[tuple[str, ...]] = ("kenlm",)
    package: ClassVar[str | None] = "kenlm"
    higher_is_better: ClassVar[bool] = False

    kind: Literal["kenlm"] = "kenlm"
    model: Asset = Field(description="An ARPA file or a KenLM binary.")

    def model_url(self) -> str:
        return self.model

    def open(self) -> Scorer:
        from gristmill.classifiers.perplexity import PerplexityScorer

        return PerplexityScorer.load(self.model)

    def check(self) -> None:
        super().check()
        self.open()


class WordLists(ScorerSection):
    """Occurrences of listed words per thousand words."""

    kind: Literal["words"] = "words"
    lists: dict[str, Asset] = Field(
        min_length=1, description="A file of words and phrases, one per line, for each language (ISO 639)."
    )

    def open(self) -> Scorer:
        from gristmill.classifiers.word_list import WordListScorer

        return WordListScorer.load(self.lists)

    def check(self) -> None:
        super().check()
        self.open()


class Transformer(ScorerSection):
    """A Hugging Face sequence classifier, which runs last. Needs the extra `transformers`."""

    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "tokenizers")
    package: ClassVar[str | None] = "transformers"
    expensive: ClassVar[bool] = True

    kind: Literal["transformer"] = "transformer"
    model: Location = Field(description="The folder of the model, with config.json, weights and tokenizer.")
    label: str | None = Field(
        default=None, description="The label whose probability is the score; null if the model has a single output."
    )
    max_tokens: int = Field(default=512, ge=1, description="Number of tokens to read from the start of each text.")

    def open(self) -> Scorer:
        from gristmill.classifiers.transformer import TransformerScorer

        return TransformerScorer.load(self.model, self.label, self.max_tokens)

    def check(self) -> None:
        super().check()
        from gristmill.classifiers.transformer import require_label

        require_label(self.model, self.label)

    def model_hash(self) -> str:
        return asset_hash(storage.join(self.model, "*"))


SCORER_TYPES = (FastText, Kenlm, WordLists, Transformer)
"""The kinds of scorers that a recipe may name."""

if TYPE_CHECKING:
    ScorerChoice: TypeAlias = ScorerSection
else:
    ScorerChoice = Annotated[reduce(or_, SCORER_TYPES), Field(discriminator="kind")]


class AdhocScoreSection(Section):
    """A single scorer, for ``gristmill classifier score``."""

    scorer: ScorerChoice


def cheap_scorers(scorers: Sequence[ScorerSection]) -> list[ScorerSection]:
    """Return the scorers that score every document, in the recipe's order."""
    return [scorer for scorer in scorers if not scorer.expensive]


def expensive_scorers(scorers: Sequence[ScorerSection]) -> list[ScorerSection]:
    """Return the scorers that score only documents that pass all rules before them, in the recipe's order."""
    return [scorer for scorer in scorers if scorer.expensive]


def scorer_key(scorer: ScorerSection) -> str:
    """Return a key of everything that determines the score of a text: equal keys, equal scores.

    The scorer's name, languages, sources and thresholds are not part of it.
    """
    config = {name: value for name, value in key_config(scorer).items() if name not in _IRRELEVANT_TO_SCORE}
    model_hash = scorer.model_hash()
    if model_hash is not None:
        config["model"] = model_hash
    return key_of(scorer.version, library_versions(scorer.libraries), UNICODE_VERSION, config)


_IRRELEVANT_TO_SCORE = {"name", "languages", "sources", "min", "max", "keep"}


def scorers_key_config(scorers: Sequence[ScorerSection]) -> list[Any]:
    """Return the scorers as the key of their stage holds them: the columns, their scorers' keys and their scope.

    Sources at their default stay out, so that scores from before they could be set remain valid.
    """
    return [
        [scorer.column, scorer_key(scorer), scorer.languages, *([scorer.sources] if scorer.sources else [])]
        for scorer in scorers
    ]

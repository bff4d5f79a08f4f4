"""The ``judge`` section of a recipe: which rules, in which order, with which thresholds, for whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, NamedTuple, TypeAlias, get_args

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self

from gristmill.corpus.section import Section

QualityRule: TypeAlias = Literal[
    "language_score",
    "words_min",
    "words_max",
    "word_length_min",
    "word_length_max",
    "hashes",
    "ellipses",
    "bullet_lines",
    "ellipsis_lines",
    "alphabetic_words",
    "stop_words",
]
RepetitionRule: TypeAlias = Literal[
    "duplicate_lines",
    "duplicate_line_chars",
    "duplicate_paragraphs",
    "duplicate_paragraph_chars",
]

ThresholdName: TypeAlias = Literal[QualityRule, RepetitionRule]
"""Rules that compare a number with a threshold."""

RuleName: TypeAlias = Literal["language", ThresholdName]
"""Every rule, and the reason that it gives."""

RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)

DEFAULT_RULES: tuple[RuleName, ...] = ("language", *get_args(QualityRule))
"""Not those of repetition: of 633 pages of human-reviewed main text they drop another 33, among them 8 of 42 pages of
technical documentation, whose code and terms make short lines that return."""


def _distinct(rules: tuple[RuleName, ...]) -> tuple[RuleName, ...]:
    if len(set(rules)) < len(rules):
        raise ValueError("a rule is named twice; its first place decides, so name it once")
    return rules


RuleOrder: TypeAlias = Annotated[tuple[RuleName, ...], AfterValidator(_distinct)]


class Thresholds(Section):
    """A limit for each rule; the value at the limit passes. Defaults: Gopher (Rae et al. 2021, A1.1)."""

    words_min: float = Field(default=50, description="Fewest words.")
    words_max: float = Field(default=100_000, description="Most words.")
    word_length_min: float = Field(default=3, description="Least mean length of a word, in characters.")
    word_length_max: float = Field(default=10, description="Greatest mean length of a word, in characters.")
    hashes: float = Field(default=0.1, description="Most number signs (#) for each word.")
    ellipses: float = Field(default=0.1, description="Most ellipses (… or ...) for each word.")
    bullet_lines: float = Field(default=0.9, description="Greatest share of lines that begin with a bullet.")
    ellipsis_lines: float = Field(default=0.3, description="Greatest share of lines that end with an ellipsis.")
    alphabetic_words: float = Field(default=0.8, description="Least share of words that hold a letter.")
    stop_words: float = Field(default=2, description="Fewest different stop words. Languages without a list pass.")
    duplicate_lines: float = Field(
        default=0.3, description="Greatest share of lines that stood before in the text (table A1)."
    )
    duplicate_line_chars: float = Field(
        default=0.2, description="Greatest share of characters in such lines (table A1)."
    )
    duplicate_paragraphs: float = Field(
        default=0.3, description="Greatest share of paragraphs that stood before in the text (table A1)."
    )
    duplicate_paragraph_chars: float = Field(
        default=0.2, description="Greatest share of characters in such paragraphs (table A1)."
    )


class Overlay(Section):
    """Other thresholds or other rules for the documents of one language, one source, or one language of a source."""

    lang: str | None = Field(default=None, description="Language (ISO 639) for which this holds; null for any.")
    source: str | None = Field(default=None, description="Name of the source for which this holds; null for any.")
    rules: RuleOrder | None = Field(
        default=None,
        description="Rules in place of the section's, in order; an empty list keeps everything. Null: the same.",
    )
    thresholds: dict[ThresholdName, float] = Field(
        default={},
        description="Thresholds that replace the section's; those not named stay. `language_score` included.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lang is None and self.source is None:
            raise ValueError("an overlay needs `lang` or `source`; for all documents write it into the section itself")
        if self.rules is None and not self.thresholds:
            raise ValueError("an overlay needs `rules` or `thresholds`: this one changes nothing")
        return self

    def covers(self, lang: str | None, source: str) -> bool:
        return self.lang in (None, lang) and self.source in (None, source)


class Policy(NamedTuple):
    """What holds for the documents of one language and source, overlays applied."""

    wanted: bool  # whether the recipe wants the language at all
    rules: tuple[RuleName, ...]
    thresholds: Mapping[ThresholdName, float]


_UNSPACED: dict[ThresholdName, float] = {
    "words_min": 80,  # characters count as words here, and a word of prose has about 1.6 of them
    "words_max": 160_000,
    "word_length_min": 1,
    "hashes": 0.06,
    "ellipses": 0.06,
}

LANGUAGE_OVERLAYS = (
    *(Overlay(lang=lang, thresholds=_UNSPACED) for lang in ("zh", "ja", "th", "lo", "km", "my")),
    Overlay(lang="ko", thresholds={"word_length_min": 2}),  # a syllable block is one character of two or three letters
    Overlay(lang="vi", thresholds={"word_length_min": 2}),  # spaces part syllables, not words
)
"""For languages whose words the tokenizer cuts into characters or syllables: Gopher's limits are for English words."""


class JudgeSection(Section):
    """Which documents stay. A document goes by the first rule that it fails, in the order of ``rules``."""

    languages: tuple[str, ...] | None = Field(
        default=None, description="Languages to keep (ISO 639, as the language step names them); null for all."
    )
    min_lang_score: float = Field(
        default=0.65,
        ge=0,
        le=1,
        description="Least confidence of the language step (FineWeb's default). Documents without a score pass.",
    )
    rules: RuleOrder = Field(
        default=DEFAULT_RULES,
        description="Rules to apply. The order decides which one is a document's reason.",
    )
    thresholds: Thresholds = Field(default=Thresholds(), description="The limits of the rules.")
    language_overlays: tuple[Overlay, ...] = Field(
        default=LANGUAGE_OVERLAYS,
        description="Built-in exceptions for languages written without spaces, or in syllables. A list of your own "
        "replaces them all; `overlays` adds to them.",
    )
    overlays: tuple[Overlay, ...] = Field(
        default=(), description="Exceptions by language and source. Where several cover a document, the later one wins."
    )

    def policy(self, lang: str | None, source: str) -> Policy:
        """The rules and thresholds for documents of ``lang`` and ``source``."""
        rules = self.rules
        thresholds: dict[ThresholdName, float] = {"language_score": self.min_lang_score, **_named(self.thresholds)}
        for overlay in (*self.language_overlays, *self.overlays):
            if overlay.covers(lang, source):
                rules = rules if overlay.rules is None else overlay.rules
                thresholds |= overlay.thresholds
        return Policy(self.languages is None or lang in self.languages, rules, thresholds)


def _named(thresholds: Thresholds) -> dict[ThresholdName, float]:
    return {name: getattr(thresholds, name) for name in get_args(ThresholdName) if name in Thresholds.model_fields}

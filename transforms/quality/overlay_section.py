"""Overlays of the ``judge`` section: exceptions by language, kind of source and source, and the built-in ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self

from gristmill.corpus.recipe_section import Section
from gristmill.corpus.source_kind import SourceKind
from gristmill.transforms.quality.character_flags import UNSPACED_LANGUAGES
from gristmill.transforms.quality.line_rules_section import LineRules, reject_duplicates
from gristmill.transforms.quality.meta_rules import MetaRule
from gristmill.transforms.quality.rule_table import RuleName, ThresholdName

RuleOrder: TypeAlias = Annotated[tuple[RuleName, ...], AfterValidator(reject_duplicates)]


class ScoreLimits(Section):
    """The limits of a score, in place of those of its scorer."""

    min: float | None = Field(default=None, description="Minimum score; documents with a lower score are dropped.")
    max: float | None = Field(default=None, description="Maximum score; documents with a higher score are dropped.")
    keep: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        multiple_of=0.01,
        description="Keep about this share of documents, by the percentiles in the card of the scorer's model.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.keep is not None and (self.min is not None or self.max is not None):
            raise ValueError("`keep` takes the threshold from the model's card: remove `min` and `max`, or `keep`")
        return self


class Overlay(Section):
    """Different rules for the documents that all of `lang`, `kind` and `source` select."""

    lang: str | None = Field(
        default=None, description="Language (ISO 639) to which the overlay applies; null for every language."
    )
    kind: SourceKind | None = Field(
        default=None, description="Kind of the sources to which the overlay applies; null for every kind."
    )
    source: str | None = Field(
        default=None, description="Name of the source to which the overlay applies; null for every source."
    )
    rules: RuleOrder | None = Field(
        default=None,
        description="Rules that replace the section's, in order. An empty list keeps every document, whatever its "
        "scores and metadata, except for `scores` and `meta` of this overlay and later ones. Null: no change.",
    )
    thresholds: dict[ThresholdName, float] = Field(
        default={},
        description="Thresholds that replace the section's, `language_score` included; others do not change.",
    )
    scores: dict[str, ScoreLimits | None] = Field(
        default={},
        description="Limits by name of a score, in place of the scorer's; null for none. Others do not change.",
    )
    meta: dict[str, MetaRule] | None = Field(
        default=None, description="Rules on metadata that replace all of the section's. Null: no change."
    )
    lines: LineRules | None = Field(default=None, description="Line rules that replace the section's. Null: no change.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lang is None and self.kind is None and self.source is None:
            raise ValueError(
                "an overlay needs `lang`, `kind` or `source`; for all documents, set the values in the section"
            )
        if self.rules is None and self.meta is None and self.lines is None and not (self.thresholds or self.scores):
            raise ValueError(
                "an overlay needs `rules`, `thresholds`, `scores`, `meta` or `lines`: this one changes nothing"
            )
        return self

    def covers(self, lang: str | None, source: str) -> bool:
        """Return whether the overlay applies. One that selects a kind does not: see ``for_sources``."""
        return self.kind is None and self.lang in (None, lang) and self.source in (None, source)

    def for_sources(self, kinds: Mapping[str, SourceKind]) -> tuple[Overlay, ...]:
        """Return overlays that apply to the same documents without naming a kind. ``kinds`` are those of sources."""
        if self.kind is None:
            return (self,)
        names = [name for name, kind in kinds.items() if kind == self.kind and self.source in (None, name)]
        return tuple(self.model_copy(update={"kind": None, "source": name}) for name in names)


_UNSPACED: dict[ThresholdName, float] = {
    "words_min": 80,  # every character is a word here; a real word has about 1.6 characters
    "words_max": 160_000,
    "word_length_min": 1,
    "hashes": 0.06,
    "ellipses": 0.06,
    "newlines": 0.19,
    "long_lines": 0,  # 200 characters are three times as much text here
}

LANGUAGE_OVERLAYS = (
    *(Overlay(lang=lang, thresholds=_UNSPACED) for lang in UNSPACED_LANGUAGES),
    Overlay(lang="ko", thresholds={"word_length_min": 2}),  # a syllable block is one character of two or three letters
    Overlay(lang="vi", thresholds={"word_length_min": 2}),  # spaces separate syllables, not words
)
"""For languages whose words the tokenizer splits into characters or syllables; Gopher's limits are for English."""

_BOOK_RULES: RuleOrder = (
    # Without `words_max`: of 63 English books it dropped 18, which were 59 % of the bytes. Without rules on layout:
    # dialogue begins with a dash in up to 69 % of a French novel's lines (`bullet_lines`) and trails off (`ellipses`,
    # `ellipsis_lines`); lines of print and verse neither end with a period nor fill the page.
    "language",
    "language_score",
    "words_min",
    "word_length_min",
    "word_length_max",
    "hashes",
    "alphabetic_words",
    "stop_words",
    "top_2_gram",
    "top_3_gram",
    "top_4_gram",
    "lorem_ipsum",
)

_REFERENCE_RULES: RuleOrder = (
    # Entries are short, follow a template, and consist of names, symbols, tables and lists, so rules on prose do not
    # apply. Of 48,067 English pages of an API reference, `language_score` dropped 10,229, and n-grams, stop words and
    # number signs 4,350; of 48,744 pages in seven languages, 7,952 and 4,863. `lorem_ipsum` is text in examples.
    "language",
    "words_min",
    "alphabetic_words",
)

_DIALOGUE_RULES: RuleOrder = (
    # Turns are short and informal, begin with dashes (`bullet_lines`), trail off (`ellipses`, `ellipsis_lines`), and
    # repeat names, greetings and answers (n-grams). A log of a day may exceed `words_max`.
    "language",
    "language_score",
    "words_min",
    "word_length_min",
    "word_length_max",
    "hashes",
    "alphabetic_words",
    "stop_words",
    "lorem_ipsum",
)

_NO_CUTS = LineRules()  # line rules cut the boilerplate of web pages, and would cut verse, dialogue and code

KIND_OVERLAYS = (
    Overlay(
        kind="book",
        rules=_BOOK_RULES,
        lines=_NO_CUTS,
        thresholds={"language_score": 0.3},  # old spelling, verse and passages in other languages lower the confidence
    ),
    Overlay(kind="code", rules=(), lines=_NO_CUTS),  # rules and classifiers of prose do not apply to code
    Overlay(
        kind="reference",
        rules=_REFERENCE_RULES,
        lines=_NO_CUTS,
        thresholds={
            "words_min": 20,  # fewer are stubs: a name and `Constructor.`
            "alphabetic_words": 0.5,  # fewer are dumps of numbers
        },
    ),
    Overlay(
        kind="dialogue",
        rules=_DIALOGUE_RULES,
        lines=_NO_CUTS,
        thresholds={
            "language_score": 0.3,  # slang, abbreviations and emoticons lower the confidence
            "words_min": 20,  # a question and its answer
            "word_length_min": 2,  # ok, u, no, hm
            "alphabetic_words": 0.5,  # every line of a log may begin with a time
            "stop_words": 1,
        },
    ),
)
"""For sources of each kind but ``web``, for which the rules were made. They apply after ``LANGUAGE_OVERLAYS``."""

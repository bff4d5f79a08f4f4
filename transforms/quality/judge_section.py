"""The ``judge`` section of a recipe: which rules, in which order, with which thresholds, for whom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias, get_args

from pydantic import AfterValidator, Field, model_validator
from typing_extensions import Self

from gristmill.corpus.recipe_section import RuntimeMark, Section
from gristmill.transforms.quality.presets import PRESETS
from gristmill.transforms.quality.rule_names import LineRuleName, PresetName, RuleName, ThresholdName, Variant


def _distinct(rules: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(rules)) < len(rules):
        raise ValueError("a rule is named twice; its first place decides, so name it once")
    return rules


RuleOrder: TypeAlias = Annotated[tuple[RuleName, ...], AfterValidator(_distinct)]


class Thresholds(Section):
    """A limit for each rule; the value at the limit passes."""

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
    top_2_gram: float = Field(
        default=0.2, description="Greatest share of characters in the most frequent pair of words (table A1)."
    )
    top_3_gram: float = Field(default=0.18, description="The same of three words.")
    top_4_gram: float = Field(default=0.16, description="The same of four words.")
    duplicate_5_grams: float = Field(
        default=0.15, description="Greatest share of characters in five words that occur again (table A1)."
    )
    duplicate_6_grams: float = Field(default=0.14, description="The same of six words.")
    duplicate_7_grams: float = Field(default=0.13, description="The same of seven words.")
    duplicate_8_grams: float = Field(default=0.12, description="The same of eight words.")
    duplicate_9_grams: float = Field(default=0.11, description="The same of nine words.")
    duplicate_10_grams: float = Field(default=0.1, description="The same of ten words.")
    sentences: float = Field(default=3, description="Fewest sentences in the lines that `lines` leaves (C4).")
    lorem_ipsum: float = Field(default=0, description="Most occurrences of `lorem ipsum` (C4).")
    curly_brackets: float = Field(default=0, description="Most opening curly brackets (C4).")
    cut_words: float = Field(
        default=0.05, description="Greatest share of words in lines that `lines` cuts (RefinedWeb, G.2)."
    )
    line_punctuation: float = Field(
        default=0.12, description="Least share of lines that end with a terminal mark (FineWeb)."
    )
    short_lines: float = Field(
        default=0.67, description="Greatest share of lines of less than 30 characters (FineWeb)."
    )
    repeated_line_chars: float = Field(
        default=0.1,
        description="The same as `duplicate_line_chars`, of lines that are left (FineWeb).",
    )
    newlines: float = Field(default=0.3, description="Most lines for each word (FineWeb's code).")
    long_lines: float = Field(default=3, description="Fewest lines of at least 200 characters (mC4).")
    technical_characters: float = Field(
        default=0.2, description="Greatest share of the characters 0-9{}+/()> (MADLAD-400)."
    )


class LineRules(Section):
    """Lines, and parts of lines, that are cut out of the documents that stay.

    `judge` counts what would go and `refine` cuts it. Other line rules have documents measured, not extracted, again.
    """

    rules: Annotated[tuple[LineRuleName, ...], AfterValidator(_distinct)] = Field(
        default=(),
        description="What goes. Of C4: `citations` ([1], [edit]; cut out of their lines), `long_word`, `terminal_mark` "
        "(lines that end with none, or with an ellipsis), `few_words`, `javascript`, `policy`. Of RefinedWeb: "
        "`uppercase`, `numeric`, `counter` (3 likes), `one_word`, `boilerplate` (Read more...; cut out of its line).",
    )
    min_words: int = Field(default=5, ge=0, description="Words that a line needs (`few_words`).")
    max_word_length: int = Field(default=1000, ge=1, description="Longest word that a line may hold (`long_word`).")
    max_uppercase: float = Field(
        default=0.5, ge=0, le=1, description="Greatest share of capital letters in a line (`uppercase`)."
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
    lines: LineRules | None = Field(default=None, description="Line rules in place of the section's. Null: the same.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lang is None and self.source is None:
            raise ValueError("an overlay needs `lang` or `source`; for all documents write it into the section itself")
        if self.rules is None and not self.thresholds and self.lines is None:
            raise ValueError("an overlay needs `rules`, `thresholds` or `lines`: this one changes nothing")
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
    "newlines": 0.19,
    "long_lines": 0,  # 200 characters are three times as much text here
}

LANGUAGE_OVERLAYS = (
    *(Overlay(lang=lang, thresholds=_UNSPACED) for lang in ("zh", "ja", "th", "lo", "km", "my")),
    Overlay(lang="ko", thresholds={"word_length_min": 2}),  # a syllable block is one character of two or three letters
    Overlay(lang="vi", thresholds={"word_length_min": 2}),  # spaces part syllables, not words
)
"""For languages whose words the tokenizer cuts into characters or syllables: Gopher's limits are for English words."""


class JudgeSection(Section):
    """Which documents stay. A document goes by the first rule that it fails, in the order of ``rules``.

    A preset fills in ``variant``, ``rules``, ``thresholds`` and ``lines`` where they are not given.
    """

    preset: Annotated[PresetName, RuntimeMark()] = Field(
        default="gristmill",
        description="Rules, thresholds and line rules to begin with: our own (`gristmill`), or those of the paper. "
        "What else the section says replaces the preset's, threshold by threshold.",
    )
    variant: Variant = Field(
        default="paper",
        description="How signals are counted: by the wording of the papers, in all languages; or so that verdicts are "
        "those of `datatrove` or `dclm`, which count words, lines and repetitions in ways of their own.",
    )
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
        default=PRESETS["gristmill"].rules,
        description="Rules to apply. The order decides which one is a document's reason.",
    )
    thresholds: Thresholds = Field(default=Thresholds(), description="The limits of the rules.")
    lines: LineRules = Field(default=LineRules(), description="What is cut out of the lines of documents that stay.")
    language_overlays: tuple[Overlay, ...] = Field(
        default=LANGUAGE_OVERLAYS,
        description="Built-in exceptions for languages written without spaces, or in syllables. A list of your own "
        "replaces them all; `overlays` adds to them.",
    )
    overlays: tuple[Overlay, ...] = Field(
        default=(), description="Exceptions by language and source. Where several cover a document, the later one wins."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_preset(cls, data: Any) -> Any:
        """What is not given, the preset gives; what it says wrongly, the fields' own checks refuse."""
        preset = PRESETS.get(data.get("preset", "gristmill")) if isinstance(data, dict) else None
        if preset is None:
            return data
        given = {"variant": preset.variant, "rules": preset.rules} | data
        for name, filled in (("thresholds", preset.thresholds), ("lines", preset.lines)):
            own = given.get(name, {})
            if isinstance(own, Section):
                own = own.model_dump(exclude_unset=True)
            given[name] = {**filled, **own} if isinstance(own, dict) else own
        return given

    def policy(self, lang: str | None, source: str) -> Policy:
        """The rules and thresholds for documents of ``lang`` and ``source``."""
        rules = self.rules
        thresholds: dict[ThresholdName, float] = {"language_score": self.min_lang_score, **_named(self.thresholds)}
        for overlay in self._covering(lang, source):
            rules = rules if overlay.rules is None else overlay.rules
            thresholds |= overlay.thresholds
        return Policy(self.languages is None or lang in self.languages, rules, thresholds)

    def line_rules(self, lang: str | None, source: str) -> LineRules:
        """The line rules for documents of ``lang`` and ``source``."""
        lines = self.lines
        for overlay in self._covering(lang, source):
            lines = lines if overlay.lines is None else overlay.lines
        return lines

    def measures(self) -> dict[str, Any]:
        """What of this section shapes the signals, as plain JSON: thresholds and rules do not."""
        overlays = [o for o in (*self.language_overlays, *self.overlays) if o.lines is not None]
        return {
            "variant": self.variant,
            "lines": self.lines.model_dump(mode="json"),
            "overlays": [o.model_dump(mode="json", include={"lang", "source", "lines"}) for o in overlays],
        }

    def _covering(self, lang: str | None, source: str) -> list[Overlay]:
        return [o for o in (*self.language_overlays, *self.overlays) if o.covers(lang, source)]


def _named(thresholds: Thresholds) -> dict[ThresholdName, float]:
    return {name: getattr(thresholds, name) for name in get_args(ThresholdName) if name in Thresholds.model_fields}

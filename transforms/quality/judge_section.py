"""The ``judge`` section of a recipe: rules, their order and thresholds, and exceptions by language and source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import AfterValidator, Field, create_model, model_validator
from typing_extensions import Self

from gristmill.corpus.recipe_section import RuntimeMark, Section
from gristmill.transforms.quality.character_flags import UNSPACED_LANGUAGES
from gristmill.transforms.quality.line_rules_section import LineRules, reject_duplicates
from gristmill.transforms.quality.presets import PRESETS, PresetName
from gristmill.transforms.quality.rule_table import RULES, RuleName, ThresholdName
from gristmill.transforms.quality.signal_table import Variant

RuleOrder: TypeAlias = Annotated[tuple[RuleName, ...], AfterValidator(reject_duplicates)]

_THRESHOLD_FIELDS: Any = {
    name: (float, Field(default=rule.threshold, description=rule.description))
    for name, rule in RULES.items()
    if name != "language_score"  # its threshold is ``min_lang_score``
}


class Thresholds(create_model("_Thresholds", __base__=Section, **_THRESHOLD_FIELDS)):  # type: ignore[misc]
    """A threshold for each rule; a document at the threshold passes."""


class Overlay(Section):
    """Different thresholds or rules for the documents of a language, of a source, or of a language of a source."""

    lang: str | None = Field(
        default=None, description="Language (ISO 639) to which the overlay applies; null for every language."
    )
    source: str | None = Field(
        default=None, description="Name of the source to which the overlay applies; null for every source."
    )
    rules: RuleOrder | None = Field(
        default=None,
        description="Rules that replace the section's, in order; an empty list keeps every document. Null: no change.",
    )
    thresholds: dict[ThresholdName, float] = Field(
        default={},
        description="Thresholds that replace the section's, `language_score` included; others do not change.",
    )
    lines: LineRules | None = Field(default=None, description="Line rules that replace the section's. Null: no change.")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.lang is None and self.source is None:
            raise ValueError("an overlay needs `lang` or `source`; for all documents, set the values in the section")
        if self.rules is None and not self.thresholds and self.lines is None:
            raise ValueError("an overlay needs `rules`, `thresholds` or `lines`: this one changes nothing")
        return self

    def covers(self, lang: str | None, source: str) -> bool:
        return self.lang in (None, lang) and self.source in (None, source)


class Policy(NamedTuple):
    """What applies to the documents of one language and source, overlays included."""

    language_wanted: bool
    rules: tuple[RuleName, ...]
    thresholds: Mapping[ThresholdName, float]


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


class JudgeSection(Section):
    """Which documents are kept. The first rule that a document fails, in the order of ``rules``, is its drop reason.

    A preset sets ``variant``, ``rules``, ``thresholds`` and ``lines`` where the recipe does not.
    """

    preset: Annotated[PresetName, RuntimeMark()] = Field(
        default="gristmill",
        description="Rules, thresholds and line rules to start from: ours (`gristmill`), or those of a paper. "
        "Other keys of this section replace the preset's values, threshold by threshold.",
    )
    variant: Variant = Field(
        default="paper",
        description="How signals are counted: as the papers define them, in all languages; or as `datatrove` or `dclm` "
        "count words, lines and repetitions, to reproduce their verdicts.",
    )
    languages: tuple[str, ...] | None = Field(
        default=None, description="Languages to keep (ISO 639, as identified by the language step); null for all."
    )
    min_lang_score: float = Field(
        default=RULES["language_score"].threshold,
        ge=0,
        le=1,
        description="Minimum confidence of the language step (FineWeb's default). Documents without a score pass.",
    )
    rules: RuleOrder = Field(
        default=PRESETS["gristmill"].rules,
        description="Rules to apply. The first one that a document fails is its drop reason.",
    )
    thresholds: Thresholds = Field(default=Thresholds(), description="Thresholds of the rules.")
    lines: LineRules = Field(
        default=LineRules(), description="Lines, and parts of lines, to cut out of documents that are kept."
    )
    language_overlays: tuple[Overlay, ...] = Field(
        default=LANGUAGE_OVERLAYS,
        description="Built-in overlays for languages written without spaces, or with spaces between syllables. A list "
        "of your own replaces all of them; `overlays` adds to them.",
    )
    overlays: tuple[Overlay, ...] = Field(
        default=(), description="Exceptions by language and source. If several apply to a document, the last one wins."
    )

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, data: Any) -> Any:
        """Set what is not given to the preset's values. Invalid values are left to the validation of the fields."""
        preset = PRESETS.get(data.get("preset", "gristmill")) if isinstance(data, dict) else None
        if preset is None:
            return data
        merged = {"variant": preset.variant, "rules": preset.rules} | data
        for name, preset_values in (("thresholds", preset.thresholds), ("lines", preset.lines)):
            values = merged.get(name, {})
            if isinstance(values, Section):
                values = values.model_dump(exclude_unset=True)
            merged[name] = {**preset_values, **values} if isinstance(values, dict) else values
        return merged

    def policy(self, lang: str | None, source: str) -> Policy:
        """Return the rules and thresholds for documents of ``lang`` and ``source``."""
        rules = self.rules
        thresholds: dict[ThresholdName, float] = {"language_score": self.min_lang_score, **dict(self.thresholds)}
        for overlay in self._overlays_for(lang, source):
            rules = rules if overlay.rules is None else overlay.rules
            thresholds |= overlay.thresholds
        return Policy(self.languages is None or lang in self.languages, rules, thresholds)

    def line_rules(self, lang: str | None, source: str) -> LineRules:
        """Return the line rules for documents of ``lang`` and ``source``."""
        lines = self.lines
        for overlay in self._overlays_for(lang, source):
            lines = lines if overlay.lines is None else overlay.lines
        return lines

    def signals_key_config(self) -> dict[str, Any]:
        """Return the part of this section that affects signals, as plain JSON: neither thresholds nor rules."""
        overlays = [overlay for overlay in (*self.language_overlays, *self.overlays) if overlay.lines is not None]
        return {
            "variant": self.variant,
            "lines": self.lines.model_dump(mode="json"),
            "overlays": [overlay.model_dump(mode="json", include={"lang", "source", "lines"}) for overlay in overlays],
        }

    def _overlays_for(self, lang: str | None, source: str) -> list[Overlay]:
        return [overlay for overlay in (*self.language_overlays, *self.overlays) if overlay.covers(lang, source)]

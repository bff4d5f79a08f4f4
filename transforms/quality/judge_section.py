"""The ``judge`` section of a recipe: rules, their order and thresholds, and exceptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import Field, create_model, model_validator

from gristmill.corpus.recipe_section import RuntimeMark, Section
from gristmill.corpus.source_kind import SourceKind
from gristmill.transforms.quality.line_rules_section import LineRules
from gristmill.transforms.quality.meta_rules import MetaRule
from gristmill.transforms.quality.overlay_section import (
    KIND_OVERLAYS,
    LANGUAGE_OVERLAYS,
    Overlay,
    RuleOrder,
    ScoreLimits,
)
from gristmill.transforms.quality.presets import PRESETS, PresetName
from gristmill.transforms.quality.rule_table import RULES, RuleName, ThresholdName
from gristmill.transforms.quality.signal_table import Variant

_THRESHOLD_FIELDS: Any = {
    name: (float, Field(default=rule.threshold, description=rule.description))
    for name, rule in RULES.items()
    if name != "language_score"  # its threshold is ``min_lang_score``
}


class Thresholds(create_model("_Thresholds", __base__=Section, **_THRESHOLD_FIELDS)):  # type: ignore[misc]
    """A threshold for each rule; a document at the threshold passes."""


class Policy(NamedTuple):
    """What applies to the documents of one language and source, overlays included.

    Documents are judged by ``rules``, then by ``meta``, then by their scores.
    """

    language_wanted: bool
    rules: tuple[RuleName, ...]
    thresholds: Mapping[ThresholdName, float]
    meta: Mapping[str, MetaRule] = {}
    scores: Mapping[str, ScoreLimits] = {}
    """Limits in place of the scorers' own, by name of the score."""
    scorers_apply: bool = True
    """Whether the limits of scorers apply that ``scores`` does not replace."""


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
    meta: dict[str, MetaRule] = Field(
        default={},
        description="Rules on metadata, by name of a column that the source keeps (`keep_columns`). They apply after "
        "`rules`; their drop reason is `meta:<column>`.",
    )
    lines: LineRules = Field(
        default=LineRules(), description="Lines, and parts of lines, to cut out of documents that are kept."
    )
    language_overlays: tuple[Overlay, ...] = Field(
        default=LANGUAGE_OVERLAYS,
        description="Built-in overlays for languages written without spaces, or with spaces between syllables. A list "
        "of your own replaces all of them; `overlays` adds to them.",
    )
    kind_overlays: tuple[Overlay, ...] = Field(
        default=KIND_OVERLAYS,
        description="Built-in overlays for sources of the kinds `book` (no limit on length, no rules on layout), "
        "`code` (keeps everything), `reference` (short pages, templates, lists and symbols pass) and `dialogue` "
        "(short, informal and repeated lines pass); none of them cuts lines. They apply after `language_overlays`. A "
        "list of your own replaces all of them; `overlays` adds to them.",
    )
    overlays: tuple[Overlay, ...] = Field(
        default=(),
        description="Exceptions by language, kind and source. If several apply to a document, the last one wins.",
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

    def for_sources(self, kinds: Mapping[str, SourceKind]) -> JudgeSection:
        """Return an equivalent section whose overlays name no kinds, for sources of these ``kinds``."""

        def expand(overlays: tuple[Overlay, ...]) -> tuple[Overlay, ...]:
            return tuple(expanded for overlay in overlays for expanded in overlay.for_sources(kinds))

        return self.with_overlays(expand)

    def with_overlays(self, change: Callable[[tuple[Overlay, ...]], tuple[Overlay, ...]]) -> JudgeSection:
        """Return a section in which each of the three lists of overlays is changed."""
        lists = ("language_overlays", "kind_overlays", "overlays")
        return self.model_copy(update={name: change(getattr(self, name)) for name in lists})

    @property
    def all_overlays(self) -> tuple[Overlay, ...]:
        """All overlays, in the order in which they apply."""
        return (*self.language_overlays, *self.kind_overlays, *self.overlays)

    @property
    def overlaid_kinds(self) -> set[SourceKind]:
        """The kinds of sources that overlays select."""
        return {overlay.kind for overlay in self.all_overlays if overlay.kind is not None}

    @property
    def uses_meta(self) -> bool:
        """Whether any rule compares metadata."""
        return bool(self.meta) or any(overlay.meta for overlay in self.all_overlays)

    def policy(self, lang: str | None, source: str) -> Policy:
        """Return the rules and thresholds for documents of ``lang`` and ``source``."""
        overlays = self._overlays_for(lang, source)
        thresholds: dict[ThresholdName, float] = {"language_score": self.min_lang_score, **dict(self.thresholds)}
        for overlay in overlays:
            thresholds |= overlay.thresholds
        last = max((index for index, overlay in enumerate(overlays) if overlay.rules is not None), default=None)
        rules = self.rules if last is None else overlays[last].rules or ()
        meta, scores = self.meta, dict[str, ScoreLimits]()
        keeps_all = last is not None and not rules
        if keeps_all:  # then only this overlay and later ones set rules on metadata and scores
            overlays, meta = overlays[last:], {}
        for overlay in overlays:
            meta = meta if overlay.meta is None else overlay.meta
            scores |= {name: limits or ScoreLimits() for name, limits in overlay.scores.items()}
        wanted = self.languages is None or lang in self.languages
        return Policy(wanted, rules, thresholds, meta, scores, scorers_apply=not keeps_all)

    def line_rules(self, lang: str | None, source: str) -> LineRules:
        """Return the line rules for documents of ``lang`` and ``source``."""
        lines = self.lines
        for overlay in self._overlays_for(lang, source):
            lines = lines if overlay.lines is None else overlay.lines
        return lines

    def signals_key_config(self) -> dict[str, Any]:
        """Return the part of this section that affects signals, as plain JSON: neither thresholds nor rules."""
        included = {"lang", "kind", "source", "lines"}
        return {
            "variant": self.variant,
            "lines": self.lines.model_dump(mode="json"),
            "overlays": [
                overlay.model_dump(mode="json", include=included)
                for overlay in self.all_overlays
                if overlay.lines is not None
            ],
        }

    def _overlays_for(self, lang: str | None, source: str) -> list[Overlay]:
        return [overlay for overlay in self.all_overlays if overlay.covers(lang, source)]

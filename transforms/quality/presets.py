"""Known sets of rules. A preset is a beginning: what a recipe says besides replaces it, threshold by threshold.

``gopher``: Rae et al. 2021, A1.1 and table A1. ``c4``: Raffel et al. 2020, 2.2, with the numbers of TensorFlow Datasets
(lines of five words, three sentences); its blocklist of words and its languages are other steps. ``fineweb``: Penedo et
al. 2024, 3.3 to 3.5: Gopher, C4 but for terminal marks (with three words and five sentences, as in its code), and rules
of its own; of repeated lines its paper allows a tenth of the characters, its code a hundredth. ``refinedweb``: Penedo
et al. 2023, G.1 and G.2. ``dclm``: Li et al. 2024, the heuristic part of DCLM-Baseline, which is RefinedWeb as read by
its authors.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

from gristmill.transforms.quality.rule_names import (
    C4LineRule,
    C4Rule,
    FineWebRule,
    PresetName,
    QualityRule,
    RefinedWebLineRule,
    RepetitionRule,
    RuleName,
    ThresholdName,
    Variant,
)


class Preset(NamedTuple):
    """Rules in order, thresholds other than the rules' own defaults, and line rules."""

    rules: tuple[RuleName, ...]
    thresholds: Mapping[ThresholdName, float] = {}
    lines: Mapping[str, Any] = {}
    variant: Variant = "paper"


_LANGUAGE: tuple[RuleName, ...] = ("language", "language_score")
_QUALITY: tuple[RuleName, ...] = tuple(rule for rule in get_args(QualityRule) if rule != "language_score")
_REPETITION: tuple[RuleName, ...] = get_args(RepetitionRule)
_GOPHER = (*_LANGUAGE, *_QUALITY, *_REPETITION)
_FINEWEB_LINES = tuple(rule for rule in get_args(C4LineRule) if rule != "terminal_mark")

PRESETS: Mapping[PresetName, Preset] = {
    "gristmill": Preset((*_LANGUAGE, *_QUALITY, "top_2_gram", "top_3_gram", "top_4_gram", "lorem_ipsum")),
    "gopher": Preset(_GOPHER),
    "c4": Preset((*_LANGUAGE, *get_args(C4Rule)), lines={"rules": get_args(C4LineRule)}),
    "fineweb": Preset(
        (*_LANGUAGE, *_REPETITION, *_QUALITY, *get_args(C4Rule), *get_args(FineWebRule)),
        thresholds={"sentences": 5},
        lines={"rules": _FINEWEB_LINES, "min_words": 3},
    ),
    "refinedweb": Preset((*_GOPHER, "cut_words"), lines={"rules": get_args(RefinedWebLineRule)}),
    "dclm": Preset((*_GOPHER, "cut_words"), lines={"rules": get_args(RefinedWebLineRule)}, variant="dclm"),
}
"""``gristmill`` has of Gopher's repetition rules only those on the most frequent n-grams: of 633 pages of
human-reviewed main text they drop 5 beside the 24 that the quality rules drop, and of 496 templated reference pages 36
beside 66. All of Gopher's would drop 123 of the 633, among them 17 of 42 pages of technical documentation, whose terms
and code return."""

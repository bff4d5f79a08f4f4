"""Published rule sets to start from. A recipe's own settings replace a preset's, threshold by threshold.

- ``gopher``: Rae et al. 2021, A1.1 and table A1.
- ``c4``: Raffel et al. 2020, 2.2, with the numbers of TensorFlow Datasets (lines of five words, three sentences). Its
  word blocklist and its languages are separate steps.
- ``fineweb``: Penedo et al. 2024, 3.3 to 3.5: Gopher, C4 without terminal marks (three words and five sentences, as in
  its code), and rules of its own. Its paper allows a tenth of the characters in repeated lines, its code a hundredth.
- ``refinedweb``: Penedo et al. 2023, G.1 and G.2.
- ``dclm``: Li et al. 2024, the heuristics of DCLM-Baseline, which are RefinedWeb's as its authors understood them.
- ``gristmill``: our default. Of Gopher's repetition rules it has only those on the most frequent n-grams: on 633 pages
  of human-reviewed main text they drop 5 pages beyond the 24 that the quality rules drop, and 36 beyond 66 of 496
  templated reference pages. All of Gopher's repetition rules would drop 123 of the 633, among them 17 of 42 pages of
  technical documentation, which repeats its terms and code.

A rule's row in ``rule_table`` lists the presets that apply it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from gristmill.transforms.quality.line_rules_section import C4LineRule, RefinedWebLineRule
from gristmill.transforms.quality.rule_table import RuleName, ThresholdName, rules_of_preset
from gristmill.transforms.quality.signal_table import Variant


class Preset(NamedTuple):
    """Rules in order, thresholds that differ from the rules' defaults, and line rules."""

    rules: tuple[RuleName, ...]
    thresholds: Mapping[ThresholdName, float] = {}
    lines: Mapping[str, Any] = {}
    variant: Variant = "paper"


_FINEWEB_LINE_RULES = tuple(rule for rule in get_args(C4LineRule) if rule != "terminal_mark")

PRESETS: dict[str, Preset] = {
    "gristmill": Preset(rules_of_preset("gristmill")),
    "gopher": Preset(rules_of_preset("gopher")),
    "c4": Preset(rules_of_preset("c4"), lines={"rules": get_args(C4LineRule)}),
    "fineweb": Preset(
        rules_of_preset("fineweb", first="repetition"),
        thresholds={"sentences": 5},
        lines={"rules": _FINEWEB_LINE_RULES, "min_words": 3},
    ),
    "refinedweb": Preset(rules_of_preset("refinedweb"), lines={"rules": get_args(RefinedWebLineRule)}),
    "dclm": Preset(rules_of_preset("dclm"), lines={"rules": get_args(RefinedWebLineRule)}, variant="dclm"),
}

if TYPE_CHECKING:
    PresetName: TypeAlias = str
else:
    PresetName = Literal[tuple(PRESETS)]

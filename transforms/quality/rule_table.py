"""The quality rules, one row each: names, default thresholds, the recipe's schema and presets derive from this table.

A rule compares one signal of a document with one threshold; a document at the threshold passes. To add a rule, add a
row to ``RULES``. The order of the rows is the order in presets, and of the reasons in verdicts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

RuleFamily: TypeAlias = Literal["language", "quality", "repetition", "c4", "fineweb", "other"]
"""Where a rule comes from: the language step; Gopher's quality rules (Rae et al. 2021, A1.1); Gopher's repetition rules
(A1.1 and table A1); C4's document rules (Raffel et al. 2020, 2.2); FineWeb's own (Penedo et al. 2024, 3.5; ``newlines``
is in its code only); or RefinedWeb's limit on line-wise corrections (Penedo et al. 2023, G.2), mC4's on long lines (Xue
et al. 2021, 3.1) and MADLAD-400's on technical characters (Kudugunta et al. 2023, 2.3)."""


class Rule(NamedTuple):
    """A document passes if its ``signal`` is at least (``min``) or at most (``max``) the threshold.

    ``signal`` is the documents' ``lang_score`` or a column of a sidecar, such as those in ``SIGNALS``. ``threshold`` is
    the default; ``description`` documents the threshold in the recipe's schema; ``presets`` are the presets that apply
    the rule.
    """

    signal: str
    bound: Literal["min", "max"]
    threshold: float
    description: str
    family: RuleFamily
    presets: tuple[str, ...] = ()


_GOPHER = ("gopher", "fineweb", "refinedweb", "dclm")
_GOPHER_AND_OURS = ("gristmill", *_GOPHER)
_ALL = ("c4", *_GOPHER_AND_OURS)

RULES: dict[str, Rule] = {
    "language_score": Rule("lang_score", "min", 0.65, "Minimum confidence of the language step.", "language", _ALL),
    "words_min": Rule("words", "min", 50, "Minimum number of words.", "quality", _GOPHER_AND_OURS),
    "words_max": Rule("words", "max", 100_000, "Maximum number of words.", "quality", _GOPHER_AND_OURS),
    "word_length_min": Rule(
        "word_length", "min", 3, "Minimum mean word length, in characters.", "quality", _GOPHER_AND_OURS
    ),
    "word_length_max": Rule(
        "word_length", "max", 10, "Maximum mean word length, in characters.", "quality", _GOPHER_AND_OURS
    ),
    "hashes": Rule("hash_ratio", "max", 0.1, "Maximum number signs (#) per word.", "quality", _GOPHER_AND_OURS),
    "ellipses": Rule(
        "ellipsis_ratio", "max", 0.1, "Maximum ellipses (… or ...) per word.", "quality", _GOPHER_AND_OURS
    ),
    "bullet_lines": Rule(
        "bullet_lines", "max", 0.9, "Maximum share of lines that start with a bullet.", "quality", _GOPHER_AND_OURS
    ),
    "ellipsis_lines": Rule(
        "ellipsis_lines", "max", 0.3, "Maximum share of lines that end with an ellipsis.", "quality", _GOPHER_AND_OURS
    ),
    "alphabetic_words": Rule(
        "alphabetic_words", "min", 0.8, "Minimum share of words with at least one letter.", "quality", _GOPHER_AND_OURS
    ),
    "stop_words": Rule(
        "stop_words",
        "min",
        2,
        "Minimum number of different stop words. Documents in languages without a list pass.",
        "quality",
        _GOPHER_AND_OURS,
    ),
    "duplicate_lines": Rule(
        "duplicate_lines",
        "max",
        0.3,
        "Maximum share of lines that repeat an earlier line of the text (table A1).",
        "repetition",
        _GOPHER,
    ),
    "duplicate_line_chars": Rule(
        "duplicate_line_chars",
        "max",
        0.2,
        "Maximum share of characters in duplicate lines (table A1).",
        "repetition",
        _GOPHER,
    ),
    "duplicate_paragraphs": Rule(
        "duplicate_paragraphs",
        "max",
        0.3,
        "Maximum share of paragraphs that repeat an earlier paragraph of the text (table A1).",
        "repetition",
        _GOPHER,
    ),
    "duplicate_paragraph_chars": Rule(
        "duplicate_paragraph_chars",
        "max",
        0.2,
        "Maximum share of characters in duplicate paragraphs (table A1).",
        "repetition",
        _GOPHER,
    ),
    "top_2_gram": Rule(
        "top_2_gram",
        "max",
        0.2,
        "Maximum share of characters in the most frequent 2-gram of words (table A1).",
        "repetition",
        _GOPHER_AND_OURS,
    ),
    "top_3_gram": Rule(
        "top_3_gram",
        "max",
        0.18,
        "Maximum share of characters in the most frequent 3-gram of words (table A1).",
        "repetition",
        _GOPHER_AND_OURS,
    ),
    "top_4_gram": Rule(
        "top_4_gram",
        "max",
        0.16,
        "Maximum share of characters in the most frequent 4-gram of words (table A1).",
        "repetition",
        _GOPHER_AND_OURS,
    ),
    "duplicate_5_grams": Rule(
        "duplicate_5_grams",
        "max",
        0.15,
        "Maximum share of characters in 5-grams of words that occur more than once (table A1).",
        "repetition",
        _GOPHER,
    ),
    "duplicate_6_grams": Rule(
        "duplicate_6_grams",
        "max",
        0.14,
        "Maximum share of characters in 6-grams of words that occur more than once (table A1).",
        "repetition",
        _GOPHER,
    ),
    "duplicate_7_grams": Rule(
        "duplicate_7_grams",
        "max",
        0.13,
        "Maximum share of characters in 7-grams of words that occur more than once (table A1).",
        "repetition",
        _GOPHER,
    ),
    "duplicate_8_grams": Rule(
        "duplicate_8_grams",
        "max",
        0.12,
        "Maximum share of characters in 8-grams of words that occur more than once (table A1).",
        "repetition",
        _GOPHER,
    ),
    "duplicate_9_grams": Rule(
        "duplicate_9_grams",
        "max",
        0.11,
        "Maximum share of characters in 9-grams of words that occur more than once (table A1).",
        "repetition",
        _GOPHER,
    ),
    "duplicate_10_grams": Rule(
        "duplicate_10_grams",
        "max",
        0.1,
        "Maximum share of characters in 10-grams of words that occur more than once (table A1).",
        "repetition",
        _GOPHER,
    ),
    "sentences": Rule(
        "sentences", "min", 3, "Minimum number of sentences in lines that `lines` keeps (C4).", "c4", ("c4", "fineweb")
    ),
    "lorem_ipsum": Rule(
        "lorem_ipsum",
        "max",
        0,
        "Maximum occurrences of `lorem ipsum` (C4).",
        "c4",
        ("gristmill", "c4", "fineweb"),
    ),
    "curly_brackets": Rule(
        "curly_brackets", "max", 0, "Maximum number of opening curly brackets (C4).", "c4", ("c4", "fineweb")
    ),
    "line_punctuation": Rule(
        "line_punctuation",
        "min",
        0.12,
        "Minimum share of lines that end with a terminal punctuation mark (FineWeb).",
        "fineweb",
        ("fineweb",),
    ),
    "short_lines": Rule(
        "short_lines",
        "max",
        0.67,
        "Maximum share of lines shorter than 30 characters (FineWeb).",
        "fineweb",
        ("fineweb",),
    ),
    "repeated_line_chars": Rule(
        "repeated_line_chars",
        "max",
        0.1,
        "Maximum share of characters in duplicate lines, among lines that `lines` keeps (FineWeb).",
        "fineweb",
        ("fineweb",),
    ),
    "newlines": Rule("newlines", "max", 0.3, "Maximum lines per word (FineWeb's code).", "fineweb", ("fineweb",)),
    "cut_words": Rule(
        "cut_words",
        "max",
        0.05,
        "Maximum share of words in lines that `lines` cuts (RefinedWeb, G.2).",
        "other",
        ("refinedweb", "dclm"),
    ),
    "long_lines": Rule("long_lines", "min", 3, "Minimum number of lines of at least 200 characters (mC4).", "other"),
    "technical_characters": Rule(
        "technical_characters",
        "max",
        0.2,
        "Maximum share of the characters 0-9{}+/()> (MADLAD-400).",
        "other",
    ),
}
"""Every rule that compares a signal with a threshold, by name. The rule ``language`` has neither: it checks the
document's language against ``languages`` of the recipe."""

_NAMES = ("language", *RULES)

if TYPE_CHECKING:
    ThresholdName: TypeAlias = str
    RuleName: TypeAlias = str
else:
    ThresholdName = Literal[tuple(RULES)]
    RuleName = Literal[_NAMES]

RULE_NAMES: tuple[RuleName, ...] = _NAMES
"""Every rule, which is also the reason that verdicts give."""


def rules_of_preset(preset: str, first: RuleFamily | None = None) -> tuple[RuleName, ...]:
    """Return the rules of a preset in the order of the table, those of the family ``first`` before all but language."""
    names = [name for name, rule in RULES.items() if preset in rule.presets]
    order = ("language", first)
    return ("language", *sorted(names, key=lambda name: [RULES[name].family != family for family in order]))


def rules_of_families(*families: RuleFamily) -> tuple[RuleName, ...]:
    """Return the rules of these families, in the order of the table."""
    return tuple(name for name, rule in RULES.items() if rule.family in families)

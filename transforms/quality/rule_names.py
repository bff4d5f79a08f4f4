"""Names that recipes and verdicts use: rules, line rules, presets and variants."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

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
"""The language step's confidence, and Gopher's quality rules (Rae et al. 2021, A1.1)."""

RepetitionRule: TypeAlias = Literal[
    "duplicate_lines",
    "duplicate_line_chars",
    "duplicate_paragraphs",
    "duplicate_paragraph_chars",
    "top_2_gram",
    "top_3_gram",
    "top_4_gram",
    "duplicate_5_grams",
    "duplicate_6_grams",
    "duplicate_7_grams",
    "duplicate_8_grams",
    "duplicate_9_grams",
    "duplicate_10_grams",
]
"""Gopher's repetition rules (Rae et al. 2021, A1.1 and table A1)."""

C4Rule: TypeAlias = Literal["sentences", "lorem_ipsum", "curly_brackets"]
"""C4's rules for documents (Raffel et al. 2020, 2.2); those for lines are ``LineRuleName``."""

FineWebRule: TypeAlias = Literal["line_punctuation", "short_lines", "repeated_line_chars", "newlines"]
"""FineWeb's own (Penedo et al. 2024, 3.5); ``newlines`` is in its code alone."""

OtherRule: TypeAlias = Literal["cut_words", "long_lines", "technical_characters"]
"""RefinedWeb's limit on line-wise corrections (Penedo et al. 2023, G.2), mC4's on lines (Xue et al. 2021, 3.1) and
MADLAD-400's on technical characters (Kudugunta et al. 2023, 2.3)."""

ThresholdName: TypeAlias = Literal[QualityRule, RepetitionRule, C4Rule, FineWebRule, OtherRule]
"""Rules that compare a number with a threshold."""

RuleName: TypeAlias = Literal["language", ThresholdName]
"""Every rule, and the reason that it gives."""

RULE_NAMES: tuple[RuleName, ...] = get_args(RuleName)

C4LineRule: TypeAlias = Literal["citations", "long_word", "terminal_mark", "few_words", "javascript", "policy"]

RefinedWebLineRule: TypeAlias = Literal["uppercase", "numeric", "counter", "one_word", "boilerplate"]

LineRuleName: TypeAlias = Literal[C4LineRule, RefinedWebLineRule]
"""What is cut: whole lines, but for ``citations`` and ``boilerplate``, which are cut out of theirs."""

LINE_RULE_NAMES: tuple[LineRuleName, ...] = get_args(LineRuleName)

Variant: TypeAlias = Literal["paper", "datatrove", "dclm"]

PresetName: TypeAlias = Literal["gristmill", "gopher", "c4", "fineweb", "refinedweb", "dclm"]

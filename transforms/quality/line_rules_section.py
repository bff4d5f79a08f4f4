"""The ``lines`` section of a recipe: which lines, and parts of lines, are cut out of documents."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator, Field

from gristmill.corpus.recipe_section import Section

C4LineRule: TypeAlias = Literal["citations", "long_word", "terminal_mark", "few_words", "javascript", "policy"]

RefinedWebLineRule: TypeAlias = Literal["uppercase", "numeric", "counter", "one_word", "boilerplate"]

LineRuleName: TypeAlias = Literal[C4LineRule, RefinedWebLineRule]
"""Most line rules cut whole lines; ``citations`` and ``boilerplate`` cut parts of lines."""

LINE_RULE_NAMES: tuple[LineRuleName, ...] = get_args(LineRuleName)


def reject_duplicates(rules: tuple[str, ...]) -> tuple[str, ...]:
    """Return ``rules``. Raises ValueError if one is listed twice."""
    if len(set(rules)) < len(rules):
        raise ValueError("a rule is listed twice; list it once, where it should be applied")
    return rules


class LineRules(Section):
    """Lines, and parts of lines, to cut out of documents that are kept.

    `judge` counts what would be cut and `refine` cuts it. Changed line rules require new signals, but no new
    extraction.
    """

    rules: Annotated[tuple[LineRuleName, ...], AfterValidator(reject_duplicates)] = Field(
        default=(),
        description="Line rules to apply. From C4: `citations` ([1], [edit]; cut out of their lines), `long_word`, "
        "`terminal_mark` (lines that end without one, or with an ellipsis), `few_words`, `javascript`, `policy`. From "
        "RefinedWeb: `uppercase`, `numeric`, `counter` (3 likes), `one_word`, `boilerplate` (Read more...; cut out of "
        "its line).",
    )
    min_words: int = Field(default=5, ge=0, description="Minimum number of words in a line (`few_words`).")
    max_word_length: int = Field(default=1000, ge=1, description="Maximum length of a word in a line (`long_word`).")
    max_uppercase: float = Field(
        default=0.5, ge=0, le=1, description="Maximum share of uppercase letters in a line (`uppercase`)."
    )

"""Rules on metadata: what a document's kept columns (``keep_columns`` of its source) must and must not be.

Only the metadata of documents to which a rule applies is parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator
from typing_extensions import Self

from gristmill.corpus.arrays import Int64s
from gristmill.corpus.metadata import as_number, parse_meta
from gristmill.corpus.recipe_section import Section


class MetaFailure(NamedTuple):
    """The number that was compared, and the limit; None if the rule compares strings or the column is missing."""

    value: float | None = None
    threshold: float | None = None


class MetaRule(Section):
    """What a kept column must be: a number within limits, or a string that is allowed or not denied.

    If the column is a list, one allowed string is enough, and one denied string is too many. A column that is null, or
    of another type than the rule compares, counts as missing.
    """

    min: float | None = Field(default=None, description="Minimum number; a document at the minimum passes.")
    max: float | None = Field(default=None, description="Maximum number; a document at the maximum passes.")
    allow: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="Strings to keep, such as licenses; documents with others are dropped."
    )
    deny: tuple[str, ...] = Field(default=(), description="Strings to drop.")
    required: bool = Field(
        default=False,
        description="Whether documents without the column are dropped. By default they pass, like documents without a "
        "measurement or a score.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self._compares_numbers and self._compares_strings:
            raise ValueError("a column is a number or a string: set `min` and `max`, or `allow` and `deny`")
        if not (self._compares_numbers or self._compares_strings or self.required):
            raise ValueError("a rule on metadata needs `min`, `max`, `allow`, `deny` or `required: true`")
        return self

    def failure(self, value: Any) -> MetaFailure | None:
        """Return why a document with this value of the column fails, or None if it passes."""
        if self._compares_numbers:
            return self._number_failure(as_number(value))
        if self._compares_strings:
            return self._string_failure([item for item in _items(value) if isinstance(item, str)])
        return MetaFailure() if value is None else None

    @property
    def _compares_numbers(self) -> bool:
        return self.min is not None or self.max is not None

    @property
    def _compares_strings(self) -> bool:
        return self.allow is not None or bool(self.deny)

    def _number_failure(self, number: float | None) -> MetaFailure | None:
        if number is None:
            return MetaFailure() if self.required else None
        if self.min is not None and number < self.min:
            return MetaFailure(number, self.min)
        if self.max is not None and number > self.max:
            return MetaFailure(number, self.max)
        return None

    def _string_failure(self, strings: Sequence[str]) -> MetaFailure | None:
        if not strings:
            return MetaFailure() if self.required else None
        allowed = self.allow is None or any(string in self.allow for string in strings)
        return None if allowed and not any(string in self.deny for string in strings) else MetaFailure()


def meta_reason(column: str) -> str:
    """Return the drop reason of a rule on a column."""
    return f"meta:{column}"


def meta_failures(
    meta: pa.ChunkedArray, groups: Int64s, rules: Sequence[Mapping[str, MetaRule]]
) -> Iterator[tuple[int, str, MetaFailure]]:
    """Yield (document, column, failure) of every failed rule, by document, then in the order of the rules.

    ``rules`` are the rules of each group on columns, ``groups`` [documents] the group of each document.
    """
    judged = np.flatnonzero(np.array([bool(some) for some in rules], bool)[groups])
    for row, one in zip(judged.tolist(), meta.take(pa.array(judged)).to_pylist(), strict=True):
        for column, failure in failed_meta_rules(parse_meta(one), rules[groups[row]]):
            yield row, column, failure


def failed_meta_rules(values: Mapping[str, Any], rules: Mapping[str, MetaRule]) -> Iterator[tuple[str, MetaFailure]]:
    """Yield the column and the failure of each rule that a document with these kept columns fails."""
    for column, rule in rules.items():
        failure = rule.failure(values.get(column))
        if failure is not None:
            yield column, failure


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else [value]

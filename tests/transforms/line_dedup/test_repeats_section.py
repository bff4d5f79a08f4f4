"""Validation and defaults of the ``repeats`` section."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH
from gristmill.transforms.line_dedup.repeats_section import PassageRule, RepeatsSection, SpanRule


def test_defaults_of_a_passage_rule() -> None:
    section = RepeatsSection(lines=PassageRule())
    assert section.passage_rules == {LINE: PassageRule(min_words=10, min_count=2, keep="first")}


def test_passage_rules_by_kind() -> None:
    few = PassageRule(min_words=3)
    assert RepeatsSection(paragraphs=few).passage_rules == {PARAGRAPH: few}
    assert RepeatsSection(spans=SpanRule()).passage_rules == {}


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "has no rule"),
        ({"lines": {"min_count": 1}}, "min_count"),
        ({"lines": {"min_words": 0}}, "min_words"),
        ({"lines": {"keep": "last"}}, "keep"),
        ({"spans": {"min_bytes": 31}}, "min_bytes"),
        ({"spans": {"group_bytes": "1MB"}}, "group_bytes"),
        ({"lines": {}, "partitions": 48}, "power of two"),
    ],
)
def test_invalid_values_are_rejected(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        RepeatsSection.model_validate(fields)

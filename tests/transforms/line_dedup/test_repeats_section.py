"""The ``repeats`` section: what it accepts, and what it does where nothing more is said."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from gristmill.transforms.line_dedup.passage_hashes import LINE, PARAGRAPH
from gristmill.transforms.line_dedup.repeats_section import PassageRule, RepeatsSection, SpanRule


def test_of_what_is_asked_the_first_copy_stays_and_short_ones_do() -> None:
    section = RepeatsSection(lines=PassageRule())
    assert section.passage_rules == {LINE: PassageRule(min_words=10, min_count=2, keep="first")}


def test_kinds_are_told_apart() -> None:
    few = PassageRule(min_words=3)
    assert RepeatsSection(paragraphs=few).passage_rules == {PARAGRAPH: few}
    assert RepeatsSection(spans=SpanRule()).passage_rules == {}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({}, "names neither"),
        ({"lines": {"min_count": 1}}, "min_count"),
        ({"lines": {"min_words": 0}}, "min_words"),
        ({"lines": {"keep": "last"}}, "keep"),
        ({"spans": {"min_bytes": 31}}, "min_bytes"),
        ({"spans": {"group_bytes": "1MB"}}, "group_bytes"),
        ({"lines": {}, "partitions": 48}, "power of two"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        RepeatsSection.model_validate(given)

"""Rules on metadata: values at and beside limits, strings and lists, missing columns, and verdicts on tables."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from gristmill.corpus.metadata import as_number, meta_numbers
from gristmill.transforms.quality.apply_rules import Check, explain
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.meta_rules import MetaFailure, MetaRule
from gristmill.transforms.quality.verdicts_sidecar import VERDICTS_SCHEMA, document_columns, judge_table
from tests.transforms.quality.test_quality_rules import GOOD, documents, table

FAILS = MetaFailure()
LICENSES = {"allow": ["mit", "bsd"]}


@pytest.mark.parametrize(
    ("rule", "value", "failure"),
    [
        ({"min": 10}, 10, None),
        ({"min": 10}, 9.99, MetaFailure(9.99, 10)),
        ({"max": 10}, 10, None),
        ({"max": 10}, 11, MetaFailure(11, 10)),
        ({"min": 1, "max": 10}, 0, MetaFailure(0, 1)),
        ({"min": 1, "max": 10}, 12, MetaFailure(12, 10)),
        ({"max": 10}, 10**400, MetaFailure(float("inf"), 10)),
        ({"min": 10}, None, None),
        ({"min": 10}, "9", None),  # a string is no number
        ({"min": 10}, True, None),
        ({"min": 10}, float("nan"), None),
        ({"min": 10, "required": True}, None, FAILS),
        ({"min": 10, "required": True}, "11", FAILS),
        ({"min": 10, "required": True}, 10, None),
        (LICENSES, "mit", None),
        (LICENSES, "MIT", FAILS),
        (LICENSES, "gpl", FAILS),
        (LICENSES, None, None),
        (LICENSES, 3, None),
        (LICENSES, [], None),
        (LICENSES, ["gpl", "mit"], None),
        (LICENSES, ["gpl"], FAILS),
        (LICENSES | {"required": True}, None, FAILS),
        (LICENSES | {"required": True}, [], FAILS),
        (LICENSES | {"deny": ["gpl"]}, ["gpl", "mit"], FAILS),
        ({"deny": ["gpl"]}, "mit", None),
        ({"deny": ["gpl"]}, "gpl", FAILS),
        ({"deny": ["gpl"]}, ["mit", "gpl"], FAILS),
        ({"deny": ["gpl"]}, None, None),
        ({"required": True}, 0, None),
        ({"required": True}, None, FAILS),
    ],
)
def test_a_column_at_and_beside_the_rule(rule: dict[str, Any], value: Any, failure: MetaFailure | None) -> None:
    assert MetaRule.model_validate(rule).failure(value) == failure


@pytest.mark.parametrize(
    "invalid", [{}, {"min": 1, "allow": ["a"]}, {"max": 1, "deny": ["a"]}, {"allow": []}, {"allow": "mit"}, {"mni": 1}]
)
def test_invalid_rules_are_rejected(invalid: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MetaRule.model_validate(invalid)


def verdicts(section: JudgeSection, rows: list[tuple[dict[str, float], dict[str, Any] | None, str]]) -> pa.Table:
    metas = pa.array([None if meta is None else json.dumps(meta) for _, meta, _ in rows], pa.string())
    docs = documents(["en"] * len(rows), [source for *_, source in rows], [0.9] * len(rows))
    return judge_table(table([GOOD | changes for changes, *_ in rows]), docs.append_column("meta", metas), section)


def test_failures_come_after_those_of_signals() -> None:
    section = JudgeSection.model_validate({"meta": {"stars": {"min": 10}, "license": LICENSES}})
    found = verdicts(
        section,
        [
            ({}, {"license": "mit", "stars": 10}, "web"),
            ({}, {"license": "gpl", "stars": 9}, "web"),
            ({"words": 3.0}, {"stars": 9}, "web"),
            ({"words": 3.0}, None, "web"),
            ({}, None, "web"),
            ({}, {"license": "gpl"}, "web"),
        ],
    )
    assert found.schema == VERDICTS_SCHEMA
    assert found["kept"].to_pylist() == [True, False, False, False, True, False]
    assert found["reason"].to_pylist() == [None, "meta:stars", "words_min", "words_min", None, "meta:license"]
    assert found["value"].to_pylist() == [None, 9, 3, 3, None, None]
    assert found["threshold"].to_pylist() == [None, 10, 50, 50, None, None]
    assert found["also"].to_pylist() == [
        [],
        [{"rule": "meta:license", "value": None, "threshold": None}],
        [{"rule": "meta:stars", "value": 9, "threshold": 10}],
        [],
        [],
        [],
    ]
    found.validate(full=True)


@pytest.mark.parametrize(
    ("overlays", "reason"),
    [  # the section wants ten stars; the document has nine and the license gpl
        ([], "meta:stars"),
        ([{"source": "web", "meta": {"stars": {"min": 9}}}], None),
        ([{"source": "web", "meta": {"license": LICENSES}}], "meta:license"),
        ([{"source": "web", "meta": {}}], None),
        ([{"source": "other", "meta": {}}], "meta:stars"),
        ([{"source": "web", "rules": []}], None),
        ([{"source": "web", "rules": [], "meta": {"license": LICENSES}}], "meta:license"),
        ([{"source": "web", "rules": []}, {"lang": "en", "meta": {"license": LICENSES}}], "meta:license"),
        ([{"lang": "en", "meta": {"license": LICENSES}}, {"source": "web", "rules": []}], None),
        ([{"source": "web", "rules": []}, {"lang": "en", "rules": ["hashes"]}], "meta:stars"),
        ([{"source": "web", "rules": ["hashes"]}], "meta:stars"),
    ],
)
def test_overlays_replace_rules_on_metadata(overlays: list[dict[str, Any]], reason: str | None) -> None:
    section = JudgeSection.model_validate({"meta": {"stars": {"min": 10}}, "overlays": overlays})
    meta = {"license": "gpl", "stars": 9}
    assert verdicts(section, [({}, meta, "web")])["reason"].to_pylist() == [reason]
    failed = [check.rule for check in explain(GOOD, "en", "web", section, meta) if not check.passed]
    assert failed == ([] if reason is None else [reason])


def test_metadata_is_not_read_unless_a_rule_needs_it() -> None:
    assert document_columns(JudgeSection()) == ("source", "lang", "lang_score")
    overlaid = JudgeSection.model_validate({"overlays": [{"lang": "de", "meta": {"stars": {"min": 1}}}]})
    assert document_columns(overlaid) == ("source", "lang", "lang_score", "meta")
    broken = documents(["en"], ["web"], [0.9]).append_column("meta", pa.array(["not JSON"]))
    assert judge_table(table([GOOD]), broken, overlaid)["kept"].to_pylist() == [True]


def test_explain_returns_the_compared_columns() -> None:
    section = JudgeSection.model_validate({"rules": [], "meta": {"stars": {"min": 1, "max": 5}, "license": LICENSES}})
    assert explain(GOOD, "en", "web", section, {"stars": 7, "license": "mit"}) == [
        Check("meta:stars", 7, 5, False),
        Check("meta:license", "mit", None, True),
    ]
    assert explain(GOOD, "en", "web", section) == [
        Check("meta:stars", None, 1, True),
        Check("meta:license", None, None, True),
    ]


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3.0), (-0.5, -0.5), (-(10**400), float("-inf")), (True, None), ("3", None), (None, None), ([3], None)],
)
def test_numbers(value: Any, number: float | None) -> None:
    assert as_number(value) == number


def test_a_column_of_numbers() -> None:
    metas = pa.chunked_array([[json.dumps({"a.b": 2.5}), None], [json.dumps({"a.b": "x"}), json.dumps({"c": 1})]])
    assert meta_numbers(metas, "a.b").to_pylist() == [2.5, None, None, None]
    assert meta_numbers(metas, "c").to_pylist() == [None, None, None, np.float32(1)]

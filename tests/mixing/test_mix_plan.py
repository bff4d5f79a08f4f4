"""The mix plan: shares, caps and rounding, compared to their definitions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.errors import InputError
from gristmill.mixing.mix_plan import GroupSize, MixPlan, make_mix_plan
from gristmill.mixing.mix_section import MixSection


def size(tokens: int) -> GroupSize:
    return GroupSize((1, 0), (tokens, 0))


def sequences(plan: MixPlan) -> dict[str, int]:
    return {group.group: group.sequences for group in plan.groups}


def mix(**settings: object) -> MixSection:
    return MixSection.model_validate({"sequence_length": 10, "shard_tokens": 100, **settings})


@pytest.mark.parametrize(
    ("tokens", "settings", "expected"),
    [
        ({"a": 600, "b": 400}, {"alpha": 1}, {"a": 60, "b": 40}),
        ({"a": 600, "b": 400}, {"alpha": 0}, {"a": 50, "b": 50}),
        ({"a": 1600, "b": 100}, {"alpha": 0.5}, {"a": 136, "b": 34}),
        # b's share of 85 sequences is capped at 4 epochs, and a gets the rest
        ({"a": 1600, "b": 100}, {"alpha": 0}, {"a": 130, "b": 40}),
        ({"a": 1600, "b": 100}, {"alpha": 0, "max_epochs": 1.55}, {"a": 155, "b": 15}),
        # the rest of c's share pushes b over its cap in turn
        ({"a": 9000, "b": 500, "c": 10}, {"alpha": 0, "max_epochs": 1, "tokens": 1470}, {"a": 96, "b": 50, "c": 1}),
        ({"a": 500, "b": 500}, {"weights": {"b": 3.0}, "max_epochs": 2}, {"a": 25, "b": 75}),
        ({"a": 500, "b": 500}, {"weights": {"b": 0}}, {"a": 50, "b": 0}),
        ({"a": 500, "b": 0}, {}, {"a": 50, "b": 0}),
        ({"a": 50, "b": 50, "c": 50}, {"tokens": 100}, {"a": 4, "b": 3, "c": 3}),
        ({"a": 19, "b": 19}, {"max_epochs": 1}, {"a": 1, "b": 1}),
        ({"a": 15}, {}, {"a": 1}),
        ({"a": 100}, {"tokens": 400}, {"a": 40}),
        ({"a": 100}, {"tokens": 409}, {"a": 40}),
    ],
)
def test_shares(tokens: dict[str, int], settings: dict[str, object], expected: dict[str, int]) -> None:
    plan = make_mix_plan({name: size(count) for name, count in tokens.items()}, mix(**settings))
    assert sequences(plan) == expected


@pytest.mark.parametrize(
    ("tokens", "settings", "message"),
    [
        ({"a": 100}, {"tokens": 410}, "increase mix.max_epochs"),
        ({"a": 9}, {"max_epochs": 1}, "less than one sequence"),
        ({"a": 100}, {"tokens": 9}, "less than one sequence"),
        ({"a": 0}, {}, "less than one sequence"),
        ({}, {}, "less than one sequence"),
        ({"a": 100}, {"weights": {"b": 1}}, "names group 'b'"),
        ({"a": 100}, {"weights": {"a": 0}}, "less than one sequence"),
    ],
)
def test_impossible_plans_raise_input_error(tokens: dict[str, int], settings: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_mix_plan({name: size(count) for name, count in tokens.items()}, mix(**settings))


@settings(max_examples=80, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(10, 10**12), min_size=1),
    st.sampled_from([0, 0.3, 0.7, 1]),
    st.sampled_from([0.5, 1, 1.37, 4]),
    st.integers(1, 1000),
)
def test_plans_satisfy_their_definition(tokens: dict[str, int], alpha: float, max_epochs: float, part: int) -> None:
    """Totals are exact, caps hold, and sources below their caps are within a sequence of their shares."""
    possible = sum(int(Fraction(str(max_epochs)) * count / 10) for count in tokens.values())
    total = max(1, possible * part // 1000)
    if possible == 0:
        return
    section = mix(alpha=alpha, max_epochs=max_epochs, tokens=total * 10)
    plan = make_mix_plan({name: size(count) for name, count in tokens.items()}, section)
    assert plan.sequences == total
    uncapped = [group for group in plan.groups if not group.capped]
    for group in plan.groups:
        assert plan.used_tokens(group) <= Fraction(str(max_epochs)) * group.tokens
        assert plan.cropped_tokens(group) == plan.copies(group) * group.tokens - plan.used_tokens(group)
        assert 0 <= plan.cropped_tokens(group) < group.tokens
    rest = total - sum(group.sequences for group in plan.groups if group.capped)
    weights = {group.group: group.tokens**alpha for group in uncapped}
    for group in uncapped:
        share = rest * weights[group.group] / sum(weights.values())
        assert abs(group.sequences - share) < 2 + share * 1e-9


def test_a_plan_does_not_depend_on_the_order_of_sources_and_round_trips_through_json() -> None:
    sizes = {"b": size(500), "a": size(70)}
    plan = make_mix_plan(sizes, mix())
    assert make_mix_plan(dict(reversed(sizes.items())), mix()) == plan
    assert MixPlan.model_validate_json(plan.model_dump_json()) == plan


def test_shards_cover_all_sequences() -> None:
    plan = make_mix_plan({"a": size(250)}, mix())
    assert [plan.shard_range(shard) for shard in range(plan.shards)] == [(0, 10), (10, 10), (20, 5)]
    for shard in (-1, 3):
        with pytest.raises(IndexError):
            plan.shard_range(shard)


@pytest.mark.parametrize(
    "settings",
    [
        {"shard_tokens": 101},
        {"alpha": 1.01},
        {"max_epochs": 0},
        {"max_epochs": float("inf")},
        {"weights": {"a": -0.1}},
        {"weights": {"a": float("nan")}},
        {"tokens": 0},
    ],
)
def test_invalid_sections_are_rejected(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        mix(**settings)

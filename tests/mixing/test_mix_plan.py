"""The mix plan: shares, caps and rounding, compared to their definitions."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.errors import InputError
from gristmill.mixing.group_shares import Bounds, apportion
from gristmill.mixing.mix_plan import GroupSize, MixPlan, make_mix_plan
from gristmill.mixing.mix_section import MixSection, WeightChange


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
        # b gets its least share, and a and c share the rest 3 : 1
        ({"a": 600, "b": 200, "c": 200}, {"alpha": 1, "min_shares": {"b": 0.6}}, {"a": 30, "b": 60, "c": 10}),
        ({"a": 600, "b": 400}, {"alpha": 1, "min_shares": {"b": 0.4}}, {"a": 60, "b": 40}),
        ({"a": 600, "b": 400}, {"alpha": 1, "max_shares": {"a": 0.5}}, {"a": 50, "b": 50}),
        ({"a": 600, "b": 400}, {"alpha": 1, "max_shares": {"a": 0.6}}, {"a": 60, "b": 40}),
        ({"a": 600, "b": 400}, {"max_shares": {"a": 0.5, "b": 0.5}, "tokens": 990}, {"a": 50, "b": 49}),
        ({"a": 980, "b": 20}, {"min_shares": {"b": 0.08}, "max_epochs": 4}, {"a": 92, "b": 8}),
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
        ({"a": 100}, {"weights": {"a": 0}}, r"^mix\.weights is 0 for every group: "),
        ({"a": 100}, {"max_epochs": 0.09}, r"^mix\.max_epochs of 0\.09 leaves no group a sequence of 10 tokens: "),
        ({"a": 100}, {"tokens": 9}, r"^mix\.tokens is 9, less than one sequence of 10 tokens: "),
        ({"a": 9}, {"tokens": 9}, r"^the groups have 9 tokens, less than one sequence of 10: reduce mix\.sequence_len"),
        ({"a": 100}, {"min_shares": {"b": 0.1}}, r"^mix\.min_shares names group 'b', but the groups are a$"),
        (
            {"a": 100, "b": 9},
            {"min_shares": {"b": 0.1}, "max_epochs": 1},
            r"^mix\.min_shares asks for 1 sequences of .*b",
        ),
        ({"a": 100, "b": 90}, {"min_shares": {"b": 0.1}, "weights": {"b": 0}}, "asks for 1 sequences of group 'b'"),
        (
            {"a": 100, "b": 100},
            {"max_shares": {"a": 0.2, "b": 0.7}},
            r"^mix\.max_shares and mix\.max_epochs leave only 180",
        ),
        (
            {"a": 100},
            {"changes": [{"sequence": 10, "weights": {}}]},
            r"from sequence 10, but the mix has 10 sequences$",
        ),
        ({"a": 100}, {"changes": [{"sequence": 5, "weights": {"b": 1}}]}, r"^mix\.weights names group 'b'"),
        ({"a": 100}, {"stages": [{"name": "s", "tokens": 9}]}, r"^mix\.stages \(s\)\.tokens is 9, less than one"),
        (
            {"a": 100},
            {"stages": [{"name": "s", "tokens": 50, "weights": {"b": 1}}]},
            r"^mix\.stages \(s\)\.weights names",
        ),
        (
            {"a": 100},
            {"max_epochs": 1, "stages": [{"name": "s", "tokens": 60}, {"name": "t", "tokens": 50}]},
            r"^mix\.stages \(t\)\.tokens is 50, but 1 epochs of the groups have only 40 tokens: ",
        ),
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
    (segment,) = plan.segments
    assert segment.planned == tuple(group.sequences for group in plan.groups)
    uncapped = [group for group, capped in zip(plan.groups, segment.capped, strict=True) if not capped]
    for group in plan.groups:
        assert plan.used_tokens(group) <= Fraction(str(max_epochs)) * group.tokens
        assert plan.cropped_tokens(group) == plan.copies(group) * group.tokens - plan.used_tokens(group)
        assert 0 <= plan.cropped_tokens(group) < group.tokens
    rest = sum(group.sequences for group in uncapped)
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
        {"min_shares": {"a": 0.6, "b": 0.5}},
        {"min_shares": {"a": 0.6}, "max_shares": {"a": 0.5}},
        {"max_shares": {"a": 1.1}},
        {"stages": [{"name": "s", "tokens": 10}], "tokens": 10},
        {"stages": [{"name": "s", "tokens": 10}, {"name": "s", "tokens": 10}]},
        {"stages": [{"name": "s", "tokens": 10, "max_shares": {"a": 0.1}}], "min_shares": {"a": 0.2}},
        {"stages": [{"name": "S", "tokens": 10}]},
        {"changes": [{"sequence": 2, "weights": {}}, {"sequence": 2, "weights": {}}]},
        {"changes": [{"sequence": 2, "weights": {}}, {"sequence": 1, "weights": {}}]},
        {"changes": [{"sequence": 0, "weights": {}}]},
    ],
)
def test_invalid_sections_are_rejected(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        mix(**settings)


GENERAL_AND_ANNEALING = [
    {"name": "general", "tokens": 600},
    {"name": "annealing", "tokens": 200, "weights": {"b": 3}, "max_shares": {"b": 0.7}},
]


def test_each_stage_has_its_own_mixture_and_epochs_count_across_stages() -> None:
    plan = make_mix_plan({"a": size(600), "b": size(200)}, mix(alpha=1, stages=GENERAL_AND_ANNEALING))
    assert [(part.stage, part.planned, part.sequences) for part in plan.segments] == [
        ("general", (45, 15), 60),
        ("annealing", (10, 10), 20),
    ]
    assert sequences(plan) == {"a": 55, "b": 25}
    once = make_mix_plan({"a": size(600), "b": size(200)}, mix(alpha=1, max_epochs=1, stages=GENERAL_AND_ANNEALING))
    assert [(part.planned, part.capped) for part in once.segments] == [
        ((45, 15), (False, False)),
        ((15, 5), (True, True)),
    ]


def test_a_change_of_weights_keeps_what_is_before_it() -> None:
    sizes = {"a": size(5000), "b": size(5000)}
    plain = make_mix_plan(sizes, mix())
    changed = make_mix_plan(sizes, mix(changes=[{"sequence": 405, "weights": {"b": 4}}]))
    first, second = changed.segments
    assert (first.planned, first.sequences, second.sequences) == ((500, 500), 405, 595)
    assert second.planned == (119, 476)
    assert changed.sequences == plain.sequences == 1000
    assert rows(changed, 0, 405) == rows(plain, 0, 405)
    assert rows(changed, 405, 100) != rows(plain, 405, 100)
    for shard in range(100):
        first_sequence, count = changed.shard_range(shard)
        end = first_sequence + count
        assert (changed.up_to(end) == plain.up_to(end)) == (end <= 405)


def rows(plan: MixPlan, first: int, count: int) -> list[tuple[int, int]]:
    positions = plan.order().positions(first, count)
    return list(zip(positions.group.tolist(), positions.sequence.tolist(), strict=True))


tokens_of = st.dictionaries(st.sampled_from("abcd"), st.integers(10, 3000), min_size=1)


@settings(max_examples=60, deadline=None)
@given(
    tokens_of,
    st.lists(st.integers(10, 900), max_size=3),
    st.sets(st.integers(1, 120), max_size=3),
    st.sampled_from([0, 0.3, 0.7, 1]),
    st.data(),
)
def test_no_stage_or_change_repeats_or_skips_a_sequence_of_a_group(
    tokens: dict[str, int], stages: list[int], changes: set[int], alpha: float, data: st.DataObject
) -> None:
    """All positions together have the first sequences of each group, each once and in order."""
    weights = st.dictionaries(st.sampled_from(sorted(tokens)), st.sampled_from([0.5, 1, 3]))
    section = mix(
        alpha=alpha,
        max_epochs=1000,
        stages=[{"name": f"s{n}", "tokens": count, "weights": data.draw(weights)} for n, count in enumerate(stages)],
    )
    sizes = {name: size(count) for name, count in tokens.items()}
    total = make_mix_plan(sizes, section).sequences
    section = section.model_copy(
        update={
            "changes": tuple(
                WeightChange(sequence=at, weights=data.draw(weights)) for at in sorted(changes) if at < total
            )
        }
    )
    plan = make_mix_plan(sizes, section)
    assert plan.sequences == total
    every = rows(plan, 0, total)
    for number, group in enumerate(plan.groups):
        assert [sequence for of, sequence in every if of == number] == list(range(group.sequences))
    first = data.draw(st.integers(0, total))
    count = data.draw(st.integers(0, total - first))
    assert rows(plan, first, count) == every[first : first + count]
    with pytest.raises(IndexError):
        rows(plan, first, total - first + 1)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from("abcdef"), st.tuples(st.integers(1, 10**6), st.integers(0, 50), st.integers(0, 50)), min_size=1
    ),
    st.integers(0, 1000),
)
def test_apportioned_sequences_are_proportional_within_their_bounds(
    groups: dict[str, tuple[int, int, int]], part: int
) -> None:
    weights = {name: Fraction(weight) for name, (weight, _, _) in groups.items()}
    bounds = {name: Bounds(min(low, high), max(low, high)) for name, (_, low, high) in groups.items()}
    least, most = (sum(bound[side] for bound in bounds.values()) for side in (0, 1))
    total = least + (most - least) * part // 1000
    found = apportion(weights, bounds, total)
    assert sum(found.values()) == total
    assert all(bounds[name].least <= found[name] <= bounds[name].most for name in groups)
    free = [name for name in groups if bounds[name].least < found[name] < bounds[name].most]
    for one in free:
        for other in groups:  # no group that could give a sequence has more than its part, to within a sequence
            if found[other] > bounds[other].least:
                assert (found[other] - 1) / weights[other] <= (found[one] + 1) / weights[one]

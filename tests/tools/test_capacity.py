"""The capacity plan: properties of the simulation, the cost model, and the generated page."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given as examples
from hypothesis import strategies as st

from gristmill.pipelines.cost_model import (
    Figures,
    Settings,
    Size,
    Traffic,
    distinct,
    item_seconds,
    load_figures,
    page_seconds,
    start_and_item,
    steps,
)
from tools.capacity.capacity_page import PAGE, check, replace_tables, report, tables_of
from tools.capacity.crawl_simulation import simulate_crawl, slowdown, speed
from tools.capacity.scaling_limits import largest, launcher_seconds, limits
from tools.capacity.unit_scheduling import (
    Assignment,
    clusters_makespan,
    dynamic_makespan,
    loss_factor,
    makespan,
    round_robin,
    unit_costs,
    worker_speeds,
)

ASSIGNMENTS: tuple[Assignment, ...] = ("static", "partitions", "dynamic")
costs = st.lists(st.floats(0.01, 100), min_size=1, max_size=60).map(np.array)
counts = st.integers(1, 12)


@pytest.fixture
def figures() -> Figures:
    return load_figures()


@examples(costs, counts, st.sampled_from(ASSIGNMENTS))
def test_makespans_are_within_their_bounds(units: Any, workers: int, assignment: Assignment) -> None:
    took = makespan(units, np.ones(workers), assignment)
    assert took >= units.sum() / workers - 1e-9
    assert took >= units.max() - 1e-9
    assert took <= units.sum() + 1e-9


@examples(costs, counts)
def test_dynamic_assignment_is_within_one_unit_of_the_optimum(units: Any, workers: int) -> None:
    assert dynamic_makespan(units, np.ones(workers)) <= units.sum() / workers + units.max() + 1e-9


@examples(st.integers(1, 8), counts, st.floats(0.1, 10), st.sampled_from(ASSIGNMENTS))
def test_equal_units_divide_evenly(rounds: int, workers: int, cost: float, assignment: Assignment) -> None:
    units = np.full(4 * rounds * workers, cost)
    assert makespan(units, np.ones(workers), assignment) == pytest.approx(4 * rounds * cost)


@examples(costs, counts, st.floats(0.5, 2))
def test_workers_of_twice_the_speed_take_half_the_time(units: Any, workers: int, speed: float) -> None:
    for assignment in ASSIGNMENTS:
        once = makespan(units, np.full(workers, speed), assignment)
        assert makespan(units, np.full(workers, 2 * speed), assignment) == pytest.approx(once / 2)


@examples(costs, counts, st.randoms())
def test_the_order_of_units_changes_the_makespan_by_at_most_one_unit(units: Any, workers: int, random: Any) -> None:
    shuffled = np.array(random.sample(units.tolist(), len(units)))
    speeds = np.ones(workers)
    assert abs(dynamic_makespan(shuffled, speeds) - dynamic_makespan(units, speeds)) <= units.max() + 1e-9


@examples(costs, counts)
def test_round_robin_assigns_all_units(units: Any, bins: int) -> None:
    sums = round_robin(units, bins)
    assert len(sums) == bins
    assert sums.sum() == pytest.approx(units.sum())


@pytest.mark.parametrize(
    ("assignment", "seconds"),
    [
        ("static", 8.0),  # 3 + 3 + 2 | 3 + 2 + 2, assigned at once
        ("partitions", 8.0),  # one unit in each of eight partitions: like dynamic
        ("dynamic", 8.0),
    ],
)
def test_a_makespan_that_can_be_computed_by_hand(assignment: Assignment, seconds: float) -> None:
    assert makespan(np.array([3.0, 3, 3, 2, 2, 2]), np.ones(2), assignment) == seconds


def test_a_slow_worker_delays_static_assignment_most() -> None:
    units, speeds = np.ones(100), np.array([1.0, 1, 1, 0.25])
    assert makespan(units, speeds, "static") == 100
    assert makespan(units, speeds, "dynamic") <= 100 / speeds.sum() + 4
    assert makespan(units, speeds, "partitions") < 40


@examples(st.floats(1, 1e6), st.integers(1, 200), st.floats(0, 2), st.integers(0, 2**32))
def test_unit_costs_sum_to_the_total_and_are_sorted(total: float, count: int, spread: float, seed: int) -> None:
    drawn = unit_costs(total, count, spread, np.random.default_rng(seed))
    assert drawn.sum() == pytest.approx(total)
    assert (np.diff(drawn) <= 0).all()
    assert (drawn > 0).all()


def test_unit_costs_and_speeds_have_the_requested_spread() -> None:
    drawn = unit_costs(1e5, 100_000, 0.5, np.random.default_rng(1))
    assert drawn.std() / drawn.mean() == pytest.approx(0.5, rel=0.03)
    speeds = worker_speeds(100_000, 0.1, np.random.default_rng(1))
    assert (speeds.mean(), speeds.std()) == pytest.approx((1.0, 0.1), rel=0.02)


def test_each_cluster_takes_one_run_after_another() -> None:
    assert clusters_makespan([4.0, 4, 4], 2) == 8
    assert clusters_makespan([4.0, 4, 4], 1) == 12


def test_units_take_longer_the_more_machines_are_restarted_together() -> None:
    assert loss_factor(0.0, 5.0, 100) == 1
    assert loss_factor(0.05, 0.5) == pytest.approx(1.0126, abs=1e-4)
    assert loss_factor(0.05, 0.5, 100) > 4


def test_start_up_and_item_follow_from_two_sizes() -> None:
    start, item = start_and_item({"items": [100, 400], "seconds": [3.0, 9.0]})
    assert (start, item) == pytest.approx((1.0, 0.02))


def test_a_longer_text_costs_more_if_the_cost_is_proportional_to_text(figures: Figures) -> None:
    text = figures["stages"]["tokenize"]["text"]
    assert item_seconds(figures, "tokenize", 2 * text) == pytest.approx(2 * item_seconds(figures, "tokenize"))
    assert item_seconds(figures, "judge", 2 * text) == item_seconds(figures, "judge")
    assert page_seconds(figures, "resiliparse") < page_seconds(figures, "trafilatura") / 4


@pytest.mark.parametrize(
    ("drawn", "kinds", "found"), [(1, 10, 1), (5, 1, 1), (10**6, 10, 10), (10, 10**9, 10), (0, 5, 0)]
)
def test_distinct_draws(drawn: float, kinds: float, found: float) -> None:
    assert distinct(drawn, kinds) == pytest.approx(found, rel=1e-4)


def test_a_file_takes_two_requests_and_a_block_one(figures: Figures) -> None:
    traffic = Traffic(read=10 * figures["storage"]["block"], opened=3, requested=1, written=100e6, files=2)
    storage = {**figures["storage"], "latency": 1.0, "bandwidth": 100e6}
    assert traffic.gets(storage) == 17
    assert traffic.wait(storage) == pytest.approx(19 + 1 + 10 * storage["block"] / 100e6)
    assert traffic.wait(storage, 10) == pytest.approx(1.9 + 1 + 10 * storage["block"] / 100e6)


def test_a_hundred_runs_hold_what_the_crawl_holds(figures: Figures) -> None:
    crawl, part = Settings(90_000, 2**30), Settings(900, 2**30)
    whole, slice_ = Size.of(figures, crawl), Size.of(figures, part)
    assert whole.pages == figures["crawl"]["pages"]
    assert (whole.units, Size.of(figures, Settings(90_000)).units) == (90_000, 360_000)
    assert 100 * slice_.tokens == pytest.approx(whole.tokens)
    for one, hundredth in zip(steps(figures, crawl), steps(figures, part), strict=True):
        assert one.written == pytest.approx(100 * hundredth.written, rel=1e-3)
        if one.stage in ("extract", "signals", "judge", "signatures", "refine", "tokenize"):  # unit by unit: they scale
            assert (one.cpu, one.wait) == pytest.approx((100 * hundredth.cpu, 100 * hundredth.wait), rel=1e-3)
            assert one.memory == pytest.approx(hundredth.memory)


def test_steps_follow_the_order_of_the_stages(figures: Figures) -> None:
    from gristmill.pipelines.recipe import parse_recipe
    from gristmill.pipelines.stages import stages_of

    source = {"name": "a", "format": "warc", "root": ".", "paths": ["*"]}
    stages = [stage.name for stage in stages_of(parse_recipe({"name": "x", "sources": [source]}))]
    every = steps(figures, Settings(900))
    assert list(dict.fromkeys(step.stage for step in every)) == [name for name in stages if name != "train"]
    assert all(step.tasks >= 1 and step.cpu >= 0 and step.wait >= 0 and step.memory > 1e8 for step in every)


def test_a_limit_holds_exactly_up_to_its_largest_input(figures: Figures) -> None:
    for limit in limits(figures):
        for settings in (Settings(1), Settings(1, 2**30)):
            most = largest(limit, settings)
            if 0 < most < 10_000_000:
                assert limit.value(settings._replace(files=most)) <= limit.maximum
                assert limit.value(settings._replace(files=most + 1)) > limit.maximum


def test_a_limit_that_always_holds_and_one_that_never_holds(figures: Figures) -> None:
    anything = limits(figures)[0]
    assert largest(anything._replace(value=lambda settings: 0.0), Settings(1), 500) == 500
    assert largest(anything._replace(value=lambda settings: 1e99), Settings(1), 500) == 0


def test_the_launcher_is_quick_if_archives_are_not_split(figures: Figures) -> None:
    assert launcher_seconds(figures, Settings(900)) > 900 * figures["storage"]["latency"]  # archives that are split
    assert launcher_seconds(figures, Settings(900, 2**30)) < 60


def test_defaults_of_settings_equal_those_of_the_recipe(figures: Figures) -> None:
    from gristmill.pipelines.recipe import Recipe

    recipe = Recipe.model_validate(
        {"name": "x", "sources": [{"name": "a", "format": "warc", "root": ".", "paths": ["*"]}]}
    )
    settings = Settings(1)
    assert settings.unit_bytes == recipe.unit_size
    assert settings.partitions == recipe.dedup.partitions
    assert settings.buckets == recipe.tokenize.buckets
    assert settings.extractor == recipe.extract.extractor.name
    assert figures["dedup"]["bands"] == recipe.dedup.bands
    assert figures["shard_tokens"] == recipe.mix.shard_tokens
    assert figures["sample_bytes"] == recipe.tokenizer.sample_bytes


def test_constants_equal_those_of_the_code(figures: Figures) -> None:
    from gristmill.mixing import build_shard, write_shard
    from gristmill.runners import spark_service
    from gristmill.store import attempts, storage
    from gristmill.transforms.core import exchange
    from gristmill.transforms.dedup import dedup_beam, rounds
    from tools.capacity.unit_scheduling import PARTITIONS_PER_WORKER

    chart = yaml.safe_load((PAGE.parent.parent / "deploy" / "kubernetes" / "values.yaml").read_text())
    assert figures["machines"]["processes"] == chart["workers"]["slots"]
    assert spark_service.PARTITIONS_PER_WORKER == PARTITIONS_PER_WORKER
    assert figures["storage"]["heartbeat_seconds"] == attempts._REMOTE_HEARTBEAT_SECONDS
    assert figures["group_bytes"] == attempts.ROW_GROUP_BYTES
    assert figures["storage"]["threads"] == storage._THREADS
    assert figures["mix"]["read_gap_tokens"] == build_shard.READ_GAP
    assert write_shard._load_bucket.cache_parameters()["maxsize"] == figures["mix"]["cached_buckets"]
    assert figures["dedup"]["batch_documents"] == dedup_beam.BATCH_DOCUMENTS
    assert figures["dedup"]["one_place_rows"] == rounds.DEFAULT_LIMITS.one_place
    assert figures["dedup"]["join_rows"] == rounds.DEFAULT_LIMITS.join
    assert figures["dedup"]["task_rows"] == exchange.TASK_ROWS


def test_the_check_is_within_a_factor_of_two_in_every_stage(figures: Figures) -> None:
    compared = check(figures)
    assert {one.stage for one in compared} == set(figures["check"]["seconds"])
    assert all(0.5 < one.simulated / one.measured < 2 for one in compared)
    assert 0.5 < slowdown(compared) < 2


def test_no_runner_counts_as_faster_than_the_embedded_one() -> None:
    assert [speed({"ratio": ratio}) for ratio in (0.7, 1.0, 1.06)] == [0.7, 1.0, 1.0]


def test_more_workers_take_less_time_for_the_same_work(figures: Figures) -> None:
    settings = Settings(900, 2**30)
    few, many = (simulate_crawl(figures, settings, "spark", workers, runs=2, slower=1.0) for workers in (128, 1024))
    assert many.hours < few.hours < 9 * many.hours
    assert few.dollars == pytest.approx(few.compute + few.shuffle + few.requests + few.storage)
    assert few.process_hours >= 100 * sum(step.cpu for step in steps(figures, settings)) / 3600
    assert few.spot == pytest.approx(few.compute * figures["runners"]["spark"]["spot"])


def test_the_page_is_up_to_date(figures: Figures) -> None:
    text, last = report(figures, 20)
    page = PAGE.read_text()
    assert tables_of(page) == text, "run `python -m tools.capacity --write`"
    assert replace_tables(page, "other\n") != page
    assert tables_of(replace_tables(page, "a \\1 b\n")) == "a \\1 b\n"
    assert f"{last['crawl_hours_flink_1024']:,.0f} hours" in text
    assert all(np.isfinite(list(last.values())))

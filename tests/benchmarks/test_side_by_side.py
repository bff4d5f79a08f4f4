"""The cost of an item without start-up, and the ratios of two tools."""

from __future__ import annotations

import pytest

from benchmarks.harness.process_cost import Cost
from benchmarks.harness.side_by_side import Workload, ratios, run_in_turns


def test_start_up_is_subtracted_and_ratios_compare_items() -> None:
    order: list[tuple[str, str]] = []
    seconds = {("slow", "start"): 2.0, ("slow", "all"): 12.0, ("fast", "start"): 5.0, ("fast", "all"): 6.0}

    def run(name: str, size: str) -> Cost:
        order.append((name, size))
        return Cost(seconds[name, size], 2 * seconds[name, size], 100.0)

    tools = {name: lambda size, name=name: run(name, size) for name in ("slow", "fast")}
    sides = run_in_turns(tools, Workload(items=110, startup_items=10, rounds=2))
    assert order == 2 * [("slow", "start"), ("slow", "all"), ("fast", "start"), ("fast", "all")]
    assert sides["slow"].seconds == pytest.approx(0.1)
    assert sides["slow"].cpu_seconds == pytest.approx(0.2)
    assert (sides["fast"].startup_seconds, sides["fast"].total_seconds, sides["fast"].peak_mb) == (5.0, 6.0, 100.0)
    expected = {"ratio": 10.0, "ratio_cpu": 10.0, "ratio_whole": 2.0}
    assert ratios("ratio", sides["slow"], sides["fast"]) == pytest.approx(expected)


def test_without_start_up_runs_an_item_costs_its_share_of_the_whole() -> None:
    sides = run_in_turns({"only": lambda size: Cost(8.0, 4.0, 1.0)}, Workload(items=4, startup_items=0, rounds=1))
    assert (sides["only"].seconds, sides["only"].cpu_seconds, sides["only"].startup_seconds) == (2.0, 1.0, 0.0)

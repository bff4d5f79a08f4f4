"""Tools that do the same work, run alternately: the cost of an item without the start-up, and the ratios of two tools.

Every side processes a few items, which takes as long as starting up, and then all items. The cost of an item is the
difference of the two costs by the difference of the two numbers of items: an archive of a crawl holds some ten times
the items of a benchmark, so its start-up counts for little. All figures are medians over the rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from rich.table import Table

from benchmarks.harness.process_cost import Cost
from benchmarks.harness.result_tables import CONSOLE, result_table


class Workload(NamedTuple):
    """Number of items in a full run, in a start-up run (0: there is none), and of rounds."""

    items: int
    startup_items: int
    rounds: int

    @property
    def sizes(self) -> dict[str, int]:
        """The sizes that are run, ``start`` and ``all``, and their numbers of items."""
        return {"start": self.startup_items, "all": self.items} if self.startup_items else {"all": self.items}


class Side(NamedTuple):
    """The costs of one tool: those of start-up runs and of full runs, one of each per round."""

    workload: Workload
    startup_runs: Sequence[Cost]
    full_runs: Sequence[Cost]

    @property
    def startup_seconds(self) -> float:
        return _median(self.startup_runs, "seconds")

    @property
    def total_seconds(self) -> float:
        return _median(self.full_runs, "seconds")

    @property
    def peak_mb(self) -> float:
        return _median(self.full_runs, "peak_mb")

    @property
    def seconds(self) -> float:
        """Wall time of an item, without the start-up."""
        return self._per_item("seconds")

    @property
    def cpu_seconds(self) -> float:
        """Processor time of an item, without the start-up."""
        return self._per_item("cpu_seconds")

    def _per_item(self, field: str) -> float:
        items = self.workload.items - self.workload.startup_items
        return (_median(self.full_runs, field) - _median(self.startup_runs, field)) / items


def run_in_turns(tools: Mapping[str, Callable[[str], Cost]], workload: Workload) -> dict[str, Side]:
    """Run every tool on every size in each round. Each tool is a function of the size, ``start`` or ``all``."""
    costs: dict[tuple[str, str], list[Cost]] = {(name, size): [] for name in tools for size in ("start", "all")}
    for _ in range(workload.rounds):
        for name, run in tools.items():
            for size in workload.sizes:
                cost = run(size)
                costs[name, size].append(cost)
                CONSOLE.print(f"{name:<12}{size:<6}{cost.seconds:8.1f} s {cost.cpu_seconds:8.1f} s of processors")
    return {name: Side(workload, costs[name, "start"], costs[name, "all"]) for name in tools}


def ratios(name: str, peer: Side, gristmill: Side) -> dict[str, float]:
    """Return how many times as fast Gristmill is: by wall time, by processor time, and with the start-up."""
    return {
        name: peer.seconds / gristmill.seconds,
        f"{name}_cpu": peer.cpu_seconds / gristmill.cpu_seconds,
        f"{name}_whole": peer.total_seconds / gristmill.total_seconds,
    }


def side_table(title: str, sides: Mapping[str, Side], items: str) -> Table:
    """Return a table of the sides; ``items`` is the unit of the rates, such as ``pages``."""
    columns = ("tool", "start-up s", "all s", f"{items}/s", f"{items}/s of a processor", "peak MB")
    table = result_table(title, columns)
    for name, side in sides.items():
        table.add_row(
            name,
            f"{side.startup_seconds:.1f}",
            f"{side.total_seconds:.1f}",
            f"{1 / side.seconds:,.1f}",
            f"{1 / side.cpu_seconds:,.1f}",
            f"{side.peak_mb:.0f}",
        )
    return table


def _median(costs: Sequence[Cost], field: str) -> float:
    return statistics.median(getattr(cost, field) for cost in costs) if costs else 0.0

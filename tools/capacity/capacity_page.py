"""What one full Common Crawl takes on each runner, from measured figures: workers, hours, bytes, memory, dollars.

    python tools/capacity/capacity_page.py             # the tables, in Markdown; seconds
    python tools/capacity/capacity_page.py --write     # and into docs/capacity.md
    python tools/capacity/capacity_page.py --quick     # fewer simulated runs

Figures and their sources are in ``capacity.yaml``. The last line is one JSON object, figure → number.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from gristmill.pipelines.cost_model import (
    Figures,
    Settings,
    Size,
    Step,
    kept_bytes,
    load_figures,
    page_seconds,
    steps,
)
from tools.capacity.crawl_simulation import LANE, Compared, Outcome, check, outcome, slowdown, speed
from tools.capacity.scaling_limits import ONE_PLACE_MEMORY, largest, limits
from tools.capacity.unit_scheduling import longer

PAGE = Path(__file__).resolve().parent.parent / "docs" / "capacity.md"
_BLOCK = re.compile(r"(?<=<!-- made by tools/capacity/capacity_page.py -->\n).*?(?=<!-- end -->)", re.DOTALL)

WORKERS = (64, 256, 1024, 4096)
HEADLINE = ("flink", 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer simulated runs; other digits than the page")
    parser.add_argument("--write", action="store_true", help=f"put the tables into docs/{PAGE.name}")
    arguments = parser.parse_args()
    text, figures = report(load_figures(), 3 if arguments.quick else 20)
    if arguments.write:
        PAGE.write_text(with_block(PAGE.read_text(), text))
    print(text)
    print(json.dumps(figures))


def with_block(page: str, text: str) -> str:
    """A page with its tables replaced."""
    return _BLOCK.sub(lambda _: text, page)


def block(page: str) -> str:
    """The tables that a page holds."""
    found = _BLOCK.search(page)
    assert found is not None
    return found[0]


def report(given: Figures, runs: int) -> tuple[str, dict[str, float]]:
    """The tables in Markdown, and the figures of the last line."""
    slices = given["crawl"]["segments"]
    settings = Settings(given["crawl"]["files"] // slices, 2**30)
    every = steps(given, settings)
    compared = check(given)
    slower = slowdown(compared)
    mill = partial(outcome, runs=runs, slower=slower)
    outcomes = {
        (runner, workers): mill(given, settings, runner, workers)
        for runner in given["runners"]
        for workers in WORKERS
        if workers <= given["runners"][runner]["most"]
    }
    parts = [
        "## In short\n",
        _summary(given, settings, every, outcomes),
        "\n## The check\n",
        _check_table(compared),
        _distance(given, settings),
        "\n## The work of one slice: 900 archives, a hundredth of the crawl\n",
        _step_table(every, slower),
        "\n## The whole crawl, slice by slice\n",
        _outcome_table(outcomes),
        f"\n## What moves it ({HEADLINE[0]}, {HEADLINE[1]:,} workers)\n",
        _sensitivity_table(given, settings, mill),
        f"\n## Lost machines, {LANE} workers in a job, {given['machines']['processes']} on a machine\n",
        _loss_table(given, settings, slower),
        "\n## What does not scale today\n",
        _limit_table(given),
        "\n## The whole crawl in one run\n",
        _fit_table(given, slower),
    ]
    return "\n".join(parts) + "\n", _figures(given, every, outcomes, compared, slices)


def _summary(given: Figures, settings: Settings, every: list[Step], outcomes: dict[tuple[str, int], Outcome]) -> str:
    slices = given["crawl"]["files"] // settings.files
    workers = HEADLINE[1]
    rows = [
        f"- {runner}: {made.hours:,.0f} hours, ${made.dollars:,.0f} on {number:,} workers"
        for (runner, number), made in outcomes.items()
        if number == (workers if given["runners"][runner]["most"] >= workers else WORKERS[0])
    ]
    small, large = (min(largest(limit, Settings(1, size)) for limit in limits(given)) for size in (2**28, 2**30))
    memory = max(step.memory for step in every if step.tasks > 1) / 1e9
    place = max(step.memory for step in every if step.tasks == 1) / 1e9
    return "\n".join(
        [
            f"One crawl ({given['crawl']['files']:,} archives), milled as {slices} runs of {settings.files:,} archives "
            "with `unit_size: 1GiB`:\n",
            *rows,
            f"- {slices * kept_bytes(every) / 1e12:,.0f} TB written, "
            f"{slices * sum(step.read for step in every) / 1e12:,.0f} TB read, "
            f"{slices * sum(step.shuffled for step in every) / 1e12:,.2f} TB through the engines' own shuffles",
            f"- {memory:.1f} GB in a Python process, and {place:.0f} GB in the one that finds components\n",
            f"One run over everything does **not** work today. Up to about {small // 100 * 100:,} archives with the "
            f"defaults, and {large // 100 * 100:,} with units of 1 GiB, a run stays within all bounds; which it leaves "
            "first, and which then, is in the last two tables.",
        ]
    )


def _check_table(compared: list[Compared]) -> str:
    rows = [[one.stage, *_ratio(one.simulated, one.measured)] for one in compared]
    sums = [sum(one.simulated for one in compared), sum(one.measured for one in compared)]
    return _table(["stage", "simulated, s", "measured, s", "simulated : measured"], [*rows, ["all", *_ratio(*sums)]])


def _distance(given: Figures, settings: Settings) -> str:
    run, crawl = given["check"], given["crawl"]
    pages, workers = sum(run["pages"]), HEADLINE[1]
    slice_pages = Size.of(given, settings).pages
    return (
        f"\nFrom here the crawl is {crawl['pages'] / pages:,.0f} times as many pages, a slice "
        f"{slice_pages / pages:,.0f} times; {workers:,} workers are {workers / run['workers']:,.0f} times as many, "
        f"a lane of {LANE} is {LANE / run['workers']:,.0f} times as many."
    )


def _ratio(simulated: float, measured: float) -> list[str]:
    return [f"{simulated:.1f}", f"{measured:.1f}", f"{simulated / measured:.2f}"]


def _step_table(every: list[Step], slower: float) -> str:
    head = ["step", "tasks", "CPU h", "waiting h", "read GB", "written GB", "GET", "PUT", "shuffle MB", "process MB"]
    rows = [
        [
            _named(step),
            f"{step.tasks:,}",
            f"{step.cpu * slower / 3600:,.1f}",
            f"{step.wait / 3600:,.1f}",
            f"{step.read / 1e9:,.0f}",
            f"{step.written / 1e9:,.1f}",
            f"{step.gets:,.0f}",
            f"{step.puts:,.0f}",
            f"{step.shuffled / 1e6:,.1f}",
            f"{step.memory / 1e6:,.0f}",
        ]
        for step in every
    ]
    return _table(head, rows)


def _outcome_table(outcomes: dict[tuple[str, int], Outcome]) -> str:
    head = ["runner", "workers", "hours", "process hours"]
    head += [f"{part} $" for part in ("machines", "on spot", "shuffle", "requests", "storage", "all")]
    rows = [
        [
            runner,
            f"{workers:,}",
            f"{made.hours:,.0f}",
            f"{made.process_hours:,.0f}",
            f"{made.compute:,.0f}",
            f"{made.spot:,.0f}" if made.spot else "",
            *(f"{part:,.0f}" for part in (made.shuffle, made.requests, made.storage, made.dollars)),
        ]
        for (runner, workers), made in outcomes.items()
    ]
    return _table(head, rows)


def _sensitivity_table(given: Figures, settings: Settings, mill: Any) -> str:
    def changed(section: str, **values: Any) -> Figures:
        return {**given, section: {**given[section], **values}}

    runner, workers = HEADLINE
    of = given["runners"][runner]
    cases = {
        "as above": (given, settings),
        "workers of one speed": (changed("machines", speed_spread=0.0), settings),
        "workers' speeds differ by 15 %": (changed("machines", speed_spread=0.15), settings),
        "units of 256 MiB": (given, settings._replace(unit_bytes=2**28)),
        "storage that answers in 1 ms": (changed("storage", latency=0.001), settings),
        "duplicates as in the benchmark": (given, settings._replace(duplicates="measured")),
        "slices of 100 archives": (given, settings._replace(files=100)),
        "extractor trafilatura": (given, settings._replace(extractor="trafilatura")),
        **{
            f"{100 * ratio:.0f} % of the embedded runner's speed": (
                changed("runners", **{runner: {**of, "ratio": ratio}}),
                settings,
            )
            for ratio in (0.7, 1.0)
            if ratio != speed(of)
        },
    }
    rows = []
    for name, (figures, with_) in cases.items():
        made = mill(figures, with_, runner, workers)
        rows.append([name, f"{made.hours:,.0f}", f"{made.dollars:,.0f}"])
    return _table(["change", "hours", "all $"], rows)


def _loss_table(given: Figures, settings: Settings, slower: float) -> str:
    size = Size.of(given, settings)
    page = page_seconds(given, settings.extractor) * slower
    rows = []
    for name, of in given["runners"].items():
        hours = size.pages / size.units * page / speed(of) / 3600
        together = LANE // given["machines"]["processes"] if of["falls"] == "job" else 1
        factors = [longer(losses, hours, together) for losses in given["machines"]["losses"].values()]
        rows.append([name, f"{60 * hours:.0f}", *(f"{factor:,.2f} ×" for factor in factors)])
    return _table(["runner", "a unit, minutes", *given["machines"]["losses"]], rows)


def _limit_table(given: Figures) -> str:
    head = ["what grows", "may be", "archives, defaults", "archives, 1 GiB units", "at 900", "at 90,000", "remedy"]
    rows = []
    for limit in limits(given):
        rows.append(
            [
                limit.what,
                _amount(limit.most / limit.scale, limit.unit),
                *(_archives(largest(limit, Settings(1, size))) for size in (2**28, 2**30)),
                *(_amount(limit.value(Settings(n, 2**30)) / limit.scale, limit.unit) for n in (900, 90_000)),
                limit.remedy,
            ]
        )
    return _table(head, rows, left={0, 6})


def _archives(number: int) -> str:
    return "any" if number >= 10_000_000 else f"{number:,}"


def _amount(value: float, unit: str) -> str:
    digits = f"{value:,.0f}" if value >= 10 else f"{value:.2g}"
    return f"{digits} {unit}"


def _fit_table(given: Figures, slower: float) -> str:
    every = steps(given, Settings(given["crawl"]["files"], 2**30))
    whole = every[0].seconds
    rows = [
        [
            _named(step),
            f"{step.cpu * slower / 3600:,.0f}",
            f"{step.wait / 3600:,.0f}",
            f"{step.seconds / min(step.tasks, HEADLINE[1]) / 3600:,.1f}",
            f"{step.memory / 1e9:,.1f}",
            "; ".join(_misfits(given, step, whole)) or "yes",
        ]
        for step in every
    ]
    head = ["step", "CPU h", "waiting h", f"h on {HEADLINE[1]:,} workers, at best", "process GB", "fits"]
    return _table(head, rows, left={0, 5})


def _misfits(given: Figures, step: Step, whole: float) -> Iterable[str]:
    room = ONE_PLACE_MEMORY if step.tasks == 1 else given["machines"]["worker_memory"]
    if step.memory > room:
        yield f"**no**: memory, over {room / 1e9:.0f} GB"
    if step.stage != "extract" and step.seconds > whole:
        yield "**no**: longer than extract"
    if step.tasks == 1 and step.seconds > 3 * 3600:
        yield "**no**: hours in which all others wait"


def _figures(
    given: Figures,
    every: list[Step],
    outcomes: dict[tuple[str, int], Outcome],
    compared: list[Compared],
    slices: int,
) -> dict[str, float]:
    runner, workers = HEADLINE
    headline = outcomes[HEADLINE]
    values = {
        "simulated_over_measured": 1 / slowdown(compared),
        "extract_core_hours": slices * slowdown(compared) * every[0].cpu / 3600,
        **{f"crawl_hours_{name}_{n}": made.hours for (name, n), made in outcomes.items() if n in (64, workers)},
        **{f"crawl_dollars_{name}_{n}": made.dollars for (name, n), made in outcomes.items() if n == workers},
        f"crawl_process_hours_{runner}_{workers}": headline.process_hours,
        "shuffle_tb": slices * sum(step.shuffled for step in every) / 1e12,
        "storage_tb": slices * kept_bytes(every) / 1e12,
        "requests_million": slices * sum(step.gets + step.puts for step in every) / 1e6,
        "process_peak_gb": max(step.memory for step in every if step.tasks > 1) / 1e9,
        "one_place_peak_gb": max(step.memory for step in every if step.tasks == 1) / 1e9,
        "extrapolation_factor": given["crawl"]["pages"] / sum(given["check"]["pages"]),
        "workers_factor": workers / given["check"]["workers"],
    }
    return {name: float(f"{value:.4g}") for name, value in values.items()}


def _named(step: Step) -> str:
    return f"{step.stage}: {step.name}" if step.name else step.stage


def _table(head: list[str], rows: list[list[str]], left: set[int] | None = None) -> str:
    """A Markdown table; columns but the first, or those of ``left``, stand on the right."""
    on_left = {0} if left is None else left
    rule = ["---" if place in on_left else "---:" for place in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])


if __name__ == "__main__":
    main()

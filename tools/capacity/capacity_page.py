"""The tables of docs/capacity.md: what one full Common Crawl takes on each runner, computed from measured figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from functools import partial
from pathlib import Path
from typing import Any

from gristmill.pipelines.cost_model import (
    Figures,
    Settings,
    Size,
    Step,
    kept_bytes,
    page_seconds,
    steps,
)
from tools.capacity.crawl_simulation import (
    CLUSTER_WORKERS,
    CheckedStage,
    CrawlCost,
    check,
    simulate_crawl,
    slowdown,
    speed,
)
from tools.capacity.scaling_limits import SINGLE_TASK_MEMORY, largest, limits
from tools.capacity.unit_scheduling import loss_factor

PAGE = Path(__file__).resolve().parents[2] / "docs" / "capacity.md"
WORKERS = (64, 256, 1024, 4096)
HEADLINE = ("flink", 1024)

_GENERATED = re.compile(r"(?<=<!-- made by tools/capacity -->\n).*?(?=<!-- end -->)", re.DOTALL)


def replace_tables(page: str, text: str) -> str:
    """Return the page with its tables replaced by ``text``."""
    return _GENERATED.sub(lambda _: text, page)


def tables_of(page: str) -> str:
    """Return the tables in a page."""
    match = _GENERATED.search(page)
    assert match is not None
    return match[0]


def report(figures: Figures, simulated_runs: int) -> tuple[str, dict[str, float]]:
    """Return the tables in Markdown, and the figures of the last line."""
    runs = figures["crawl"]["segments"]
    settings = Settings(figures["crawl"]["files"] // runs, 2**30)
    run_steps = steps(figures, settings)
    checked = check(figures)
    slower = slowdown(checked)
    simulate = partial(simulate_crawl, runs=simulated_runs, slower=slower)
    costs = {
        (runner, workers): simulate(figures, settings, runner, workers)
        for runner in figures["runners"]
        for workers in WORKERS
        if workers <= figures["runners"][runner]["most"]
    }
    processes = figures["machines"]["processes"]
    parts = [
        "## In short\n",
        _summary(figures, settings, run_steps, costs),
        "\n## The check\n",
        _check_table(checked),
        _extrapolation(figures, settings),
        "\n## The work of one run: 900 archives, a hundredth of the crawl\n",
        _step_table(run_steps, slower),
        "\n## The whole crawl, run by run\n",
        _cost_table(costs),
        f"\n## Sensitivity ({HEADLINE[0]}, {HEADLINE[1]:,} workers)\n",
        _sensitivity_table(figures, settings, simulate),
        f"\n## Lost machines: clusters of {CLUSTER_WORKERS} workers, {processes} on each machine\n",
        _loss_table(figures, settings, slower),
        "\n## What does not scale today\n",
        _limit_table(figures),
        "\n## The whole crawl in one run\n",
        _single_run_table(figures, slower),
    ]
    return "\n".join(parts) + "\n", _headline_figures(figures, run_steps, costs, checked, runs)


def _summary(
    figures: Figures, settings: Settings, run_steps: list[Step], costs: dict[tuple[str, int], CrawlCost]
) -> str:
    runs = figures["crawl"]["files"] // settings.files
    workers = HEADLINE[1]
    rows = [
        f"- {runner}: {cost.hours:,.0f} hours, ${cost.dollars:,.0f} on {number:,} workers"
        for (runner, number), cost in costs.items()
        if number == (workers if figures["runners"][runner]["most"] >= workers else WORKERS[0])
    ]
    small, large = (min(largest(limit, Settings(1, size)) for limit in limits(figures)) for size in (2**28, 2**30))
    memory = max(step.memory for step in run_steps if step.tasks > 1) / 1e9
    single = max(step.memory for step in run_steps if step.tasks == 1) / 1e9
    return "\n".join(
        [
            f"One crawl ({figures['crawl']['files']:,} archives), processed as {runs} runs of {settings.files:,} "
            "archives with `unit_size: 1GiB`:\n",
            *rows,
            f"- {runs * kept_bytes(run_steps) / 1e12:,.0f} TB written, "
            f"{runs * sum(step.read for step in run_steps) / 1e12:,.0f} TB read, "
            f"{runs * sum(step.shuffled for step in run_steps) / 1e12:,.2f} TB through the shuffles of the engines",
            f"- {memory:.1f} GB in a Python process, and {single:.0f} GB in the one that finds components\n",
            f"A single run over the whole crawl does **not** work today. Up to about {small // 100 * 100:,} archives "
            f"with the defaults, and {large // 100 * 100:,} with units of 1 GiB, a run stays within all limits; the "
            "last two tables show which limits a larger run exceeds first.",
        ]
    )


def _check_table(checked: list[CheckedStage]) -> str:
    rows = [[one.stage, *_ratio(one.simulated, one.measured)] for one in checked]
    sums = [sum(one.simulated for one in checked), sum(one.measured for one in checked)]
    return _table(["stage", "simulated, s", "measured, s", "simulated : measured"], [*rows, ["all", *_ratio(*sums)]])


def _extrapolation(figures: Figures, settings: Settings) -> str:
    run, crawl = figures["check"], figures["crawl"]
    pages, workers = sum(run["pages"]), HEADLINE[1]
    run_pages = Size.of(figures, settings).pages
    return (
        f"\nThe crawl has {crawl['pages'] / pages:,.0f} times as many pages as the measured run, and one of its runs "
        f"{run_pages / pages:,.0f} times as many; {workers:,} workers are {workers / run['workers']:,.0f} times as "
        f"many, and one cluster of {CLUSTER_WORKERS} is {CLUSTER_WORKERS / run['workers']:,.0f} times as many."
    )


def _ratio(simulated: float, measured: float) -> list[str]:
    return [f"{simulated:.1f}", f"{measured:.1f}", f"{simulated / measured:.2f}"]


def _step_table(run_steps: list[Step], slower: float) -> str:
    head = ["step", "tasks", "CPU h", "waiting h", "read GB", "written GB", "GET", "PUT", "shuffle MB", "process MB"]
    rows = [
        [
            _step_name(step),
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
        for step in run_steps
    ]
    return _table(head, rows)


def _cost_table(costs: dict[tuple[str, int], CrawlCost]) -> str:
    head = ["runner", "workers", "hours", "process hours"]
    head += [f"{part} $" for part in ("machines", "on spot", "shuffle", "requests", "storage", "all")]
    rows = [
        [
            runner,
            f"{workers:,}",
            f"{cost.hours:,.0f}",
            f"{cost.process_hours:,.0f}",
            f"{cost.compute:,.0f}",
            f"{cost.spot:,.0f}" if cost.spot else "",
            *(f"{part:,.0f}" for part in (cost.shuffle, cost.requests, cost.storage, cost.dollars)),
        ]
        for (runner, workers), cost in costs.items()
    ]
    return _table(head, rows)


def _sensitivity_table(figures: Figures, settings: Settings, simulate: Callable[..., CrawlCost]) -> str:
    def changed(section: str, **values: Any) -> Figures:
        return {**figures, section: {**figures[section], **values}}

    runner, workers = HEADLINE
    of_runner = figures["runners"][runner]
    cases = {
        "as above": (figures, settings),
        "workers of equal speed": (changed("machines", speed_spread=0.0), settings),
        "speeds of workers differ by 15 %": (changed("machines", speed_spread=0.15), settings),
        "units of 256 MiB": (figures, settings._replace(unit_bytes=2**28)),
        "storage that answers in 1 ms": (changed("storage", latency=0.001), settings),
        "duplicates as in the benchmark": (figures, settings._replace(duplicates="measured")),
        "runs of 100 archives": (figures, settings._replace(files=100)),
        "extractor trafilatura": (figures, settings._replace(extractor="trafilatura")),
        **{
            f"{100 * ratio:.0f} % of the embedded runner's speed": (
                changed("runners", **{runner: {**of_runner, "ratio": ratio}}),
                settings,
            )
            for ratio in (0.7, 1.0)
            if ratio != speed(of_runner)
        },
    }
    rows = []
    for name, (changed_figures, changed_settings) in cases.items():
        cost = simulate(changed_figures, changed_settings, runner, workers)
        rows.append([name, f"{cost.hours:,.0f}", f"{cost.dollars:,.0f}"])
    return _table(["change", "hours", "all $"], rows)


def _loss_table(figures: Figures, settings: Settings, slower: float) -> str:
    size, machines = Size.of(figures, settings), figures["machines"]
    page = page_seconds(figures, settings.extractor) * slower
    rows = []
    for name, runner in figures["runners"].items():
        hours = size.pages / size.units * page / speed(runner) / 3600
        restarted = CLUSTER_WORKERS // machines["processes"] if runner["falls"] == "job" else 1
        factors = [loss_factor(losses, hours, restarted) for losses in machines["losses"].values()]
        rows.append([name, f"{60 * hours:.0f}", *(f"{factor:,.2f} ×" for factor in factors)])
    return _table(["runner", "minutes of a unit", *machines["losses"]], rows)


def _limit_table(figures: Figures) -> str:
    head = ["quantity", "maximum", "archives, defaults", "archives, 1 GiB units", "at 900", "at 90,000", "remedy"]
    rows = []
    for limit in limits(figures):
        rows.append(
            [
                limit.quantity,
                _amount(limit.maximum / limit.scale, limit.unit),
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


def _single_run_table(figures: Figures, slower: float) -> str:
    run_steps = steps(figures, Settings(figures["crawl"]["files"], 2**30))
    extract = run_steps[0].seconds
    rows = [
        [
            _step_name(step),
            f"{step.cpu * slower / 3600:,.0f}",
            f"{step.wait / 3600:,.0f}",
            f"{step.seconds / min(step.tasks, HEADLINE[1]) / 3600:,.1f}",
            f"{step.memory / 1e9:,.1f}",
            "; ".join(_exceeded(figures, step, extract)) or "yes",
        ]
        for step in run_steps
    ]
    head = ["step", "CPU h", "waiting h", f"h on {HEADLINE[1]:,} workers, at best", "process GB", "fits"]
    return _table(head, rows, left={0, 5})


def _exceeded(figures: Figures, step: Step, extract: float) -> Iterable[str]:
    memory = SINGLE_TASK_MEMORY if step.tasks == 1 else figures["machines"]["worker_memory"]
    if step.memory > memory:
        yield f"**no**: memory, over {memory / 1e9:.0f} GB"
    if step.stage != "extract" and step.seconds > extract:
        yield "**no**: longer than extract"
    if step.tasks == 1 and step.seconds > 3 * 3600:
        yield "**no**: hours during which all others wait"


def _headline_figures(
    figures: Figures,
    run_steps: list[Step],
    costs: dict[tuple[str, int], CrawlCost],
    checked: list[CheckedStage],
    runs: int,
) -> dict[str, float]:
    runner, workers = HEADLINE
    headline = costs[HEADLINE]
    values = {
        "simulated_over_measured": 1 / slowdown(checked),
        "extract_core_hours": runs * slowdown(checked) * run_steps[0].cpu / 3600,
        **{f"crawl_hours_{name}_{n}": cost.hours for (name, n), cost in costs.items() if n in (64, workers)},
        **{f"crawl_dollars_{name}_{n}": cost.dollars for (name, n), cost in costs.items() if n == workers},
        f"crawl_process_hours_{runner}_{workers}": headline.process_hours,
        "shuffle_tb": runs * sum(step.shuffled for step in run_steps) / 1e12,
        "storage_tb": runs * kept_bytes(run_steps) / 1e12,
        "requests_million": runs * sum(step.gets + step.puts for step in run_steps) / 1e6,
        "process_peak_gb": max(step.memory for step in run_steps if step.tasks > 1) / 1e9,
        "one_place_peak_gb": max(step.memory for step in run_steps if step.tasks == 1) / 1e9,
        "extrapolation_factor": figures["crawl"]["pages"] / sum(figures["check"]["pages"]),
        "workers_factor": workers / figures["check"]["workers"],
    }
    return {name: float(f"{value:.4g}") for name, value in values.items()}


def _step_name(step: Step) -> str:
    return f"{step.stage}: {step.name}" if step.name else step.stage


def _table(head: list[str], rows: list[list[str]], left: Collection[int] = (0,)) -> str:
    """Return a Markdown table; the columns ``left`` are left-aligned, the others right-aligned."""
    rule = ["---" if column in left else "---:" for column in range(len(head))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, rule, *rows])

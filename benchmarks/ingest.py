"""From archives to judged documents, beside datatrove's FineWeb chain: the same files, cores and lists, in turns.

    python benchmarks/ingest.py                # ten minutes on two cores
    python benchmarks/ingest.py --quick        # few pages, once: it only shows that all runs

Three ways, each a command of its own with two worker processes:

- ``datatrove``: the FineWeb chain (``fineweb.py``), with trafilatura in favour of precision;
- ``trafilatura``: `gristmill run --until judge`, with trafilatura in favour of precision too;
- ``default``: the same with Gristmill's own default engine.

All have datatrove's list of 4.6 million domains, its words, the same language model, want English, and judge by the
rules of FineWeb: here the preset ``fineweb``.

**Start-up.** Every way is also run on a handful of pages. Rates and ratios are those of the pages beyond these, by the
time beyond that: an archive of a crawl holds some ten times what is milled here. Those of the whole time (``…_whole``)
are printed too, and with ``--quick`` they are all there is.

**Shared machine.** Seconds of processors say what wall time says, and stand noise better; both are printed. datatrove
gives up on a page after a second of wall time: the table counts how often, which on a calm machine is seldom.

The last line is one JSON object: ``ratio_default``, ``ratio_trafilatura`` (of wall time), each ``…_cpu`` (of time of
processors) and ``…_whole`` too; ``rss_growth``, which is peak memory at four files by that at one, with the default
engine; and what they come from.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from archives import build_archives
from inputs import DATA, REPOSITORY, require_data
from measure import Cost, command
from peers import DATATROVE, FOLDER, python
from rich import box
from rich.console import Console
from rich.table import Table

from gristmill.classifiers.language import model_path
from gristmill.pipelines.work_directory import read_ledger

WORK = REPOSITORY / "work" / "bench" / "ingest"
WORKERS = 2
FILES = 4

_PRINT = Console(highlight=False, width=120)
_TRAFILATURA = {"name": "trafilatura", "focus": "precision"}


class Scale(NamedTuple):
    """How many pages are milled, how often by each way, and how many to take the time of starting (0: not taken)."""

    pages: int
    rounds: int
    start_pages: int


FULL = Scale(2400, 2, 16)
QUICK = Scale(80, 1, 0)


class Way(NamedTuple):
    """One way through all files: what it took on a handful of pages and on all, round by round, and what came out."""

    start: list[Cost]
    all: list[Cost]
    kept: list[int]

    @property
    def start_s(self) -> float:
        return _median(self.start, "seconds")

    def seconds(self, scale: Scale) -> float:
        """Wall time of a page, start-up apart. The median of the rounds, as all figures are."""
        return (_median(self.all, "seconds") - self.start_s) / (scale.pages - scale.start_pages)

    def cpu_seconds(self, scale: Scale) -> float:
        """The same in time of processors."""
        spent = _median(self.all, "cpu_seconds") - _median(self.start, "cpu_seconds")
        return spent / (scale.pages - scale.start_pages)


def _median(costs: list[Cost], what: str) -> float:
    return statistics.median(getattr(cost, what) for cost in costs) if costs else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few pages, once")
    parser.add_argument("--extractor", metavar="NAME", help="the engine of `default`, if not the recipe's default")
    arguments = parser.parse_args()
    require_data()
    shutil.rmtree(WORK, ignore_errors=True)
    scale = QUICK if arguments.quick else FULL
    engines: dict[str, dict[str, Any] | None] = {
        "trafilatura": _TRAFILATURA,
        "default": {"name": arguments.extractor} if arguments.extractor else None,
    }
    build_archives(WORK / "all", FILES, scale.pages)
    if scale.start_pages:
        build_archives(WORK / "start", FILES, scale.start_pages)
    one = WORK / "one"
    one.mkdir()
    shutil.copy(WORK / "all" / "pages-0.warc.gz", one)

    ways = {name: Way([], [], []) for name in ("datatrove", *engines)}
    steps: list[dict[str, Any]] = []
    sizes = ("start", "all") if scale.start_pages else ("all",)
    if scale.start_pages:
        _datatrove("start")  # unpacks its lists and its model at the first use
    for _ in range(scale.rounds):
        for name, way in ways.items():
            for size in sizes:
                ran = _datatrove(size) if name == "datatrove" else _mill(name, engines[name], size)
                (way.start if size == "start" else way.all).append(ran.cost)
                _PRINT.print(
                    f"{name:<12}{size:<6}{ran.cost.seconds:8.1f} s {ran.cost.cpu_seconds:8.1f} s of processors"
                )
            way.kept.append(ran.kept)
            steps = ran.steps or steps
    single = _mill("default", engines["default"], "one").cost
    figures = _report(ways, steps, single, scale)
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


class Ran(NamedTuple):
    cost: Cost
    kept: int
    steps: list[dict[str, Any]]


def _datatrove(size: str) -> Ran:
    """datatrove's chain over the archives of a size, in a fresh folder."""
    out = WORK / "datatrove"
    shutil.rmtree(out, ignore_errors=True)
    words = [str(python("datatrove", DATATROVE)), str(Path(__file__).with_name("fineweb.py"))]
    words += [str(WORK / size), str(out), model_path(), str(WORKERS)]
    environment = {"HF_ASSETS_CACHE": str(FOLDER / "assets"), "HF_HUB_OFFLINE": "1"}
    cost = command(words, environment, WORK / "datatrove.log")
    steps: list[dict[str, Any]] = json.loads((out / "logs" / "stats.json").read_text())
    return Ran(cost, steps[-1]["stats"]["total"], steps)


def _mill(name: str, extractor: dict[str, Any] | None, size: str) -> Ran:
    """``gristmill run`` over the archives of a size, in a fresh work directory."""
    work, recipe = WORK / name, WORK / f"{name}.yaml"
    shutil.rmtree(work, ignore_errors=True)
    recipe.write_text(yaml.safe_dump(_recipe(extractor, size)))
    words = [str(Path(sys.executable).with_name("gristmill")), "run", str(recipe), "--work", str(work)]
    cost = command([*words, "--workers", str(WORKERS), "--until", "judge"], {}, WORK / f"{name}.log")
    stages = {stage["stage"]: stage for stage in read_ledger(str(work))["stages"]}
    return Ran(cost, stages["judge"]["kept"], [])


def _recipe(extractor: dict[str, Any] | None, size: str) -> dict[str, Any]:
    lists = DATA / "lists"
    extract = {
        "languages": ["en"],
        "url": {
            "domains": [str(lists / "url_filterblacklistsv0_3_0.tar.gz")],
            "words": [str(lists / "banned_words.txt")],
        },
    }
    return {
        "name": "ingest",
        "unit_size": os.path.getsize(WORK / size / "pages-0.warc.gz") // 4 + 2**16,  # four units of each file
        "sources": [{"name": "web", "format": "warc", "root": str(WORK / size), "paths": ["*.warc.gz"]}],
        "extract": extract | ({"extractor": extractor} if extractor else {}),
        "judge": {"languages": ["en"], "preset": "fineweb"},
    }


def _report(ways: dict[str, Way], steps: list[dict[str, Any]], single: Cost, scale: Scale) -> dict[str, float]:
    theirs = ways["datatrove"]
    _PRINT.print(_way_table(ways, scale), _step_table(steps))
    figures: dict[str, float] = {}
    for name in ("default", "trafilatura"):
        ours = ways[name]
        ratio = theirs.seconds(scale) / ours.seconds(scale)
        figures |= {
            f"ratio_{name}": ratio,
            f"ratio_{name}_cpu": theirs.cpu_seconds(scale) / ours.cpu_seconds(scale),
            f"ratio_{name}_whole": _median(theirs.all, "seconds") / _median(ours.all, "seconds"),
        }
    four = _median(ways["default"].all, "peak_mb")
    return {
        **figures,
        "rss_growth": four / single.peak_mb,
        "peak_mb_one_file": single.peak_mb,
        "peak_mb_four_files": four,
        **{f"pages_per_s_{name}": 1 / way.seconds(scale) for name, way in ways.items()},
        **{f"start_s_{name}": way.start_s for name, way in ways.items()},
        "timeouts_datatrove": sum(step["stats"].get("timeout", 0) for step in steps),
    }


def _way_table(ways: dict[str, Way], scale: Scale) -> Table:
    table = Table(title=f"{scale.pages:,} pages, {WORKERS} workers", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("way", style="bold")
    for head in ("start-up s", "all s", "pages/s", "pages/s of a processor", "kept", "peak MB"):
        table.add_column(head, justify="right")
    for name, way in ways.items():
        table.add_row(
            name,
            f"{way.start_s:.1f}",
            f"{_median(way.all, 'seconds'):.1f}",
            f"{1 / way.seconds(scale):.1f}",
            f"{1 / way.cpu_seconds(scale):.1f}",
            f"{way.kept[-1]:,}",
            "" if name == "datatrove" else f"{_median(way.all, 'peak_mb'):.0f}",  # its forks share most of theirs
        )
    return table


def _step_table(steps: list[dict[str, Any]]) -> Table:
    table = Table(title="datatrove, step by step", box=box.SIMPLE_HEAD, title_justify="left")
    for head in ("step", "in", "on", "timeouts", "s of both workers"):
        table.add_column(head, justify="left" if head == "step" else "right")
    for step in steps:
        stats, name = step["stats"], _step_name(step)
        taken = stats["total"] if "total" in stats else stats["documents"]["total"]
        table.add_row(
            name,
            f"{taken:,}",
            f"{stats.get('forwarded', taken):,}",
            str(stats.get("timeout", "")),
            f"{_seconds(step):.1f}",
        )
    return table


def _step_name(step: dict[str, Any]) -> str:
    """``🔻 - FILTER: 🌍 Language ID`` is ``Language ID``."""
    name: str = step["name"]
    return name.rpartition(": ")[2].partition(" ")[2]


def _seconds(step: dict[str, Any]) -> float:
    seconds: float = step["time_stats"]["total"]
    return seconds


if __name__ == "__main__":
    main()

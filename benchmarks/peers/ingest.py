"""From archives to judged documents, compared with datatrove's FineWeb chain: same files, cores and lists.

    python -m benchmarks ingest                # ten minutes on two cores
    python -m benchmarks ingest --quick        # few pages, once: it only shows that everything runs

Three tools, each a command of its own with two worker processes:

- ``datatrove``: the FineWeb chain (``run_fineweb.py``), with trafilatura in favour of precision;
- ``trafilatura``: `gristmill run --until judge`, also with trafilatura in favour of precision;
- ``default``: the same with Gristmill's own default engine.

All have datatrove's list of 4.6 million domains, its words and the same language model, want English, and judge by the
rules of FineWeb: in Gristmill the preset ``fineweb``.

Processor time agrees with wall time and is less sensitive to other work on the machine; both are printed. See
``side_by_side`` for start-up runs and ratios; with ``--quick`` there are no start-up runs. datatrove gives up on a page
after a second of wall time: the table counts how often, which is rare on an idle machine.

The last line is one JSON object: ``ratio_default`` and ``ratio_trafilatura`` (wall time), each also as ``…_cpu``
(processor time) and ``…_whole`` (with start-up); ``rss_growth``, the peak of memory with four files divided by that
with one, with the default engine; and what they follow from.
"""

from __future__ import annotations

import json
import os
import shutil
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.page_archives import build_archives
from benchmarks.harness.peer_environments import run_datatrove
from benchmarks.harness.pipeline_command import FILES, WORKERS, run_pipeline
from benchmarks.harness.process_cost import Cost
from benchmarks.harness.real_data import DATA
from benchmarks.harness.result_tables import CONSOLE, result_table
from benchmarks.harness.side_by_side import Workload, ratios, run_in_turns, side_table
from gristmill.classifiers.language import model_path
from gristmill.pipelines.work_directory import read_ledger

FULL = Workload(2400, 16, 2)
QUICK = Workload(80, 0, 1)

_TRAFILATURA = {"name": "trafilatura", "focus": "precision"}


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="few pages, once", add_options=_add_options)


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--extractor", metavar="NAME", help="the engine of `default`, if not the recipe's default")


def measure(options: Namespace) -> dict[str, float]:
    workload = QUICK if options.quick else FULL
    work = empty_work_folder("ingest")
    engines: dict[str, dict[str, Any] | None] = {
        "trafilatura": _TRAFILATURA,
        "default": {"name": options.extractor} if options.extractor else None,
    }
    for size, pages in workload.sizes.items():
        build_archives(work / size, FILES, pages)
    if workload.startup_items:
        _run_datatrove(work, "start")  # unpacks its lists and its model at the first use
    tools = {"datatrove": partial(_run_datatrove, work)}
    tools |= {name: partial(_run_gristmill, work, name, engine) for name, engine in engines.items()}
    sides = run_in_turns(tools, workload)
    steps: list[dict[str, Any]] = json.loads((work / "datatrove" / "logs" / "stats.json").read_text())
    kept = {"datatrove": steps[-1]["stats"]["total"], **{name: _kept(work / name) for name in engines}}
    CONSOLE.print(side_table(f"{workload.items:,} pages, {WORKERS} workers", sides, "pages"), _step_table(steps))
    CONSOLE.print(f"documents kept: {', '.join(f'{name} {count:,}' for name, count in kept.items())}")

    (work / "one").mkdir()
    shutil.copy(work / "all" / "pages-0.warc.gz", work / "one")
    one_file = _run_gristmill(work, "default", engines["default"], "one").peak_mb
    four_files = sides["default"].peak_mb
    return {
        **ratios("ratio_default", sides["datatrove"], sides["default"]),
        **ratios("ratio_trafilatura", sides["datatrove"], sides["trafilatura"]),
        "rss_growth": four_files / one_file,
        "peak_mb_one_file": one_file,
        "peak_mb_four_files": four_files,
        **{f"pages_per_s_{name}": 1 / side.seconds for name, side in sides.items()},
        **{f"start_s_{name}": side.startup_seconds for name, side in sides.items()},
        "timeouts_datatrove": sum(step["stats"].get("timeout", 0) for step in steps),
    }


def _run_datatrove(work: Path, size: str) -> Cost:
    """Run datatrove's chain on the archives of a size, in a fresh folder."""
    out = work / "datatrove"
    shutil.rmtree(out, ignore_errors=True)
    return run_datatrove("run_fineweb.py", work / size, out, model_path(), WORKERS, log=work / "datatrove.log")


def _run_gristmill(work: Path, name: str, extractor: dict[str, Any] | None, size: str) -> Cost:
    """Run Gristmill on the archives of a size, in a fresh work directory."""
    shutil.rmtree(work / name, ignore_errors=True)
    return run_pipeline(_recipe(work / size, extractor), work / name, "judge")


def _kept(work: Path) -> int:
    kept: int = next(row["kept"] for row in read_ledger(str(work))["stages"] if row["stage"] == "judge")
    return kept


def _recipe(archives: Path, extractor: dict[str, Any] | None) -> dict[str, Any]:
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
        "unit_size": os.path.getsize(archives / "pages-0.warc.gz") // 4 + 2**16,  # four units in each file
        "sources": [{"name": "web", "format": "warc", "root": str(archives), "paths": ["*.warc.gz"]}],
        "extract": extract | ({"extractor": extractor} if extractor else {}),
        "judge": {"languages": ["en"], "preset": "fineweb"},
    }


def _step_table(steps: list[dict[str, Any]]) -> Table:
    table = result_table("datatrove, step by step", ("step", "in", "out", "timeouts", "s of both workers"))
    for step in steps:
        stats = step["stats"]
        count = stats["total"] if "total" in stats else stats["documents"]["total"]
        table.add_row(
            _step_name(step),
            f"{count:,}",
            f"{stats.get('forwarded', count):,}",
            str(stats.get("timeout", "")),
            f"{step['time_stats']['total']:.1f}",
        )
    return table


def _step_name(step: dict[str, Any]) -> str:
    """Return the bare name: ``🔻 - FILTER: 🌍 Language ID`` is ``Language ID``."""
    name: str = step["name"]
    return name.rpartition(": ")[2].partition(" ")[2]


if __name__ == "__main__":
    main()

"""Pages that try to break an extractor: the outcome of each in every engine, its time and its memory.

Each page is processed like a record of a crawl: decoded, extracted by the engine in its child process, cleaned, its
language identified. Seconds are those of all of this; memory is the peak of the child, libraries included (the peak is
reset before each page, but memory that the child still holds from the page before counts). Gristmill's own engine has
no child process and so no figure of memory. A page that kills a child fails with ``crash``, ``memory`` or ``timeout``;
a page that is neither kept nor dropped nor failed is unaccounted.

    python -m benchmarks hostile            # all pages in all engines and settings
    python -m benchmarks hostile --quick    # every fifth page, each engine once

The last line is one JSON object: ``crashes`` (records that killed a child: ``crash``, ``memory``, ``timeout``),
``unaccounted``, ``slowest_s``, ``largest_mb``, and ``slowest_s_<engine>`` for each.
"""

from __future__ import annotations

import os
import time
from argparse import ArgumentParser, Namespace
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.hostile_pages import PAGES
from benchmarks.harness.process_cost import peak_mb, resident_bytes_by_pid
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.corpus.document import Document, Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.errors import InputError
from gristmill.extraction.engines.engine_table import ENGINES
from gristmill.extraction.engines.open_engine import require_engine
from gristmill.extraction.extract_record import ExtractionTools, extract_record
from gristmill.extraction.extract_section import ExtractSection
from gristmill.extraction.quarantine import CAUSES

SETTINGS: dict[str, dict[str, Any]] = {
    **{name: {"name": name} for name in ENGINES},
    "trafilatura, precision": {"name": "trafilatura", "focus": "precision"},
    "trafilatura, recall": {"name": "trafilatura", "focus": "recall"},
    "trafilatura, Markdown": {"name": "trafilatura", "format": "markdown"},
    "rs-trafilatura, Markdown": {"name": "rs-trafilatura", "format": "markdown"},
}
_SLOW_SECONDS = 2.0


class PageOutcome(NamedTuple):
    """What became of a page: ``kept``, ``dropped: <reason>``, the cause of the failure, or ``unaccounted``."""

    outcome: str
    seconds: float
    mb: float


def main() -> None:
    benchmark_main(
        measure,
        description=__doc__,
        quick="every fifth page, each engine once",
        needs_data=False,
        add_options=_add_options,
    )


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--engine", choices=SETTINGS, metavar="NAME", help="this engine or setting only")


def measure(options: Namespace) -> dict[str, float]:
    pages = list(PAGES)[:: 5 if options.quick else 1]
    names = [options.engine] if options.engine else list(ENGINES if options.quick else SETTINGS)
    outcomes = {name: _run_engine(name, pages) for name in names if _is_installed(name)}
    CONSOLE.width = 60 + 28 * len(outcomes)
    CONSOLE.print(_table(outcomes, pages))
    return figures(outcomes)


def figures(outcomes: dict[str, dict[str, PageOutcome]]) -> dict[str, float]:
    """Return the figures of the last line."""
    every = [outcome for of_engine in outcomes.values() for outcome in of_engine.values()]
    return {
        "crashes": sum(one.outcome in CAUSES for one in every),
        "unaccounted": sum(one.outcome == "unaccounted" for one in every),
        "slowest_s": round(max(one.seconds for one in every), 2),
        "largest_mb": round(max(one.mb for one in every)),
        **{
            f"slowest_s_{name}": round(max(one.seconds for one in of_engine.values()), 2)
            for name, of_engine in outcomes.items()
        },
    }


def _is_installed(engine: str) -> bool:
    try:
        require_engine(section_of(engine))
    except InputError as error:
        print(error)
        return False
    return True


def section_of(engine: str) -> ExtractSection:
    """Return the recipe's section of an engine or setting."""
    return ExtractSection.model_validate({"extractor": SETTINGS[engine]})


def _run_engine(engine: str, pages: list[str]) -> dict[str, PageOutcome]:
    section = section_of(engine)
    tools = ExtractionTools.load(section)
    with closing(tools.engine):
        tools.engine("<p>")  # starts its process
        return {page: process_page(page, section, tools) for page in pages}


def process_page(page: str, section: ExtractSection, tools: ExtractionTools) -> PageOutcome:
    """Process a page as the pipeline does, and measure."""
    payload = PAGES[page]()
    raw = Raw(Origin("hostile", page, 0, len(payload)), "text/html", payload)
    for child in _children():
        Path(f"/proc/{child}/clear_refs").write_text("5")  # resets its peak to what it holds now
    start = time.monotonic()
    result = extract_record(raw, section, tools)
    seconds = time.monotonic() - start
    return PageOutcome(_outcome(result), seconds, max(map(peak_mb, _children()), default=0.0))


def _outcome(result: object) -> str:
    match result:
        case Document():
            return "kept"
        case Dropped():
            return f"dropped: {result.reason}"
        case Failed():
            return result.cause
    return "unaccounted"


def _children() -> set[int]:
    return resident_bytes_by_pid({os.getpid()}).keys() - {os.getpid()}


def _table(outcomes: dict[str, dict[str, PageOutcome]], pages: list[str]) -> Table:
    table = result_table("outcome, seconds, MB of the child process", ("page", *outcomes))
    for column in table.columns[1:]:
        column.no_wrap = True
    for page in pages:
        table.add_row(page, *(_cell(of_engine[page]) for of_engine in outcomes.values()))
    return table


def _cell(one: PageOutcome) -> str:
    cell = f"{one.outcome} {one.seconds:.2f} {one.mb:.0f}"
    if one.outcome in CAUSES or one.outcome == "unaccounted":
        return f"[red]{cell}[/]"
    return f"[yellow]{cell}[/]" if one.seconds > _SLOW_SECONDS else cell


if __name__ == "__main__":
    main()

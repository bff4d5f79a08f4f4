"""Pages made to break an extractor: what becomes of each in every engine, in how many seconds and in how much memory.

Each page goes the mill's way, as one record of a crawl: decoded, read by the engine in its child process, tidied, its
language identified. Seconds are those of the whole way; memory is the child's peak, libraries and the page before
included (its peak is set back for each page, what it holds is not). Gristmill's own engine has no child, and no figure
of memory. A page that brings a child down costs ``crash``, ``memory`` or ``timeout``; one whose fate is no document, no
drop and no failure is unaccounted.

    python benchmarks/hostile.py            # all pages in all engines and settings
    python benchmarks/hostile.py --quick    # every fifth page, each engine once

The last line is one JSON object: ``crashes`` (records that brought a child down: ``crash``, ``memory``, ``timeout``),
``unaccounted``, ``slowest_s``, ``largest_mb``, and ``slowest_s_<engine>`` for each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from hostile_pages import PAGES
from measure import processes
from rich import box
from rich.console import Console
from rich.table import Table

from gristmill.corpus.document import Document, Origin
from gristmill.corpus.record import Dropped, Failed, Raw
from gristmill.errors import InputError
from gristmill.extraction.engines.registry import KINDS, require_engine
from gristmill.extraction.extract_record import Tools, extract_record
from gristmill.extraction.extract_section import ExtractSection
from gristmill.extraction.quarantine import CAUSES

SETTINGS: dict[str, dict[str, Any]] = {
    **{name: {"name": name} for name in KINDS},
    "trafilatura, precision": {"name": "trafilatura", "focus": "precision"},
    "trafilatura, recall": {"name": "trafilatura", "focus": "recall"},
    "trafilatura, Markdown": {"name": "trafilatura", "format": "markdown"},
    "rs-trafilatura, Markdown": {"name": "rs-trafilatura", "format": "markdown"},
}
_SLOW = 2.0


class Met(NamedTuple):
    """What became of a page."""

    fate: str
    seconds: float
    mb: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every fifth page, each engine once")
    parser.add_argument("--engine", help="this engine or setting only")
    options = parser.parse_args()
    names = list(PAGES)[:: 5 if options.quick else 1]
    chosen = [options.engine] if options.engine else list(KINDS if options.quick else SETTINGS)
    met = {engine: _meet(engine, names) for engine in chosen if _installed(engine)}
    Console(width=60 + 28 * len(met)).print(_table(met, names))
    print(json.dumps(figures(met)))


def figures(met: dict[str, dict[str, Met]]) -> dict[str, float]:
    everything = [one for pages in met.values() for one in pages.values()]
    return {
        "crashes": sum(one.fate in CAUSES for one in everything),
        "unaccounted": sum(one.fate == "unaccounted" for one in everything),
        "slowest_s": round(max(one.seconds for one in everything), 2),
        "largest_mb": round(max(one.mb for one in everything)),
        **{f"slowest_s_{name}": round(max(p.seconds for p in pages.values()), 2) for name, pages in met.items()},
    }


def _installed(engine: str) -> bool:
    try:
        require_engine(section_of(engine))
    except InputError as error:
        print(error)
        return False
    return True


def section_of(engine: str) -> ExtractSection:
    return ExtractSection.model_validate({"extractor": SETTINGS[engine]})


def _meet(engine: str, names: list[str]) -> dict[str, Met]:
    section = section_of(engine)
    tools = Tools.load(section)
    with closing(tools.engine):
        tools.engine("<p>")  # its process has started
        return {name: met(name, section, tools) for name in names}


def met(name: str, section: ExtractSection, tools: Tools) -> Met:
    payload = PAGES[name]()
    raw = Raw(Origin("hostile", name, 0, len(payload)), "text/html", payload)
    for child in _children():
        Path(f"/proc/{child}/clear_refs").write_text("5")  # its peak is what it holds now
    begun = time.monotonic()
    result = extract_record(raw, section, tools)
    seconds = time.monotonic() - begun
    return Met(_fate(result), seconds, max(map(_peak_mb, _children()), default=0.0))


def _fate(result: object) -> str:
    match result:
        case Document():
            return "kept"
        case Dropped():
            return f"dropped: {result.reason}"
        case Failed():
            return result.cause
    return "unaccounted"


def _children() -> set[int]:
    return processes({os.getpid()}).keys() - {os.getpid()}


def _peak_mb(pid: int) -> float:
    peak = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(peak[1]) * 1024 / 1e6 if peak else 0.0


def _table(met: dict[str, dict[str, Met]], names: list[str]) -> Table:
    table = Table(title="fate, seconds, MB of the child", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("page")
    for engine in met:
        table.add_column(engine, justify="right", no_wrap=True)
    for name in names:
        table.add_row(name, *(_cell(pages[name]) for pages in met.values()))
    return table


def _cell(one: Met) -> str:
    cell = f"{one.fate} {one.seconds:.2f} {one.mb:.0f}"
    if one.fate in CAUSES or one.fate == "unaccounted":
        return f"[red]{cell}[/]"
    return f"[yellow]{cell}[/]" if one.seconds > _SLOW else cell


if __name__ == "__main__":
    main()

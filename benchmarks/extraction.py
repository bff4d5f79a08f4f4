"""How good and how fast each extraction engine is, on pages whose main text people have marked.

    python benchmarks/extraction.py            # ten minutes on one core
    python benchmarks/extraction.py --quick    # half of the held-out pages, once

The pages, the split and the measure are those of ``gold``; engines are those that a recipe may name, with the mill's
checks of a page before them, and ``bare trafilatura``, which is ``trafilatura.extract(html)`` and the measure of speed.

Speed is pages by seconds of one processor. All engines work in this one process, page by page in turns, each from the
decoded page to its text, parsing included; of several passes the median counts. Seconds are those that this process
got, not those of the clock on the wall, so that other work on the machine hardly shows.

The last line is one JSON object: ``f1`` and ``speed_vs_trafilatura`` of the recipe's default engine, ``f1_<engine>``
and ``speed_vs_trafilatura_<engine>`` of each other. F1 is that of held-out pages, which no model was trained on; speed
that of all.
"""

from __future__ import annotations

import argparse
import json
import logging
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import gold
import trafilatura
from gold import GoldPage
from inputs import require_data
from rich import box
from rich.console import Console
from rich.table import Table

from gristmill.errors import InputError
from gristmill.extraction.engines.engine import ExtractionEngine, Refused
from gristmill.extraction.engines.registry import loader, require_engine
from gristmill.extraction.extract_section import ExtractSection

BARE = "bare trafilatura"
DEFAULT = ExtractSection().extractor.name

CHOICES: dict[str, dict[str, Any]] = {
    DEFAULT: {"name": DEFAULT},
    "trafilatura": {"name": "trafilatura"},
    "trafilatura_precision": {"name": "trafilatura", "focus": "precision"},
    "trafilatura_recall": {"name": "trafilatura", "focus": "recall"},
    "resiliparse": {"name": "resiliparse"},
    "rs_trafilatura": {"name": "rs-trafilatura"},
}
"""By the name that figures bear, what a recipe says of the engine."""

FAST_MS = 8.0
"""An engine that takes less a page is measured in ``FAST_PASSES`` passes, another in one."""
FAST_PASSES = 3

_PRINT = Console(highlight=False, width=150)


class Read(NamedTuple):
    """What an engine made of the pages: F1 of each, seconds of each pass, and the causes of refusals."""

    scores: list[float]
    passes: list[float]
    refused: list[str]

    def rate(self) -> float:
        """Pages a second."""
        return len(self.scores) / statistics.median(self.passes)

    def f1(self, chosen: Iterable[bool]) -> float:
        scores = [score for score, is_chosen in zip(self.scores, chosen, strict=True) if is_chosen]
        return statistics.mean(scores) if scores else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="half of the held-out pages, once")
    arguments = parser.parse_args()
    require_data()
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    pages = gold.pages()
    if arguments.quick:
        pages = [page for page in pages if page.held_out][::2]
    engines = _engines()
    read = read_all(engines, pages, 1 if arguments.quick else FAST_PASSES)
    _PRINT.print(_engine_table(read, pages))
    held_out = [page.held_out for page in pages]
    _PRINT.print(_share_table("F1 by type, held-out pages", read, pages, lambda page: page.page_type, held_out))
    _PRINT.print(_share_table("F1 by collection, held-out pages", read, pages, lambda page: page.set, held_out))
    _PRINT.print(_share_table("F1 by language, all pages", read, pages, lambda page: page.lang, [True] * len(pages)))
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures(read, pages).items()}))


def figures(read: dict[str, Read], pages: Sequence[GoldPage]) -> dict[str, float]:
    """F1 on held-out pages, and speed beside bare trafilatura, of the default engine and of each other."""
    held_out = [page.held_out for page in pages]
    bare = read[BARE].rate()
    others = {name: one for name, one in read.items() if name not in (BARE, DEFAULT)}
    default = read[DEFAULT]
    return {
        "f1": default.f1(held_out),
        "speed_vs_trafilatura": default.rate() / bare,
        "f1_all_pages": default.f1([True] * len(pages)),
        **{f"f1_{name}": one.f1(held_out) for name, one in others.items()},
        **{f"speed_vs_trafilatura_{name}": one.rate() / bare for name, one in others.items()},
        "pages_per_s": default.rate(),
        "pages_per_s_bare_trafilatura": bare,
    }


def read_all(engines: dict[str, ExtractionEngine], pages: Sequence[GoldPage], fast_passes: int) -> dict[str, Read]:
    """Every engine on every page, in turns; the fast ones again until they have their passes."""
    read = {name: Read([], [], []) for name in engines}
    marked = [gold.words(page.text) for page in pages]
    for number in range(fast_passes):
        turn = [name for name, one in read.items() if not number or one.passes[0] < FAST_MS / 1e3 * len(pages)]
        seconds = dict.fromkeys(turn, 0.0)
        for page, words in zip(pages, marked, strict=True):
            for name in turn:
                begun = time.process_time()
                text, refused = _ask(engines[name], page.html, page.url)
                seconds[name] += time.process_time() - begun
                if not number:
                    read[name].scores.append(gold.f1(text, words))
                    read[name].refused.extend([refused] * bool(refused))
        for name in turn:
            read[name].passes.append(seconds[name])
    return read


def _ask(engine: ExtractionEngine, html: str, url: str | None) -> tuple[str, str]:
    try:
        return engine(html, url), ""
    except Refused as refused:
        return "", refused.cause
    except Exception as error:  # as the mill has it: the page fails, and the next one is read
        return "", type(error).__name__


def _engines() -> dict[str, ExtractionEngine]:
    """Those that are installed, warmed up."""
    engines: dict[str, ExtractionEngine] = {BARE: lambda html, url: trafilatura.extract(html) or ""}
    for name, choice in CHOICES.items():
        section = ExtractSection.model_validate({"extractor": choice})
        try:
            require_engine(section)
        except InputError as error:
            _PRINT.print(f"[bold red]left out:[/] {name} ({error})")
            continue
        engines[name] = loader(section)()
    for engine in engines.values():
        engine("<html><body><p>A first page, on which tables and models are loaded.</p></body></html>", None)
    return engines


def _engine_table(read: dict[str, Read], pages: Sequence[GoldPage]) -> Table:
    """All engines; an engine that the default one beats at both F1 and speed is marked."""
    table = Table(title=f"engines on {len(pages):,} pages", box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("engine", style="bold")
    held_out = [page.held_out for page in pages]
    seen = [not page.held_out for page in pages]
    heads = (f"F1, {sum(held_out)} held out", f"F1, {sum(seen):,} others", "F1, all", "pages/s", ": trafilatura")
    for head in (*heads, "refused", "beaten"):
        table.add_column(head, justify="right")
    bare, default = read[BARE], read[DEFAULT]
    for name, one in read.items():
        beaten = default.f1(held_out) > one.f1(held_out) and default.rate() > one.rate()
        table.add_row(
            name + (" (default)" if name == DEFAULT else ""),
            *(f"{one.f1(chosen):.4f}" for chosen in (held_out, seen, [True] * len(pages))),
            f"{one.rate():.1f}",
            f"{one.rate() / bare.rate():.2f}",
            f"{len(one.refused)}",
            "yes" if beaten else "",
        )
    return table


def _share_table(
    title: str, read: dict[str, Read], pages: Sequence[GoldPage], key: Callable[[GoldPage], str], among: list[bool]
) -> Table:
    """F1 of each engine by a property of pages, for values of five pages or more."""
    values = [key(page) for page in pages]
    counts = {value: sum(v == value and in_it for v, in_it in zip(values, among, strict=True)) for value in set(values)}
    shown = sorted((value for value, count in counts.items() if count >= 5), key=lambda value: -counts[value])
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left")
    table.add_column("engine", style="bold")
    for value in shown:
        table.add_column(f"{value}\n{counts[value]:,}", justify="right")
    for name, one in read.items():
        parts = ([v == value and in_it for v, in_it in zip(values, among, strict=True)] for value in shown)
        table.add_row(name, *(f"{one.f1(part):.3f}" for part in parts))
    return table


if __name__ == "__main__":
    main()

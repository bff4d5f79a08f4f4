"""How good and how fast each extraction engine is, on pages whose main text people have marked.

    python -m benchmarks extraction            # ten minutes on one core
    python -m benchmarks extraction --quick    # half of the held-out pages, once

The pages, the split and the measure are those of ``gold_pages``. The engines are those that a recipe may name, with the
pipeline's checks of a page before them, and ``bare trafilatura``, which is ``trafilatura.extract(html)``: the baseline
of speed.

Speed is pages per second of one processor. All engines run in this one process, alternating page by page, from the
decoded page to its text, parsing included; of several passes the median counts. It is processor time of this process,
not wall time, so that other work on the machine hardly matters.

The last line is one JSON object: ``f1`` and ``speed_vs_trafilatura`` of the recipe's default engine, ``f1_<engine>``
and ``speed_vs_trafilatura_<engine>`` of each other one. F1 is that of held-out pages, on which no model was trained;
speed is that of all pages.
"""

from __future__ import annotations

import logging
import statistics
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import trafilatura
from rich.table import Table

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.gold_pages import GoldPage, gold_pages, word_counts, word_f1
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.errors import InputError
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, PageRefused
from gristmill.extraction.engines.open_engine import engine_loader, require_engine
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
"""The recipe's section of each engine, by the name that its figures have."""

FAST_MS = 8.0
"""An engine that takes less time for a page is measured in ``FAST_PASSES`` passes, a slower one in one pass."""
FAST_PASSES = 3


class EngineResult(NamedTuple):
    """The result of an engine: F1 of each page, seconds of each pass, and the causes of refusals."""

    scores: list[float]
    passes: list[float]
    refused: list[str]

    def rate(self) -> float:
        """Return pages per second."""
        return len(self.scores) / statistics.median(self.passes)

    def f1(self, selected: Iterable[bool]) -> float:
        """Return the mean F1 of the selected pages."""
        scores = [score for score, is_selected in zip(self.scores, selected, strict=True) if is_selected]
        return statistics.mean(scores) if scores else float("nan")


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="half of the held-out pages, once")


def measure(options: Namespace) -> dict[str, float]:
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    pages = gold_pages()
    if options.quick:
        pages = [page for page in pages if page.held_out][::2]
    results = run_engines(_engines(), pages, 1 if options.quick else FAST_PASSES)
    CONSOLE.print(_engine_table(results, pages))
    held_out = [page.held_out for page in pages]
    CONSOLE.print(_group_table("F1 by type, held-out pages", results, pages, lambda page: page.page_type, held_out))
    CONSOLE.print(_group_table("F1 by collection, held-out pages", results, pages, lambda page: page.set, held_out))
    all_pages = [True] * len(pages)
    CONSOLE.print(_group_table("F1 by language, all pages", results, pages, lambda page: page.lang, all_pages))
    return figures(results, pages)


def figures(results: dict[str, EngineResult], pages: Sequence[GoldPage]) -> dict[str, float]:
    """Return F1 on held-out pages, and speed relative to bare trafilatura, of the default engine and of each other."""
    held_out = [page.held_out for page in pages]
    bare = results[BARE].rate()
    others = {name: result for name, result in results.items() if name not in (BARE, DEFAULT)}
    default = results[DEFAULT]
    return {
        "f1": default.f1(held_out),
        "speed_vs_trafilatura": default.rate() / bare,
        "f1_all_pages": default.f1([True] * len(pages)),
        **{f"f1_{name}": result.f1(held_out) for name, result in others.items()},
        **{f"speed_vs_trafilatura_{name}": result.rate() / bare for name, result in others.items()},
        "pages_per_s": default.rate(),
        "pages_per_s_bare_trafilatura": bare,
    }


def run_engines(
    engines: dict[str, ExtractionEngine], pages: Sequence[GoldPage], fast_passes: int
) -> dict[str, EngineResult]:
    """Run every engine on every page, alternating; the fast ones again until they have ``fast_passes`` passes."""
    results = {name: EngineResult([], [], []) for name in engines}
    gold = [word_counts(page.text) for page in pages]
    for number in range(fast_passes):
        fast = [name for name, result in results.items() if not number or result.passes[0] < FAST_MS / 1e3 * len(pages)]
        seconds = dict.fromkeys(fast, 0.0)
        for page, words in zip(pages, gold, strict=True):
            for name in fast:
                start = time.process_time()
                text, cause = _extract(engines[name], page.html, page.url)
                seconds[name] += time.process_time() - start
                if not number:
                    results[name].scores.append(word_f1(text, words))
                    results[name].refused.extend([cause] * bool(cause))
        for name in fast:
            results[name].passes.append(seconds[name])
    return results


def _extract(engine: ExtractionEngine, html: str, url: str | None) -> tuple[str, str]:
    """Return the text, or "" and the cause of the failure."""
    try:
        return engine(html, url), ""
    except PageRefused as refused:
        return "", refused.cause
    except Exception as error:  # in the pipeline the page fails, and the next one is read
        return "", type(error).__name__


def _engines() -> dict[str, ExtractionEngine]:
    """Return the engines that are installed, warmed up."""
    engines: dict[str, ExtractionEngine] = {BARE: lambda html, url: trafilatura.extract(html) or ""}
    for name, choice in CHOICES.items():
        section = ExtractSection.model_validate({"extractor": choice})
        try:
            require_engine(section)
        except InputError as error:
            CONSOLE.print(f"[bold red]left out:[/] {name} ({error})")
            continue
        engines[name] = engine_loader(section)()
    for engine in engines.values():
        engine("<html><body><p>A first page, on which tables and models are loaded.</p></body></html>", None)
    return engines


def _engine_table(results: dict[str, EngineResult], pages: Sequence[GoldPage]) -> Table:
    """A table of all engines; those that the default engine beats at both F1 and speed are marked."""
    held_out = [page.held_out for page in pages]
    others = [not page.held_out for page in pages]
    scores = ("engine", f"F1, {sum(held_out)} held out", f"F1, {sum(others):,} others", "F1, all")
    table = result_table(f"engines on {len(pages):,} pages", (*scores, "pages/s", ": trafilatura", "refused", "beaten"))
    bare, default = results[BARE], results[DEFAULT]
    for name, result in results.items():
        beaten = default.f1(held_out) > result.f1(held_out) and default.rate() > result.rate()
        table.add_row(
            name + (" (default)" if name == DEFAULT else ""),
            *(f"{result.f1(selected):.4f}" for selected in (held_out, others, [True] * len(pages))),
            f"{result.rate():.1f}",
            f"{result.rate() / bare.rate():.2f}",
            f"{len(result.refused)}",
            "yes" if beaten else "",
        )
    return table


def _group_table(
    title: str,
    results: dict[str, EngineResult],
    pages: Sequence[GoldPage],
    group_of: Callable[[GoldPage], str],
    selected: list[bool],
) -> Table:
    """A table of the F1 of each engine by group of pages, for groups of five selected pages or more."""
    members: dict[str, list[bool]] = {
        group: [group_of(page) == group and is_selected for page, is_selected in zip(pages, selected, strict=True)]
        for group in {group_of(page) for page in pages}
    }
    shown = sorted((group for group in members if sum(members[group]) >= 5), key=lambda group: -sum(members[group]))
    table = result_table(title, ("engine", *(f"{group}\n{sum(members[group]):,}" for group in shown)))
    for name, result in results.items():
        table.add_row(name, *(f"{result.f1(members[group]):.3f}" for group in shown))
    return table


if __name__ == "__main__":
    main()

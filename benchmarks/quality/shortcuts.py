"""What each shortcut of extraction saves, and which documents it loses.

    python -m benchmarks shortcuts [--quick]

A shortcut decides about a page without its main text. It is compared with the full chain, which uses none of them: no
URL lists, no media types, no size limits, no language guess, and a language identifier that reads whole documents. A
document is lost if the full chain keeps it, judged by the default rules, and a shortcut drops it.

- ``url_lists``: datatrove's list of 4.6 million domains and its list of words. They are meant to drop documents; what
  they drop is counted as lost all the same;
- ``media_type``: pages that are declared as something else than a page, or begin like it. The full chain takes them for
  pages;
- ``size_caps``: pages with too many bytes or nodes, or nested too deeply. The full chain has no such limits;
- ``language_guess``: the language is guessed from the raw page;
- ``identifier_sample``: the language identifier reads four pieces of a long document. This saves time, but no page.

The pages are the 2,000 real ones, the other gold pages, and the records of Common Crawl and of odd archives. The last
line is one JSON object: ``loss_total``, ``loss_<shortcut>`` and ``saved_<shortcut>``: lost documents as a share of
those that the full chain keeps, and saved pages as a share of all pages, for a recipe that wants English.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from fastwarc.warc import ArchiveIterator
from rich.table import Table

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.gold_pages import gold_pages, html_of
from benchmarks.harness.real_data import DATA, archives_in, read_items, read_pages, real_archives
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.classifiers import language
from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.record import Dropped, Raw
from gristmill.extraction.charset_decoding import decode
from gristmill.extraction.engines.extraction_engine import OpenEngine, PageRefused
from gristmill.extraction.engines.open_engine import open_engine
from gristmill.extraction.extract_section import ExtractSection, UrlSection
from gristmill.extraction.language_guess import unwanted_language
from gristmill.extraction.text_cleanup import clean_text
from gristmill.extraction.url_lists import UrlFilter
from gristmill.transforms.quality.apply_rules import explain
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.measure_signals import measure_text

SHORTCUTS = ("url_lists", "media_type", "size_caps", "language_guess", "identifier_sample")
WANTED = ("en", "de", "zh", "en de fr")
"""Languages of recipes; the figures are those of the first."""

_SECTION = ExtractSection()
_UNLIMITED = ExtractSection(max_nodes=10**9, max_depth=1000)


class Page(NamedTuple):
    """A page as read. ``refused`` is the reason for which the reader drops it: its media type or its size."""

    url: str | None
    html: str
    refused: str = ""


class ChainResult(NamedTuple):
    """The full chain's language and verdict on a page, and whether each shortcut drops it."""

    lang: str | None
    kept: bool
    url_lists: bool
    media_type: bool
    size_caps: bool
    sampled_lang: str | None
    is_sampled: bool
    """Whether the identifier reads only a part of the document."""


class Outcomes(NamedTuple):
    """Numbers of pages: those that the full chain keeps, and by shortcut those that it drops."""

    kept: frozenset[int]
    dropped: dict[str, frozenset[int]]

    def lost(self, *shortcuts: str) -> frozenset[int]:
        """Return the pages that the full chain keeps and any of the shortcuts drops."""
        return self.kept & frozenset().union(*(self.dropped[shortcut] for shortcut in shortcuts))


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="every tenth page")


def measure(options: Namespace) -> dict[str, float]:
    pages = list(_pages())[:: 10 if options.quick else 1]
    identifier = LanguageIdentifier.load()
    results = run_chain(pages, identifier)
    by_languages = {wanted: outcomes(pages, results, frozenset(wanted.split()), identifier) for wanted in WANTED}
    for wanted, found in by_languages.items():
        CONSOLE.print(_table(wanted, found, results))
    return figures(by_languages[WANTED[0]], len(pages))


def outcomes(
    pages: Sequence[Page], results: Sequence[ChainResult], wanted: frozenset[str], identifier: LanguageIdentifier
) -> Outcomes:
    """Return the outcomes of the pages for a recipe that wants these languages."""

    def numbers(test: Callable[[Page, ChainResult], object]) -> frozenset[int]:
        return frozenset(n for n, (page, result) in enumerate(zip(pages, results, strict=True)) if test(page, result))

    return Outcomes(
        numbers(lambda page, result: result.kept and result.lang in wanted),
        {
            "url_lists": numbers(lambda page, result: result.url_lists),
            "media_type": numbers(lambda page, result: result.media_type),
            "size_caps": numbers(lambda page, result: result.size_caps),
            "language_guess": numbers(lambda page, result: unwanted_language(page.html, wanted, identifier)),
            "identifier_sample": numbers(
                lambda page, result: result.lang in wanted and result.sampled_lang not in wanted
            ),
        },
    )


def run_chain(pages: Sequence[Page], identifier: LanguageIdentifier) -> list[ChainResult]:
    """Run the full chain, and those shortcuts that do not depend on the wanted languages, on every page."""
    lists = DATA / "lists"
    domains = (str(lists / "url_filterblacklistsv0_3_0.tar.gz"),)
    url_filter = UrlFilter.load(UrlSection(domains=domains, words=(str(lists / "banned_words.txt"),)))
    limited, unlimited = open_engine(_SECTION), open_engine(_UNLIMITED)
    try:
        return [_run_on_page(page, url_filter, limited, unlimited, identifier) for page in pages]
    finally:
        limited.close()
        unlimited.close()


def _run_on_page(
    page: Page, url_filter: UrlFilter, limited: OpenEngine, unlimited: OpenEngine, identifier: LanguageIdentifier
) -> ChainResult:
    exceeds_limits = page.refused == "too_large"
    try:
        text = limited(page.html, page.url)
    except PageRefused:
        exceeds_limits = True
        text = _extract(unlimited, page.html, page.url)
    text = clean_text(text)
    sampled = identifier.identify(text)[0]
    with _identify_whole_texts():
        lang, score = identifier.identify(text)
    kept = bool(text.strip()) and all(
        check.passed for check in explain(measure_text(text, lang) | {"lang_score": score}, lang, "web", JudgeSection())
    )
    return ChainResult(
        lang if text else None,
        kept,
        bool(url_filter.verdict(page.url)),
        page.refused == "media_type",
        exceeds_limits,
        sampled,
        len(text) > language.PIECES * language.PIECE_LENGTH,
    )


def _extract(engine: OpenEngine, html: str, url: str | None) -> str:
    try:
        return engine(html, url)
    except PageRefused:  # a timeout, or a page that exceeds even the largest limits
        return ""


@contextmanager
def _identify_whole_texts() -> Iterator[None]:
    """Make the language identifier read whole texts."""
    length = language.PIECE_LENGTH
    language.PIECE_LENGTH = 10**9
    try:
        yield
    finally:
        language.PIECE_LENGTH = length


def _pages() -> Iterator[Page]:
    for archive in real_archives():
        for page in read_pages(archive):
            yield Page(page.origin.url, html_of(page))
    for gold_page in gold_pages():
        if gold_page.set != "warc":
            yield Page(gold_page.url or None, gold_page.html)
    for folder in ("common-crawl", "odd"):
        for archive in archives_in(folder):
            yield from _archive_pages(archive)


def _archive_pages(archive: Path) -> Iterator[Page]:
    """Yield the pages of an archive, and those that the reader drops for their media type or their size."""
    refused = {}
    for item in read_items(archive):
        if isinstance(item, Raw):
            yield Page(item.origin.url, html_of(item))
        elif isinstance(item, Dropped) and item.reason in ("media_type", "too_large"):
            refused[_bare_id(item.origin.record_id)] = item.reason
    with suppress(OSError):  # some archives are broken on purpose: the records before the fault are enough
        for record in ArchiveIterator(str(archive), auto_decode="all") if refused else ():
            if reason := refused.get(_bare_id(record.record_id)):
                yield Page(record.headers.get("WARC-Target-URI"), decode(record.reader.read()), reason)


def _bare_id(record_id: str | None) -> str:
    return (record_id or "").strip("<>")


def figures(found: Outcomes, pages: int) -> dict[str, float]:
    """Return the figures of the last line."""
    return {
        "loss_total": len(found.lost(*SHORTCUTS)) / len(found.kept),
        **{f"loss_{name}": len(found.lost(name)) / len(found.kept) for name in SHORTCUTS},
        **{f"saved_{name}": len(found.dropped[name]) / pages for name in SHORTCUTS},
        "kept": len(found.kept),
        "pages": pages,
    }


def _table(wanted: str, found: Outcomes, results: Sequence[ChainResult]) -> Table:
    unwanted = {n for n, result in enumerate(results) if result.lang and result.lang not in wanted.split()}
    title = (
        f"languages: {wanted} — of {len(results):,} pages the full chain keeps {len(found.kept):,}; "
        f"{len(unwanted):,} are in other languages"
    )
    table = result_table(title, ("shortcut", "dropped", "of those in other languages", "lost", "loss"))
    for name in SHORTCUTS:
        dropped, lost = found.dropped[name], found.lost(name)
        share = f"{len(dropped & unwanted) / max(len(unwanted), 1):.1%}" if name == "language_guess" else ""
        table.add_row(name, f"{len(dropped):,}", share, f"{len(lost):,}", f"{len(lost) / max(len(found.kept), 1):.2%}")
    lost = found.lost(*SHORTCUTS)
    table.add_row("all", "", "", f"{len(lost):,}", f"{len(lost) / max(len(found.kept), 1):.2%}", style="bold")
    sampled = sum(result.is_sampled for result in results)
    table.caption = f"of {sampled:,} long documents the identifier reads only a part"
    return table


if __name__ == "__main__":
    main()

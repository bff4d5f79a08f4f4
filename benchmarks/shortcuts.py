"""What each short-cut of extraction saves, and which documents it costs.

    python benchmarks/shortcuts.py [--quick]

A short-cut decides about a page by less than its main text. It is held against the full chain, which asks none of them:
no list of URLs, no media type, no limit on size, no guess at the language, and a language identifier that sees all of a
document. A document that the full chain keeps, judged by the default rules, and a short-cut turns away is lost by it.

- ``url_lists``: datatrove's list of 4.6 million domains and its list of words. These are meant to turn documents away;
  what they do is counted as a loss all the same;
- ``media_type``: what is declared to be something else than a page, or begins so. The full chain takes it for a page;
- ``size_caps``: pages with too many bytes or nodes, or too deep. The full chain has no such limits;
- ``language_guess``: the language is guessed from the raw page;
- ``identifier_sample``: the language identifier sees four pieces of a long document. This saves no page, but that time.

Pages are the 2,000 real ones, the other gold pages, and the records of Common Crawl and of odd archives. The last line
is one JSON object: ``loss_total``, and ``loss_<short-cut>`` and ``saved_<short-cut>``: documents lost by documents that
the full chain keeps, and pages saved by pages, for a recipe that wants English.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import gold
from fastwarc.warc import ArchiveIterator
from inputs import DATA, real_archives, require_data
from rich import box
from rich.console import Console
from rich.table import Table

from gristmill.classifiers import language
from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.record import Dropped, Raw
from gristmill.extraction.decode import decode
from gristmill.extraction.engines.engine import OpenEngine, Refused
from gristmill.extraction.engines.registry import open_engine
from gristmill.extraction.extract_section import ExtractSection, UrlSection
from gristmill.extraction.language_guess import surely_not
from gristmill.extraction.text_cleanup import tidy
from gristmill.extraction.url_lists import UrlFilter
from gristmill.transforms.quality.judge_rules import explain
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.measure import signals

SHORTCUTS = ("url_lists", "media_type", "size_caps", "language_guess", "identifier_sample")
WANTED = ("en", "de", "zh", "en de fr")
"""Recipes' languages; figures are those of the first."""

_PRINT = Console(highlight=False, width=120)
_SECTION = ExtractSection()
_BOUNDLESS = ExtractSection(max_nodes=10**9, max_depth=1000)


class Page(NamedTuple):
    """A page as read. ``refused`` is what the reader would have turned it away for, by its media type or its size."""

    url: str | None
    html: str
    refused: str = ""


class Chain(NamedTuple):
    """What the full chain makes of a page: language, and whether the judge keeps it; and what the short-cuts say."""

    lang: str | None
    kept: bool
    url_lists: bool
    media_type: bool
    size_caps: bool
    sampled_lang: str | None
    cut: bool
    """Whether the identifier sees only a part of the document."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="every tenth page")
    arguments = parser.parse_args()
    require_data()
    pages = list(_pages())[:: 10 if arguments.quick else 1]
    identifier = LanguageIdentifier.load()
    chains = run_chains(pages, identifier)
    figures: dict[str, float] = {}
    for wanted in WANTED:
        found = measure(pages, chains, frozenset(wanted.split()), identifier)
        _PRINT.print(_table(wanted, found, chains))
        figures = figures or _figures(found, len(pages))
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


class Found(NamedTuple):
    """Numbers of pages: those that the full chain keeps, and by short-cut those that it turns away."""

    kept: frozenset[int]
    away: dict[str, frozenset[int]]

    def lost(self, *shortcuts: str) -> frozenset[int]:
        return self.kept & frozenset().union(*(self.away[one] for one in shortcuts))


def measure(
    pages: Sequence[Page], chains: Sequence[Chain], wanted: frozenset[str], identifier: LanguageIdentifier
) -> Found:
    """What becomes of the pages in a recipe that wants these languages."""

    def which(test: Callable[[Page, Chain], object]) -> frozenset[int]:
        return frozenset(n for n, (page, chain) in enumerate(zip(pages, chains, strict=True)) if test(page, chain))

    return Found(
        which(lambda page, chain: chain.kept and chain.lang in wanted),
        {
            "url_lists": which(lambda page, chain: chain.url_lists),
            "media_type": which(lambda page, chain: chain.media_type),
            "size_caps": which(lambda page, chain: chain.size_caps),
            "language_guess": which(lambda page, chain: surely_not(page.html, wanted, identifier)),
            "identifier_sample": which(lambda page, chain: chain.lang in wanted and chain.sampled_lang not in wanted),
        },
    )


def run_chains(pages: Sequence[Page], identifier: LanguageIdentifier) -> list[Chain]:
    """The full chain, and those short-cuts that do not depend on the languages wanted, for every page."""
    lists = DATA / "lists"
    domains = (str(lists / "url_filterblacklistsv0_3_0.tar.gz"),)
    urls = UrlFilter.load(UrlSection(domains=domains, words=(str(lists / "banned_words.txt"),)))
    bounded, boundless = open_engine(_SECTION), open_engine(_BOUNDLESS)
    try:
        return [_chain(page, urls, bounded, boundless, identifier) for page in pages]
    finally:
        bounded.close()
        boundless.close()


def _chain(
    page: Page, urls: UrlFilter, bounded: OpenEngine, boundless: OpenEngine, identifier: LanguageIdentifier
) -> Chain:
    over = page.refused == "too_large"
    try:
        text = bounded(page.html, page.url)
    except Refused:
        over = True
        text = _text(boundless, page.html)
    text = tidy(text)
    sampled = identifier.identify(text)[0]
    with _whole_texts():
        lang, score = identifier.identify(text)
    kept = bool(text.strip()) and all(
        check.passed for check in explain(signals(text, lang) | {"lang_score": score}, lang, "web", JudgeSection())
    )
    cut = len(text) > language.PIECES * language.PIECE_LENGTH
    return Chain(
        lang if text else None, kept, bool(urls.verdict(page.url)), page.refused == "media_type", over, sampled, cut
    )


def _text(engine: OpenEngine, html: str, url: str | None) -> str:
    try:
        return engine(html, url)
    except Refused:  # a timeout, or a page that no limit of ours could let through
        return ""


@contextmanager
def _whole_texts() -> Iterator[None]:
    """The language identifier sees all of every text."""
    length = language.PIECE_LENGTH
    language.PIECE_LENGTH = 10**9
    try:
        yield
    finally:
        language.PIECE_LENGTH = length


def _pages() -> Iterator[Page]:
    for archive in real_archives():
        for raw in gold.raw_pages(archive):
            yield Page(raw.origin.url, gold.text_of(raw))
    for one in gold.pages():
        if one.set != "warc":
            yield Page(one.url or None, one.html)
    for folder in ("common-crawl", "odd"):
        for archive in sorted((DATA / "warc" / folder).iterdir()):
            yield from _records(archive)


def _records(archive: Path) -> Iterator[Page]:
    """The pages of an archive, and what the reader turns away for its media type or its size."""
    refused = {}
    for item in gold.read_items(archive):
        if isinstance(item, Raw):
            yield Page(item.origin.url, gold.text_of(item))
        elif isinstance(item, Dropped) and item.reason in ("media_type", "too_large"):
            refused[_name(item.origin.record_id)] = item.reason
    with suppress(OSError):  # of an archive that is broken on purpose, what comes before the fault is enough
        for record in ArchiveIterator(str(archive), auto_decode="all") if refused else ():
            if reason := refused.get(_name(record.record_id)):
                yield Page(record.headers.get("WARC-Target-URI"), decode(record.reader.read()), reason)


def _name(record_id: str | None) -> str:
    return (record_id or "").strip("<>")


def _figures(found: Found, pages: int) -> dict[str, float]:
    return {
        "loss_total": len(found.lost(*SHORTCUTS)) / len(found.kept),
        **{f"loss_{name}": len(found.lost(name)) / len(found.kept) for name in SHORTCUTS},
        **{f"saved_{name}": len(found.away[name]) / pages for name in SHORTCUTS},
        "kept": len(found.kept),
        "pages": pages,
    }


def _table(wanted: str, found: Found, chains: Sequence[Chain]) -> Table:
    unwanted = {n for n, chain in enumerate(chains) if chain.lang and chain.lang not in wanted.split()}
    title = f"languages: {wanted} — of {len(chains):,} pages the full chain keeps {len(found.kept):,}; "
    table = Table(title=title + f"{len(unwanted):,} are in other languages", box=box.SIMPLE_HEAD, title_justify="left")
    for head in ("short-cut", "turned away", "of those in other languages", "lost", "loss"):
        table.add_column(head, justify="left" if head == "short-cut" else "right")
    for name in SHORTCUTS:
        away, lost = found.away[name], found.lost(name)
        caught = f"{len(away & unwanted) / max(len(unwanted), 1):.1%}" if name == "language_guess" else ""
        table.add_row(name, f"{len(away):,}", caught, f"{len(lost):,}", f"{len(lost) / max(len(found.kept), 1):.2%}")
    lost = found.lost(*SHORTCUTS)
    table.add_row("all", "", "", f"{len(lost):,}", f"{len(lost) / max(len(found.kept), 1):.2%}", style="bold")
    cut = sum(chain.cut for chain in chains)
    table.caption = f"the identifier sees a part of {cut:,} documents, which are longer than that"
    return table


if __name__ == "__main__":
    main()

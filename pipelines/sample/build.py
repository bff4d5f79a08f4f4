"""Write the bundled sample to a folder, ready to run: two WARC files, code, prose, a test set and lists.

The web files are the same on every machine with the same zlib. Code and prose come from the library of the running
Python, so they are the same on every machine with the same Python.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from gristmill.pipelines.sample.crawl import Exchange, chunked, gzipped, write_crawl
from gristmill.pipelines.sample.library import copy_code, write_docstrings
from gristmill.pipelines.sample.pages import Answer, Page, read_answers, read_pages, read_phrases
from gristmill.pipelines.sample.templates import Phrases, render

HERE = Path(__file__).parent
CRAWLS = 2
RELATED = 5


def build(target: Path) -> None:
    """Write ``web/``, ``code/``, ``prose/``, ``lists/``, ``benchmark.jsonl`` and ``recipe.yaml`` below ``target``."""
    for folder in ("web", "code", "prose", "lists"):
        (target / folder).mkdir(parents=True, exist_ok=True)
    for crawl, exchanges in enumerate(_exchanges_by_crawl()):
        write_crawl(target / "web" / f"crawl-{crawl}.warc.gz", exchanges)
    copy_code(target / "code")
    write_docstrings(target / "prose" / "docstrings.jsonl.gz")
    for path in [HERE / "benchmark.jsonl", HERE / "recipe.yaml", *sorted((HERE / "lists").glob("*.txt"))]:
        shutil.copyfile(path, target / path.relative_to(HERE))


def _exchanges_by_crawl() -> list[list[Exchange]]:
    """The exchanges of each crawl, in the order of their times."""
    pages, phrases = read_pages(), read_phrases()
    met: list[Page | Answer] = sorted([*pages, *read_answers()], key=lambda item: (item.date, item.url))
    crawls: list[list[Exchange]] = [[] for _ in range(CRAWLS)]
    for item in met:
        crawl = crawls[item.crawl]
        crawl.append(_exchange(item, _time(item.date, len(crawl)), phrases, pages))
    return crawls


def _page_exchange(page: Page, time: str, phrases: Phrases, pages: Sequence[Page]) -> Exchange:
    """A page as its server sends it: rendered, in its charset and content encoding."""
    related = [other for other in pages if other.site == page.site and other.title != page.title][:RELATED]
    html = render(page, phrases, related).encode(page.charset)
    charset = "" if page.declares == "meta" else f"; charset={page.charset}"
    headers = [("Server", "sample"), ("Content-Type", f"text/html{charset}")]
    if page.encoding == "chunked":
        body = chunked(html)
        headers.append(("Transfer-Encoding", "chunked"))
    else:
        body = gzipped(html) if page.encoding == "gzip" else html
        headers.append(("Content-Length", str(len(body))))
    if page.encoding == "gzip":
        headers.append(("Content-Encoding", "gzip"))
    return Exchange(page.url, time, "200 OK", tuple(headers), body, page.charset, page.damaged)


def _answer_exchange(answer: Answer, time: str) -> Exchange:
    """A response that is not a page, as its server sends it."""
    body = answer.body.encode()
    headers = [("Server", "sample"), ("Content-Type", answer.type), ("Content-Length", str(len(body)))]
    if answer.location:
        headers.append(("Location", answer.location))
    return Exchange(answer.url, time, answer.status, tuple(headers), body, "utf-8")


def _exchange(item: Page | Answer, time: str, phrases: Mapping[str, Phrases], pages: Sequence[Page]) -> Exchange:
    if isinstance(item, Answer):
        return _answer_exchange(item, time)
    return _page_exchange(item, time, phrases[item.site.language], pages)


def _time(date: str, place: int) -> str:
    """The time of the fetch: one minute per exchange of the crawl, from 06:00."""
    return f"{date}T{6 + place // 60:02}:{place % 60:02}:00Z"

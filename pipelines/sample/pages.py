"""The sample's content in ``web/``: sites, pages, and responses that are not pages.

A page is a text file: YAML up to a line ``---``, then the body in the language of ``markup``. A page with ``copy_of``
has the body of another page with ``edits`` applied, so that planted duplicates always match their originals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

WEB = Path(__file__).parent / "web"


@dataclass(frozen=True)
class Site:
    """The properties that the pages of a site share."""

    name: str
    slogan: str
    language: str
    template: str
    crawl: int
    navigation: tuple[str, ...]
    consent: bool = False
    adverts: bool = False


@dataclass(frozen=True)
class Comment:
    """A reader's comment below a page."""

    by: str
    text: str


@dataclass(frozen=True)
class Page:
    """One page: its content, and how the server sends it."""

    site: Site
    url: str
    title: str
    date: str
    body: str
    template: str
    author: str | None = None
    details: tuple[tuple[str, str], ...] = ()
    comments: tuple[Comment, ...] = ()
    charset: str = "utf-8"
    declares: Literal["header", "meta", "both"] = "both"
    encoding: Literal["plain", "gzip", "chunked"] = "plain"
    damaged: bool = False

    @property
    def crawl(self) -> int:
        return self.site.crawl


@dataclass(frozen=True)
class Answer:
    """An HTTP response that is not a page of a site."""

    url: str
    date: str
    crawl: int
    status: str
    type: str
    body: str
    location: str | None = None


def read_pages() -> list[Page]:
    """All pages, sorted by date and URL."""
    sites = {key: _site(entry) for key, entry in _load(WEB / "sites.yaml").items()}
    pages = (_page(path, sites[path.parent.name]) for path in WEB.glob("*/*.md"))
    return sorted(pages, key=lambda page: (page.date, page.url))


def read_answers() -> list[Answer]:
    """All responses that are not pages, in the order of the file."""
    return [Answer(**{**entry, "date": str(entry["date"])}) for entry in _load(WEB / "responses.yaml")]


def read_phrases() -> Mapping[str, Mapping[str, str]]:
    """The texts of the templates: language → name → phrase."""
    phrases: Mapping[str, Mapping[str, str]] = _load(WEB / "phrases.yaml")
    return phrases


def _load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def _site(entry: Mapping[str, Any]) -> Site:
    return Site(**{**entry, "navigation": tuple(entry["navigation"])})


def _page(path: Path, site: Site) -> Page:
    head, body = _parts(path)
    original, edits = head.pop("copy_of", None), head.pop("edits", [])
    if original:
        _, body = _parts(WEB / original)
    for old, new in edits:
        if old not in body:
            raise ValueError(f"{path.name}: {original} does not hold {old!r}")
        body = body.replace(old, new)
    return Page(
        site=site,
        body=body,
        date=str(head.pop("date")),
        template=head.pop("template", site.template),
        details=tuple((name, str(value)) for name, value in head.pop("facts", {}).items()),
        comments=tuple(Comment(**comment) for comment in head.pop("comments", [])),
        **head,
    )


def _parts(path: Path) -> tuple[dict[str, Any], str]:
    head, _, body = path.read_text(encoding="utf-8").partition("\n---\n")
    return yaml.safe_load(head), body

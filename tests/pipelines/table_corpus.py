"""A synthetic corpus that is derived from the tables of all stages, so that it uses every row of every table.

Each row becomes a document and a page. A row added to a table therefore adds a document, and changes the output.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import fields, is_dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import BaseModel

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.errors import InputError
from gristmill.pipelines.recipe import Recipe, parse_recipe
from gristmill.pipelines.sample.crawl import Exchange, write_crawl
from gristmill.pipelines.stage import Stage
from gristmill.pipelines.stages import STAGES
from gristmill.store.keys import content_key
from tests.pipelines.conftest import run_recipe
from tests.pipelines.small_recipes import prose

_MARKER = re.compile(r"^language=([a-z]{2,3})\b")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_TAG = re.compile(r"[a-z][a-z0-9]*")
_ALL_LINE_RULES = (
    *("citations", "long_word", "terminal_mark", "few_words", "javascript", "policy"),
    *("uppercase", "numeric", "counter", "one_word", "boilerplate"),
)
_VARIANTS = {"paper": "gristmill", "datatrove": "fineweb", "dclm": "dclm"}


def stage_tables(stages: Iterable[Stage] = STAGES) -> Iterator[Any]:
    """The tables in the keys of ``stages``, in every variant."""
    source = {"name": "any", "format": "text", "root": "."}
    for variant in _VARIANTS:
        recipe = parse_recipe({"name": variant, "sources": [source], "judge": {"variant": variant}})
        for stage in stages:
            yield from stage.tables(recipe).values()


def table_rows() -> list[tuple[str, str]]:
    """The rows of every table as (language, text); ``en`` for tables that are not keyed by language."""
    tables = {content_key(table): table for table in stage_tables()}
    return [row for table in tables.values() for row in _rows(table, "en")]


def run_table_corpus(folder: Path) -> Iterator[str]:
    """Run all stages but the trainer over the corpus, then the quality stages in every variant.

    Yields the work directory after each run. Languages are those of the tables: a marker in the text replaces
    identification.
    """
    sources = _write_sources(folder)
    work = folder / "work"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LanguageIdentifier, "identify_many", _marked_languages)
        yield run_recipe(_recipe(folder, sources), work, until="mix").work
        for variant, preset in _VARIANTS.items():
            judge = {"preset": preset, "variant": variant, "lines": {"rules": list(_ALL_LINE_RULES)}}
            recipe = parse_recipe({"name": variant, "sources": sources, "judge": judge})
            with suppress(InputError):  # in some variants, every document violates a rule
                run_recipe(recipe, work, until="judge")
            yield str(work)


def _marked_languages(self: LanguageIdentifier, texts: Sequence[str]) -> list[tuple[str, float]]:
    found = (_MARKER.match(text) for text in texts)
    return [(match[1] if match else "en", 0.9) for match in found]


def _rows(value: Any, language: str) -> Iterator[tuple[str, str]]:
    match value:
        case None | bool() | int() | float():
            yield language, str(value)
        case bytes():
            yield language, value.decode("latin-1")
        case str():
            yield language, value
        case (int() as first, int() as last) if 0x80 <= first <= last <= 0x10FFFF:
            yield language, f"{chr(first)}{chr((first + last) // 2)}{chr(last)}"
        case Mapping():
            for key, item in value.items():
                own = key if isinstance(key, str) and _LANGUAGE.fullmatch(key) else language
                yield own, f"{key} {' '.join(text for _, text in _rows(item, own))}"
        case Set():
            for item in sorted(value, key=repr):
                yield from _rows(item, language)
        case BaseModel():
            yield language, " ".join(text for _, text in _rows(list(value.model_dump().values()), language))
        case list() | tuple():
            for item in value:
                yield from _rows(item, language)
        case _ if is_dataclass(value):
            values = [getattr(value, field.name) for field in fields(value)]
            yield language, " ".join(text for _, text in _rows(values, language))
        case _ if hasattr(value, "pattern"):
            yield from _rows(value.pattern, language)
        case _:
            yield language, getattr(value, "__qualname__", str(value))


def _write_sources(folder: Path) -> list[dict[str, Any]]:
    rows = table_rows()
    for name in ("texts", "pages"):
        (folder / name).mkdir(parents=True)
    documents = [_document(number, *row) for number, row in enumerate(rows)]
    (folder / "texts" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
    pages = (_page(number, text) for number, (_, text) in enumerate(rows))
    write_crawl(folder / "pages" / "rows.warc.gz", pages)
    return [
        {"name": "texts", "format": "jsonl", "root": str(folder / "texts")},
        {"name": "pages", "format": "warc", "root": str(folder / "pages")},
    ]


def _document(number: int, language: str, text: str) -> dict[str, str]:
    lines = [
        f"language={language}",
        text,
        prose(number),
        f"{text} user{number}@example.com +1 650 253 00{number % 90 + 10}",
    ]
    return {"text": "\n".join(lines), "url": f"https://example.org/{number}?{quote(text[:60])}=1"}


def _page(number: int, text: str) -> Exchange:
    """A page with the row as text, as class, id and role, and as a tag if it can be one."""
    words = [word for word in text.split() if _TAG.fullmatch(word)][:40]
    tags = "".join(f"<{word}>{prose(number, 12)}</{word}>" for word in words if word not in {"html", "head", "body"})
    name = escape(text[:200], quote=True)
    body = (
        f'<html><head><title>Page {number}</title></head><body><div class="{name}" id="{name}" role="{name}">'
        f"<p>{escape(text)}</p></div>{tags}<article><p>{prose(number, 60)}</p><p>{escape(text)}</p></article>"
        "</body></html>"
    )
    url = f"https://pages.example.org/{number}"
    headers = (("Content-Type", "text/html; charset=utf-8"),)
    return Exchange(url, "2026-01-01T00:00:00Z", "200 OK", headers, body.encode("utf-8", "surrogatepass"), "UTF-8")


def _recipe(folder: Path, sources: list[dict[str, Any]]) -> Recipe:
    """Every stage, optional ones included; no rule drops a document, so that all of them reach the end."""
    (folder / "words.txt").write_text("with\nwhich\n")
    items = "".join(json.dumps({"question": prose(number, 30)}) + "\n" for number in range(0, 20, 5))
    (folder / "items.jsonl").write_text(items)
    benchmark = {"name": "items", "paths": [str(folder / "items.jsonl")], "fields": ["question"]}
    return parse_recipe(
        {
            "name": "tables",
            "sources": sources,
            "judge": {"rules": [], "lines": {"rules": ["citations", "javascript", "policy", "boilerplate"]}},
            "scores": [{"name": "words", "kind": "words", "lists": {"en": str(folder / "words.txt")}}],
            "dedup": {"partitions": 4, "urls": True},
            "repeats": {"partitions": 4, "lines": {"min_count": 2}, "paragraphs": {}, "spans": {"min_bytes": 200}},
            "refine": {"decontaminate": {"benchmarks": [benchmark], "action": "cut"}},
            "tokenizer": {"vocab_size": 512},
            "tokenize": {"buckets": 4},
            "mix": {"sequence_length": 64, "shard_tokens": 65536, "groups": ["source", "lang"]},
        }
    )

"""Inputs in two sizes: pages and documents distributed over eight similar files, of which two are "1x" and eight "4x".

Pages are the real ones of ``GRISTMILL_DATA``: their gzip members are copied unchanged. Documents are reference pages
from collections in seven languages, full of near-duplicates. Without the folder of real data the bundled sample is
used, which shows only that the benchmark runs.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.real_data import DATA, have_data, real_archives, stored_pages
from gristmill.pipelines.sample.build import build

FILES = 8
FILES_BY_SIZE = {"1x": FILES // 4, "4x": FILES}
"""Number of files that make up the input, by its size."""

_SHARES = {"win32-docs-en": 9, **{f"phpdoc-{lang}": 1 for lang in ("de", "en", "es", "ja", "ru", "tr", "zh")}}
"""Sixteenths of the documents that come from each collection of real text."""


class Inputs(NamedTuple):
    """Folders of ``part-N.warc.gz`` and ``part-N.jsonl.gz``, and the paths of test sets to decontaminate against."""

    pages: str
    documents: str
    test_sets: list[str]


def build_inputs(target: Path, pages: int, documents: int) -> Inputs:
    """Write at most ``pages`` pages and ``documents`` documents below ``target``."""
    if have_data():
        archives = real_archives()
        texts: Iterator[bytes] = chain.from_iterable(
            _lines(DATA / "text" / f"{name}.jsonl.gz", documents * share // 16) for name, share in _SHARES.items()
        )
        test_sets = [str(DATA / "bench" / name) for name in ("gsm8k_test.jsonl", "arc_*.jsonl", "humaneval.jsonl.gz")]
    else:
        build(target / "sample")
        archives = sorted((target / "sample" / "web").glob("*.warc.gz"))
        texts = _lines(target / "sample" / "prose" / "docstrings.jsonl.gz", documents)
        test_sets = [str(target / "sample" / "benchmark.jsonl")]
    inputs = Inputs(str(target / "pages"), str(target / "documents"), test_sets)
    records = islice(chain.from_iterable(map(stored_pages, archives)), pages)
    _distribute(records, Path(inputs.pages), "warc.gz", partial(open, mode="wb"))
    _distribute(texts, Path(inputs.documents), "jsonl.gz", partial(gzip.open, mode="wb", compresslevel=1))
    return inputs


def recipe_source(inputs: Inputs, name: str, size: str) -> dict[str, Any]:
    """Return the source of a recipe: ``pages`` or ``documents``, ``1x`` or ``4x``."""
    form = "warc" if name == "pages" else "jsonl"
    root = inputs.pages if name == "pages" else inputs.documents
    paths = [f"part-{number}.{form}.gz" for number in range(FILES_BY_SIZE[size])]
    return {"name": name, "format": form, "root": root, "paths": paths}


def _distribute(items: Iterable[bytes], folder: Path, suffix: str, create: Callable[[Path], Any]) -> None:
    """Write items to the files of ``folder`` in turn."""
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        files = [stack.enter_context(create(folder / f"part-{number}.{suffix}")) for number in range(FILES)]
        for number, item in enumerate(items):
            files[number % FILES].write(item)


def _lines(path: Path, count: int) -> Iterator[bytes]:
    with gzip.open(path) as file:
        yield from islice(file, count)

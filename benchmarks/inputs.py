"""What the benchmark mills: pages and documents dealt out to small files of equal make, of which a quarter is "1x".

Pages are the real ones of ``GRISTMILL_DATA``, gzip members copied as they stand; documents are reference pages of two
collections, in seven languages, full of near-duplicates. Without that folder the bundled sample must do: it shows that
the benchmark runs, and its figures mean little.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from gristmill.corpus.record import Raw
from gristmill.pipelines.sample.build import build
from gristmill.transforms.read.reader import Limits, read_unit
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_plan import plan_units

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("GRISTMILL_DATA", REPOSITORY.parent / "shared" / "data"))

FILES = 8
TIMES = {"1x": FILES // 4, "4x": FILES}
"""How many of the files make the input, by its size."""

_SHARES = {"win32-docs-en": 9, **{f"phpdoc-{lang}": 1 for lang in ("de", "en", "es", "ja", "ru", "tr", "zh")}}
"""Sixteenths of the documents that come from each collection of real text."""


class Inputs(NamedTuple):
    """Folders of ``part-N.warc.gz`` and ``part-N.jsonl.gz``, and the test sets to decontaminate against."""

    pages: str
    documents: str
    benchmarks: list[str]


def have_data() -> bool:
    """Whether the folder of real data is there."""
    return (DATA / "warc").is_dir()


def require_data() -> None:
    """Raises SystemExit without the folder of real data."""
    if not have_data():
        raise SystemExit(f"REAL DATA MISSING: no folder {DATA}; set GRISTMILL_DATA")


def real_archives() -> list[Path]:
    """The archives that hold the 2,000 real pages."""
    return sorted((DATA / "warc").glob("pages-*.warc.gz"))


def build_inputs(target: Path, pages: int, documents: int) -> Inputs:
    """Write at most ``pages`` pages and ``documents`` documents below ``target``."""
    if have_data():
        archives = real_archives()
        texts: Iterator[bytes] = chain.from_iterable(
            _lines(DATA / "text" / f"{name}.jsonl.gz", documents * share // 16) for name, share in _SHARES.items()
        )
        benchmarks = [str(DATA / "bench" / name) for name in ("gsm8k_test.jsonl", "arc_*.jsonl", "humaneval.jsonl.gz")]
    else:
        build(target / "sample")
        archives = sorted((target / "sample" / "web").glob("*.warc.gz"))
        texts = _lines(target / "sample" / "prose" / "docstrings.jsonl.gz", documents)
        benchmarks = [str(target / "sample" / "benchmark.jsonl")]
    inputs = Inputs(str(target / "pages"), str(target / "documents"), benchmarks)
    records = islice(chain.from_iterable(map(stored_pages, archives)), pages)
    _deal(records, Path(inputs.pages), "warc.gz", partial(open, mode="wb"))
    _deal(texts, Path(inputs.documents), "jsonl.gz", partial(gzip.open, mode="wb", compresslevel=1))
    return inputs


def source(inputs: Inputs, name: str, times: str) -> dict[str, Any]:
    """The source of a recipe: ``pages`` or ``documents``, ``1x`` or ``4x``."""
    kind = "warc" if name == "pages" else "jsonl"
    root = inputs.pages if name == "pages" else inputs.documents
    return {"name": name, "format": kind, "root": root, "paths": [f"part-{n}.{kind}.gz" for n in range(TIMES[times])]}


def _deal(items: Iterable[bytes], folder: Path, suffix: str, create: Callable[[Path], Any]) -> None:
    folder.mkdir(parents=True)
    with ExitStack() as stack:
        files = [stack.enter_context(create(folder / f"part-{number}.{suffix}")) for number in range(FILES)]
        for number, item in enumerate(items):
            files[number % FILES].write(item)


def stored_pages(archive: Path) -> Iterator[bytes]:
    """The stored bytes of each page in an archive that is compressed record by record."""
    data = archive.read_bytes()
    section = SourceSection(name="pages", format="warc", root=str(archive.parent), paths=(archive.name,))
    (unit,) = plan_units(section, len(data))
    for item in read_unit(unit, section, Limits()):
        if isinstance(item, Raw):
            yield data[item.origin.offset : item.origin.offset + item.origin.length]


def _lines(path: Path, count: int) -> Iterator[bytes]:
    with gzip.open(path) as file:
        yield from islice(file, count)

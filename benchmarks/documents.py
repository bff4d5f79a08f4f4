"""Documents in files, as both sides of a benchmark take them; and the mill over them, as a command of its own."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml
from inputs import DATA
from measure import Cost, command

PAGES = DATA / "text" / "win32-docs-en.jsonl.gz"
WORKERS = 2
FILES = 4


def reference_pages() -> Iterator[str]:
    """The texts of 48,067 Win32 reference pages, heavily templated."""
    with gzip.open(PAGES, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["text"]


def deal(texts: Iterable[str], folder: Path) -> None:
    """Write texts to files in ``folder/source``, and a recipe that reads and keeps them all."""
    source = folder / "source"
    source.mkdir(parents=True)
    paths = [source / f"part-{number}.jsonl.gz" for number in range(FILES)]
    with ExitStack() as stack:
        files = [stack.enter_context(gzip.open(path, "wt", compresslevel=1)) for path in paths]
        for number, text in enumerate(texts):
            files[number % FILES].write(json.dumps({"id": str(number), "text": text}) + "\n")
    write_recipe(folder)


def write_recipe(folder: Path, **sections: Any) -> None:
    """The recipe of ``folder``, with ``sections`` beside those that read and keep all."""
    recipe = {
        "name": folder.name,
        "sources": [{"name": "docs", "format": "jsonl", "root": str(folder / "source"), "fields": {"id": "id"}}],
        "judge": {"languages": None, "rules": []},
        **sections,
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))


def mill(folder: Path, work: str, until: str) -> Cost:
    """``gristmill run --until`` a stage on the recipe of ``folder``, in its work directory ``work``."""
    words = [str(Path(sys.executable).with_name("gristmill")), "run", str(folder / "recipe.yaml")]
    words += ["--work", str(folder / work), "--workers", str(WORKERS), "--until", until]
    return command(words, {}, folder / f"{work}.log")

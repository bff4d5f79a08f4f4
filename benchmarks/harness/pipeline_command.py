"""``gristmill run`` as a command of its own, as a user starts it, and a few recipes for it."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import yaml

from benchmarks.harness.process_cost import Cost, run_command
from benchmarks.harness.real_data import text_rows

WORKERS = 2
FILES = 4


def run_pipeline(recipe: Mapping[str, Any], work: Path, until: str) -> Cost:
    """Run the stages of ``recipe`` up to ``until`` in the work directory ``work``; the log is written beside it."""
    path = work.with_name(f"{work.name}.yaml")
    path.write_text(yaml.safe_dump(dict(recipe)))
    command = [str(Path(sys.executable).with_name("gristmill")), "run", str(path), "--work", str(work)]
    command += ["--workers", str(WORKERS), "--until", until]
    return run_command(command, {}, work.with_name(f"{work.name}.log"))


def reference_pages() -> Iterator[str]:
    """Yield the texts of 48,067 Win32 reference pages, most of them from templates."""
    return (row["text"] for row in text_rows("win32-docs-en"))


def write_documents(texts: Iterable[str], folder: Path) -> None:
    """Write texts to ``FILES`` JSONL files in ``folder``, in turn; Gristmill and its peers read them."""
    folder.mkdir(parents=True)
    paths = [folder / f"part-{number}.jsonl.gz" for number in range(FILES)]
    with ExitStack() as stack:
        files = [stack.enter_context(gzip.open(path, "wt", compresslevel=1)) for path in paths]
        for number, text in enumerate(texts):
            files[number % FILES].write(json.dumps({"id": str(number), "text": text}) + "\n")


def documents_recipe(documents: Path, **sections: Any) -> dict[str, Any]:
    """Return a recipe that reads and keeps all documents of a folder, with further ``sections``."""
    return {
        "name": documents.parent.name,
        "sources": [{"name": "docs", "format": "jsonl", "root": str(documents), "fields": {"id": "id"}}],
        "judge": {"languages": None, "rules": []},
        **sections,
    }

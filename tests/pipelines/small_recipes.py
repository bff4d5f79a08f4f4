"""Small sources and recipes for tests of the whole pipeline."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from gristmill.pipelines.recipe import Recipe, parse_recipe
from tests.pipelines.conftest import run_recipe

_WORDS = ("the", "of", "and", "to", "in", "that", "with", "have", "from", "when", "there", "which", "their", "about")


MINIMAL = parse_recipe({"name": "minimal", "sources": [{"name": "texts", "format": "text", "root": "."}]})
"""A recipe with no more than the required keys."""


def source(folder: Path, name: str, format: str, files: dict[str, bytes], **more: Any) -> dict[str, Any]:
    """Write ``files`` (path → bytes) below ``folder/name``, and return the source in a recipe that reads them."""
    for path, data in files.items():
        (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / name / path).write_bytes(data)
    return {"name": name, "format": format, "root": str(folder / name), **more}


def recipe(*sources: dict[str, Any], **more: Any) -> Recipe:
    """A recipe for a corpus of a few documents; ``more`` are its other sections."""
    small = {
        "tokenizer": {"vocab_size": 512},
        "tokenize": {"buckets": 4},
        "dedup": {"partitions": 4},
        "mix": {"sequence_length": 16, "shard_tokens": 1024},
    }
    return parse_recipe({"name": "small", "sources": list(sources), **small, **more})


def prose(seed: int, words: int = 120) -> str:
    """Text that passes every rule and differs by ``seed``."""
    return f"{' '.join(random.Random(seed).choices(_WORDS, k=words)).capitalize()}."


def lines(*texts: str) -> bytes:
    """``texts`` as JSON Lines."""
    return b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts)


def fault(kind: type[Exception], recipe: Recipe, work: Path, until: str = "extract", workers: int = 1) -> str:
    """Run a recipe that fails with exactly ``kind``, and return the error's message, which must be one line."""
    with pytest.raises(kind) as caught:
        run_recipe(recipe, work, workers, until)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    return str(caught.value)

"""A recipe whose environment holds a secret, and the search for it in everything that a run leaves."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import yaml

CANARY = "canary-7f3a9"
"""The value of the variable SECRET, which names a folder of a source in the recipe."""


def write_recipe(folder: Path, **sections: object) -> Path:
    """A recipe of two JSONL sources; ``web`` lies in a folder that the variable SECRET names."""
    words = ["river", "mill", "bridge", "garden", "letter", "winter", "harbour", "teacher", "window", "road", "field"]
    texts = [" ".join(random.Random(n).choices(words, k=60)) for n in range(40)]
    for source in (folder / CANARY / "web", folder / "books"):
        source.mkdir(parents=True)
        with gzip.open(source / "a.jsonl.gz", "wt") as file:
            file.writelines(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts))
    data = {
        "name": "small",
        "sources": [
            {"name": "web", "format": "jsonl", "root": "${SECRET}/web"},
            {"name": "books", "format": "jsonl", "root": "books"},
        ],
        "judge": {"rules": []},
        "tokenizer": {"vocab_size": 512},
        "mix": {"sequence_length": 16},
        **sections,
    }
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


def shows_canary(folder: Path) -> list[str]:
    """The files below ``folder`` that have the canary in their names or content, gzip or not."""
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        try:
            data = path.read_bytes()
        except FileNotFoundError:  # a cluster removes files while it runs
            continue
        data += gzip.decompress(data) if data[:2] == b"\x1f\x8b" else b""
        if CANARY.encode() in data or CANARY in str(path.relative_to(folder)):
            found.append(str(path.relative_to(folder)))
    return found

"""A corpus whose near-duplicates are chained together over all parts, and runs that deduplicate it in rounds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gristmill.pipelines import run
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stages import stages_of
from gristmill.pipelines.stages.dedup import Dedup
from gristmill.transforms.dedup.rounds import RoundLimits
from tests.pipelines.small import recipe, source

CHANCE = random.Random(3)
WORDS = [f"word{number}" for number in range(300)]
ONE_PLACE = RoundLimits()
"""All comes together in one place."""

ROUNDS = RoundLimits(one_place=0, rows=1500, documents=60)
"""Rounds, and the edges that are left are joined in one place."""

STARS = ROUNDS._replace(join=0)
"""Stars until nothing is left."""


def _texts() -> Iterator[str]:
    """A chain in which each page has a few words other than the one before, pages of a template, and loose ones."""
    chain = CHANCE.choices(WORDS, k=80)
    template = CHANCE.choices(WORDS, k=80)
    for number in range(150):
        chain[number * 7 % 80] = CHANCE.choice(WORDS)
        yield " ".join(chain)
        yield " ".join([*template, *CHANCE.choices(WORDS, k=8)])
        yield " ".join(CHANCE.choices(WORDS, k=50))


TEXTS = list(_texts())


def chained(folder: Path, texts: list[str] = TEXTS, files: int = 3, **more: Any) -> Recipe:
    """A recipe for texts in some files; ``more`` keys of its dedup."""
    rows = [json.dumps({"id": f"urn:{number}", "text": text}).encode() + b"\n" for number, text in enumerate(texts)]
    dealt = {f"{part}.jsonl": b"".join(rows[part::files]) for part in range(files)}
    web = source(folder, "web", "jsonl", dealt, fields={"id": "id"})
    return recipe(web, judge={"rules": [], "languages": None}, dedup={"partitions": 8, **more})


@contextmanager
def limited(limits: RoundLimits) -> Iterator[None]:
    """Runs in which ``dedup`` has these limits."""

    def stages(of: Recipe) -> tuple[Any, ...]:
        return tuple(Dedup(limits) if stage.name == Dedup.name else stage for stage in stages_of(of))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "stages_of", stages)
        yield

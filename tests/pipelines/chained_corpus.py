"""A corpus whose near-duplicates form chains across all partitions, and runs that deduplicate it in rounds."""

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
from tests.pipelines import small_recipes
from tests.pipelines.small_recipes import source

CHANCE = random.Random(3)
WORDS = [f"word{number}" for number in range(300)]
ONE_PLACE = RoundLimits()
"""One task joins all pairs."""

ROUNDS = RoundLimits(one_place=0, rows=1500, documents=60)
"""Rounds; one task joins the edges that remain."""

STARS = ROUNDS._replace(join=0)
"""Rounds of stars until no edge remains."""


def _texts() -> Iterator[str]:
    """A chain of pages that differ from the previous one in a few words, pages of a template, and unrelated ones."""
    chain = CHANCE.choices(WORDS, k=80)
    template = CHANCE.choices(WORDS, k=80)
    for number in range(150):
        chain[number * 7 % 80] = CHANCE.choice(WORDS)
        yield " ".join(chain)
        yield " ".join([*template, *CHANCE.choices(WORDS, k=8)])
        yield " ".join(CHANCE.choices(WORDS, k=50))


TEXTS = list(_texts())


def chained(folder: Path, texts: list[str] = TEXTS, files: int = 3, **dedup: Any) -> Recipe:
    """A recipe for ``texts``, distributed over ``files``; ``dedup`` are more keys of its dedup section."""
    rows = [json.dumps({"id": f"urn:{number}", "text": text}).encode() + b"\n" for number, text in enumerate(texts)]
    parts = {f"{part}.jsonl": b"".join(rows[part::files]) for part in range(files)}
    web = source(folder, "web", "jsonl", parts, fields={"id": "id"})
    return small_recipes.recipe(web, judge={"rules": [], "languages": None}, dedup={"partitions": 8, **dedup})


@contextmanager
def limited(limits: RoundLimits) -> Iterator[None]:
    """Use these limits for ``dedup`` in runs within this context."""

    def stages(recipe: Recipe) -> tuple[Any, ...]:
        return tuple(Dedup(limits) if stage.name == Dedup.name else stage for stage in stages_of(recipe))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "stages_of", stages)
        yield

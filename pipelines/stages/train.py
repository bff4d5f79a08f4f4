"""``train``: shards to a model, by torchrun."""

from __future__ import annotations

from typing import Any

from gristmill.corpus.keys import key_of, section_slice
from gristmill.corpus.stage import StageDirectory
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import Launch, Mill
from gristmill.transforms.units import Task


class Train(Launch):
    name = "train"
    version = 1
    counts = "sequences"
    takes_from = "mix"

    def slice(self, recipe: Recipe) -> Any:
        return section_slice(recipe.train)

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        return []

    def launch(self, pending: list[Task], mill: Mill, directory: StageDirectory) -> None:
        return None

"""``signals``: what is measured of a document's text, kept apart from what is decided on it."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.keys import library_versions
from gristmill.corpus.stage import StageDirectory
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import aligned_tasks
from gristmill.transforms.blocks import ReadDocuments
from gristmill.transforms.judge.names import Variant
from gristmill.transforms.judge.transform import MeasureSignals, WriteSignals
from gristmill.transforms.units import Task

LIBRARIES: dict[Variant, tuple[str, ...]] = {"datatrove": ("spacy",), "dclm": ("regex",)}
"""What cuts the words of a variant."""


class Signals(BeamStage):
    """A float32 column for each signal, and what the line rules cut, row-aligned with the documents."""

    name = "signals"
    version = 2
    takes_from = "extract"

    def slice(self, recipe: Recipe) -> Any:
        sliced = {"unicode": UNICODE_VERSION, **recipe.judge.measures()}
        libraries = LIBRARIES.get(recipe.judge.variant, ())
        return sliced | {"libraries": library_versions(libraries)} if libraries else sliced

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        return aligned_tasks(mill, directory, {"extract": ("documents", ("text", "lang", "source"))})

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        return tasks | ReadDocuments() | MeasureSignals(mill.recipe.judge) | WriteSignals(directory)

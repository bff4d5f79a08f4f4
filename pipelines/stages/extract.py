"""``extract``: sources to documents."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.classifiers.language import model_path
from gristmill.corpus.keys import asset_hash, key_of, section_slice
from gristmill.corpus.stage import StageDirectory
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.transforms.extract.transform import ExtractText, WriteDocuments
from gristmill.transforms.read.plan import plan_units
from gristmill.transforms.read.reader import Limits
from gristmill.transforms.read.section import SourceSection
from gristmill.transforms.read.transform import ReadSources, SourceWork
from gristmill.transforms.read.unit import Unit
from gristmill.transforms.units import Task


class Extract(BeamStage):
    """All text that extraction gives, with provenance; what was dropped before text, and what failed, beside it."""

    name = "extract"
    version = 1
    counts = "records"
    libraries = (
        "fastwarc",
        "fasttext-community",
        "lxml",
        "pyarrow",
        "resiliparse",
        "justext",
        "trafilatura",
        "warcio",
    )

    def slice(self, recipe: Recipe) -> Any:
        return {
            **section_slice(recipe.extract),
            "language_model": asset_hash(model_path(recipe.extract.language.model)),
        }

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        recipe = mill.recipe
        limits = Limits(max_bytes=recipe.extract.max_bytes)
        return [
            _task(directory, unit, source, limits)
            for source in recipe.sources
            for unit in plan_units(source, recipe.unit_size)
        ]

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        return tasks | ReadSources() | ExtractText(mill.recipe.extract) | WriteDocuments(directory)


def _task(directory: StageDirectory, unit: Unit, source: SourceSection, limits: Limits) -> Task:
    reading = source.model_dump(mode="json", exclude={"root", "paths"})
    key = key_of(directory.key, unit.identity(), reading)
    given = {
        "source": source.name,
        "files": len(unit.files),
        "path": unit.files[0].path,
        "range": [unit.start, unit.end],
        "identity": unit.identity(),
    }
    return Task(key, given, unit.end - unit.start, SourceWork(unit, source, limits))

"""``extract``: sources to documents."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.classifiers.language import model_path
from gristmill.corpus import storage
from gristmill.corpus.keys import asset_hash, key_of, library_versions, section_slice
from gristmill.corpus.stage import Manifest, StageDirectory, open_table
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.transforms.extract.engines.kinds import kind_of, require_engine
from gristmill.transforms.extract.quarantine import CAUSES, load_quarantine, quarantine_lines
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
    version = 3
    counts = "records"
    libraries = ("fastwarc", "fasttext-community", "pyarrow", "resiliparse", "warcio")

    def slice(self, recipe: Recipe) -> Any:
        engine = kind_of(recipe.extract)
        return {
            **section_slice(recipe.extract),
            "engine": library_versions(engine.libraries),
            "engine_model": engine.model and asset_hash(str(engine.model)),
            "language_model": asset_hash(model_path(recipe.extract.language.model)),
        }

    def check(self, mill: Mill) -> None:
        require_engine(mill.recipe.extract)
        load_quarantine(mill.recipe.extract.quarantine)

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

    def settled(self, directory: StageDirectory, manifest: Manifest) -> None:
        """Leaves ``quarantine.jsonl`` where pages brought their extractor down."""
        struck = [receipt.file("rejects") for receipt in manifest.receipts if CAUSES & receipt.books.failed.keys()]
        rows = (row for entry in struck for row in open_table(directory.file_url(entry)).read().to_pylist())
        if struck:
            storage.replace(storage.join(directory.url, "quarantine.jsonl"), quarantine_lines(rows))


def _task(directory: StageDirectory, unit: Unit, source: SourceSection, limits: Limits) -> Task:
    reading = source.model_dump(mode="json", exclude={"root", "paths", "crawl", "sample", "sample_seed"})
    key = key_of(directory.key, unit.identity(), reading)
    given = {
        "source": source.name,
        "files": len(unit.files),
        "path": unit.files[0].path,
        "range": [unit.start, unit.end],
        "identity": unit.identity(),
    }
    return Task(key, given, unit.end - unit.start, SourceWork(unit, source, limits))

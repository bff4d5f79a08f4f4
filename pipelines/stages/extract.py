"""``extract``: sources to documents."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.classifiers.language import model_path
from gristmill.corpus.recipe_section import key_config
from gristmill.extraction.engines.registry import kind_of, require_engine
from gristmill.extraction.quarantine import CAUSES, load_quarantine, quarantine_lines
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.store import storage
from gristmill.store.keys import asset_hash, key_of, library_versions
from gristmill.store.stage_directory import Manifest, StageDirectory, open_table
from gristmill.transforms.core.units import Task
from gristmill.transforms.extract.extract_beam import ExtractText, WriteDocuments
from gristmill.transforms.read.read_beam import ReadSources, SourceWork
from gristmill.transforms.read.reader import Limits
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit import Unit
from gristmill.transforms.read.unit_plan import plan_units


class Extract(BeamStage):
    """All text that extraction gives, with provenance; what was dropped before text, and what failed, beside it."""

    name = "extract"
    version = 3
    counted = "records"
    libraries = ("fastwarc", "fasttext-community", "pyarrow", "resiliparse", "warcio")

    def key_config(self, recipe: Recipe) -> Any:
        engine = kind_of(recipe.extract)
        return {
            **key_config(recipe.extract),
            "engine": library_versions(engine.libraries),
            "engine_model": engine.model and asset_hash(str(engine.model)),
            "language_model": asset_hash(model_path(recipe.extract.language.model)),
        }

    def check(self, context: RunContext) -> None:
        require_engine(context.recipe.extract)
        load_quarantine(context.recipe.extract.quarantine)

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        recipe = context.recipe
        limits = Limits(max_bytes=recipe.extract.max_bytes)
        return [
            _task(directory, unit, source, limits)
            for source in recipe.sources
            for unit in plan_units(source, recipe.unit_size)
        ]

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        return tasks | ReadSources() | ExtractText(context.recipe.extract) | WriteDocuments(directory)

    def finalize(self, directory: StageDirectory, manifest: Manifest) -> None:
        """Leaves ``quarantine.jsonl`` where pages brought their extractor down."""
        struck = [receipt.file("rejects") for receipt in manifest.receipts if CAUSES & receipt.counts.failed.keys()]
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

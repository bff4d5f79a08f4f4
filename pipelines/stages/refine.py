"""``refine``: the documents as they will be trained on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import apache_beam as beam

from gristmill.corpus import storage
from gristmill.corpus.document import DOCUMENT_SCHEMA
from gristmill.corpus.keys import section_slice
from gristmill.corpus.stage import Receipt, StageDirectory
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import aligned_tasks
from gristmill.transforms.blocks import ReadDocuments
from gristmill.transforms.refine.gather import build_index
from gristmill.transforms.refine.transform import RefineDocuments, WriteRefined, index_bytes, load_index
from gristmill.transforms.units import Task


class Refine(BeamStage):
    """Removed rows gone, lines and repeats cut, test items dropped or cut, personal data redacted."""

    name = "refine"
    version = 4
    takes_from = "dedup"
    libraries = ("phonenumbers", "presidio-analyzer", "pyarrow")

    def slice(self, recipe: Recipe) -> Any:
        return [section_slice(recipe.refine), UNICODE_VERSION]

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {
            "extract": ("documents", tuple(DOCUMENT_SCHEMA.names)),
            "signals": ("signals", ("cuts",)),
            "judge": ("verdicts", ("kept",)),
            "dedup": ("removals", ("removed",)),
        }
        if mill.recipe.repeats:
            inputs["repeats"] = ("repeats", ("repeated",))
        return aligned_tasks(mill, directory, inputs)

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        section = mill.recipe.refine
        url = None
        if section.decontaminate:
            url = _index_url(directory)
            if not storage.exists(url):
                storage.create(url, index_bytes(build_index(section.decontaminate)))
        return tasks | ReadDocuments() | RefineDocuments(section, url) | WriteRefined(directory, section)

    def facts(self, mill: Mill, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        """How many items of each test set could be looked for."""
        if not mill.recipe.refine.decontaminate:
            return {}
        index = load_index(_index_url(mill.directories[self.name]))
        return {"benchmarks": [counts._asdict() for counts in index.counts]}


def _index_url(directory: StageDirectory) -> str:
    return storage.join(directory.url, "benchmarks.arrow")

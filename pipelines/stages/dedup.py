"""``dedup``: who goes, decided over all units together, and over earlier runs' where the recipe names any."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.keys import key_of, section_slice
from gristmill.corpus.stage import StageDirectory
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import by_document
from gristmill.pipelines.stages.dedup_index import index_hashes, index_units
from gristmill.transforms.dedup.signed import SignedFiles, SignedUnit
from gristmill.transforms.dedup.transform import Deduplicate
from gristmill.transforms.parcels import post
from gristmill.transforms.units import Task


class Dedup(BeamStage):
    """Removals, row-aligned with the documents. One document more can change any unit's, so units go together."""

    name = "dedup"
    version = 3
    takes_from = "judge"
    whole = True

    def slice(self, recipe: Recipe) -> Any:
        return [section_slice(recipe.dedup), index_hashes(recipe.dedup.index), UNICODE_VERSION]

    def check(self, mill: Mill) -> None:
        index_units(mill)

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        extracted, judged, signed = (by_document(mill, stage) for stage in ("extract", "judge", "signatures"))
        world = key_of([[document, signed[document].file("fingerprints").sha256] for document in sorted(extracted)])
        tasks = []
        for document in sorted(extracted):
            files = [("extract", extracted[document].file("documents"))]
            files += [("signatures", signed[document].file(kind)) for kind in SignedFiles._fields]
            text, *urls = (mill.directories[stage].file_url(entry) for stage, entry in files)
            hashes = {entry.kind: entry.sha256 for _, entry in files}
            unit = key_of(directory.key, document, hashes, world)
            given = {"documents": document, "source": extracted[document].input["source"], "sha256": hashes}
            kept = judged[document].books.kept
            tasks.append(Task(unit, given, kept, SignedUnit(unit, text, SignedFiles(*urls), kept)))
        return tasks

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        fresh = sorted(pending, key=lambda task: str(task.input["documents"]))
        units = (*index_units(mill), *(task.work for task in fresh))
        return tasks | Deduplicate(mill.recipe.dedup, units, post(directory, units), directory)

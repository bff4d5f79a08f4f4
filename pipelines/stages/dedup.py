"""``dedup``: who goes, decided over all units together."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.keys import key_of, section_slice
from gristmill.corpus.stage import StageDirectory
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import by_document
from gristmill.transforms.dedup.transform import Deduplicate, SignedUnit
from gristmill.transforms.parcels import post
from gristmill.transforms.units import Task


class Dedup(BeamStage):
    """Removals, row-aligned with the documents. One document more can change any unit's, so units go together."""

    name = "dedup"
    version = 2
    takes_from = "judge"
    whole = True

    def slice(self, recipe: Recipe) -> Any:
        return [section_slice(recipe.dedup), UNICODE_VERSION]

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        extracted, judged, signed = (by_document(mill, stage) for stage in ("extract", "judge", "signatures"))
        world = key_of([[document, signed[document].file("fingerprints").sha256] for document in sorted(extracted)])
        tasks = []
        for document in sorted(extracted):
            entries = {
                "documents": ("extract", extracted[document].file("documents")),
                "bands": ("signatures", signed[document].file("bands")),
                "fingerprints": ("signatures", signed[document].file("fingerprints")),
            }
            hashes = {kind: entry.sha256 for kind, (_, entry) in entries.items()}
            unit = key_of(directory.key, document, hashes, world)
            urls = {kind: mill.directories[stage].file_url(entry) for kind, (stage, entry) in entries.items()}
            given = {"documents": document, "source": extracted[document].input["source"], "sha256": hashes}
            kept = judged[document].books.kept
            tasks.append(Task(unit, given, kept, SignedUnit(unit, **urls, kept=kept)))
        return tasks

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        units = sorted(pending, key=lambda task: str(task.input["documents"]))
        return tasks | Deduplicate(mill.recipe.dedup, post(directory, tuple(task.work for task in units)), directory)

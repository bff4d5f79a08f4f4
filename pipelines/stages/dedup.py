"""``dedup``: who goes, decided over all units together, and over earlier runs' where the recipe names any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apache_beam as beam

from gristmill.corpus.keys import key_of, section_slice
from gristmill.corpus.stage import Manifest, StageDirectory
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import by_document
from gristmill.pipelines.stages.dedup_index import index_hashes, index_units
from gristmill.transforms.dedup.decide import Deduplicate
from gristmill.transforms.dedup.rounds import LIMITS, Limits, Rounds, sweep
from gristmill.transforms.dedup.section import DedupSection
from gristmill.transforms.dedup.signed import SignedFiles, SignedUnit
from gristmill.transforms.parcels import post
from gristmill.transforms.units import Round, Task

_UNASKED = ("shingle", "urls", "scope", "simhash")
"""What stands in no key while it has its default: what was decided before there were these settings holds."""


class Dedup(BeamStage):
    """Removals, row-aligned with the documents. One document more can change any unit's, so units go together.

    Where there may be more in shared buckets than one place takes, rounds come first; they change no byte.
    """

    name = "dedup"
    version = 3
    takes_from = "judge"
    whole = True

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.limits = limits

    def slice(self, recipe: Recipe) -> Any:
        section = section_slice(recipe.dedup)
        for name in _UNASKED:
            if section[name] == DedupSection.model_fields[name].default:
                del section[name]
        return [section, index_hashes(recipe.dedup.index), UNICODE_VERSION]

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

    def before(self, pending: list[Task], mill: Mill, directory: StageDirectory) -> Iterator[Round]:
        rounds = self._rounds(pending, mill, directory)
        return rounds.run() if rounds.needed else iter(())

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        rounds = self._rounds(pending, mill, directory)
        batches = rounds.batches() if rounds.needed else None
        units = rounds.units
        return tasks | Deduplicate(mill.recipe.dedup, units, post(directory, units), directory, batches)

    def settled(self, directory: StageDirectory, manifest: Manifest) -> None:
        sweep(directory)

    def _rounds(self, pending: list[Task], mill: Mill, directory: StageDirectory) -> Rounds:
        fresh = sorted(pending, key=lambda task: str(task.input["documents"]))
        units = (*index_units(mill), *(task.work for task in fresh))
        return Rounds(directory, mill.recipe.dedup, units, self.limits)

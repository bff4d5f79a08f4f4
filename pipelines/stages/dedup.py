"""``dedup``: which documents to remove, decided over all units together and over the index of earlier runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.character_tables import UNICODE_VERSION
from gristmill.corpus.recipe_section import key_config
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.dedup_index import index_hashes, index_units
from gristmill.store.keys import key_of
from gristmill.store.receipts import Manifest
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.side_files import stage_side_file
from gristmill.transforms.core.tasks import Round, Task
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.rounds import DEFAULT_LIMITS, RoundLimits, Rounds, sweep
from gristmill.transforms.dedup.signature_reader import SignatureFiles, SignedUnit

if TYPE_CHECKING:
    import apache_beam as beam

_UNASKED = ("shingle", "urls", "scope", "simhash")
"""Settings that stay out of the key at their defaults, so that results from before they existed remain valid."""


class Dedup(BeamStage):
    """For each document, whether it is removed and what it duplicates.

    A single new document can change the outcome of any unit, so units are decided together. If shared buckets may hold
    more rows than one worker can process, rounds run first; they do not change a byte.
    """

    name = "dedup"
    versions: ClassVar = {
        1: "greedy removal by estimated similarity",
        2: "unit keys hash the set of all documents once",
        3: "exact similarity from sketches; buckets capped at their first kept documents",
        4: "counts by language",
    }
    takes_from = "judge"
    sidecar = "removals"
    requires_all_units = True

    def __init__(self, limits: RoundLimits = DEFAULT_LIMITS) -> None:
        self.limits = limits

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        section = key_config(recipe.dedup)
        for name in _UNASKED:
            if section[name] == DedupSection.model_fields[name].default:
                del section[name]
        return {
            "dedup": section,
            "dedup.index": index_hashes(recipe.dedup.index),
            "the Unicode version": UNICODE_VERSION,
        }

    def check(self, context: RunContext) -> None:
        index_units(context)

    def check_counts(self, manifest: Manifest, context: RunContext) -> None:
        """Raise nothing: all documents of an increment may be duplicates of the index."""
        return

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        extracted, judged, signed = (
            context.manifest(stage).by_document() for stage in ("extract", "judge", "signatures")
        )
        world = key_of([[document, signed[document].file("fingerprints").sha256] for document in sorted(extracted)])
        tasks = []
        for document in sorted(extracted):
            files = [("extract", extracted[document].file("documents"))]
            files += [("signatures", signed[document].file(kind)) for kind in SignatureFiles._fields]
            text, *urls = (context.directories[stage].file_url(entry) for stage, entry in files)
            hashes = {entry.kind: entry.sha256 for _, entry in files}
            unit = key_of(directory.key, document, hashes, world)
            given = {"documents": document, "source": extracted[document].input["source"], "sha256": hashes}
            kept = judged[document].counts.kept
            tasks.append(Task(unit, given, kept, SignedUnit(unit, text, SignatureFiles(*urls), kept)))
        return tasks

    def prerequisite_rounds(
        self, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Iterator[Round]:
        rounds = self._rounds(pending, context, directory)
        return rounds.run() if rounds.needed else iter(())

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        rounds = self._rounds(pending, context, directory)
        batches = rounds.batch_files() if rounds.needed else None
        units = rounds.units
        return tasks | transforms.Deduplicate(
            context.recipe.dedup, units, stage_side_file(directory, units), directory, batches
        )

    def finalize(self, directory: StageDirectory, manifest: Manifest) -> None:
        sweep(directory)

    def _rounds(self, pending: list[Task], context: RunContext, directory: StageDirectory) -> Rounds:
        fresh = sorted(pending, key=lambda task: str(task.input["documents"]))
        units = (*index_units(context), *(task.work for task in fresh))
        return Rounds(directory, context.recipe.dedup, units, self.limits)

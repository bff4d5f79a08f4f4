"""``signatures``: the signatures that documents are compared by, also the index that later crawls compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.character_tables import UNICODE_VERSION, UNSPACED_RANGES
from gristmill.corpus.recipe_section import key_config
from gristmill.errors import InputError
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.store.keys import library_versions
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.dedup.canonical_urls import TRACKING_NAMES
from gristmill.transforms.quality.signal_table import SIGNALS

if TYPE_CHECKING:
    import apache_beam as beam


class Signatures(BeamStage):
    """MinHash bands, a fingerprint and a sketch of every document that ``judge`` kept."""

    name = "signatures"
    versions: ClassVar = {
        1: "MinHash bands and fingerprints",
        2: "signatures of whole batches, and sketches for exact similarity",
    }
    takes_from = "judge"

    def key_config(self, recipe: Recipe) -> Any:
        section = recipe.dedup
        # Settings at their defaults stay out of the key, so that an index made before they existed remains valid.
        asked: list[Any] = [library_versions(["ada-url"])] if section.urls else []
        asked += [section.shingle] if section.shingle != "words" else []
        common = [section.quality, UNICODE_VERSION, *asked]
        if section.simhash is not None:
            return [section.ngram, key_config(section.simhash), section.partitions, *common]
        return [section.ngram, section.banding, section.seed, section.partitions, section.verify, *common]

    def check(self, context: RunContext) -> None:
        quality = context.recipe.dedup.quality
        scores = [scorer.column for scorer in context.recipe.scores]
        if quality is not None and quality not in (*SIGNALS, *scores):
            known = ", ".join([*SIGNALS, *scores])
            raise InputError(f"dedup.quality names {quality!r}, which is not a signal; the signals are {known}")

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "unspaced_ranges": UNSPACED_RANGES,
            "tracking_parameters": TRACKING_NAMES,
        }

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {
            "extract": ("documents", ("id", "source", "text", "date", *(["url"] if context.recipe.dedup.urls else []))),
            "judge": ("verdicts", ("kept",)),
        }
        quality = context.recipe.dedup.quality
        if quality is not None:
            stage = "signals" if quality in SIGNALS else "scores"
            inputs[stage] = (stage, (quality,))
        return aligned_tasks(context, directory, inputs)

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        section = context.recipe.dedup
        return (
            tasks
            | transforms.ReadDocuments()
            | transforms.SignDocuments(section)
            | transforms.WriteSignatures(directory, section)
        )

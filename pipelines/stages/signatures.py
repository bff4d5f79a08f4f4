"""``signatures``: the signatures that documents are compared by, also the index that later crawls compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.character_tables import UNICODE_VERSION, UNSPACED_RANGES
from gristmill.corpus.metadata import META_PREFIX
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

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        section = recipe.dedup
        minhash = {"bands": section.banding, "seed": section.seed, "verify": section.verify}
        common = {"ngram": section.ngram, "partitions": section.partitions, "quality": section.quality}
        chosen = {**common, **({"simhash": key_config(section.simhash)} if section.simhash else minhash)}
        # Settings at their defaults stay out of the key, so that an index made before they existed remains valid.
        if section.shingle != "words":
            chosen["shingle"] = section.shingle
        libraries = {"libraries": library_versions(["ada-url"])} if section.urls else {}
        return {"dedup": chosen, **libraries, "the Unicode version": UNICODE_VERSION}

    def check(self, context: RunContext) -> None:
        quality = context.recipe.dedup.quality
        scores = [scorer.column for scorer in context.recipe.scores]
        if quality is None or quality in (*SIGNALS, *scores) or quality.startswith(META_PREFIX):
            return
        known = ", ".join([*SIGNALS, *scores])
        raise InputError(
            f"dedup.quality names {quality!r}, which is not a signal or a score; name {META_PREFIX}<column> for "
            f"metadata, or one of {known}"
        )

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "unspaced_ranges": UNSPACED_RANGES,
            "tracking_parameters": TRACKING_NAMES,
        }

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        section = context.recipe.dedup
        quality = section.quality
        from_meta = quality is not None and quality.startswith(META_PREFIX)
        more = [*(["url"] if section.urls else []), *(["meta"] if from_meta else [])]
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {
            "extract": ("documents", ("id", "source", "text", "date", *more)),
            "judge": ("verdicts", ("kept",)),
        }
        if quality is not None and not from_meta:
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

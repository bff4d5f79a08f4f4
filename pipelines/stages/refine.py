"""``refine``: the final documents, as they will be tokenized."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.character_tables import UNICODE_VERSION, UNSPACED_RANGES
from gristmill.corpus.document import DOCUMENT_SCHEMA
from gristmill.corpus.recipe_section import key_config
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.store import storage
from gristmill.store.receipts import Receipt
from gristmill.store.stage_directory import StageDirectory
from gristmill.transforms.contamination.benchmark_layouts import LAYOUTS
from gristmill.transforms.contamination.build_ngram_index import QUESTION_WORDS, build_ngram_index
from gristmill.transforms.contamination.inline_markup import BLOCK_TAG_NAMES, INLINE_TAG_NAMES
from gristmill.transforms.contamination.ngram_index import NgramIndex
from gristmill.transforms.core.tasks import Task
from gristmill.transforms.quality.stop_words import STOP_WORDS
from gristmill.transforms.redaction.pii_entities import PII_ENTITIES
from gristmill.transforms.redaction.public_addresses import NOT_PUBLIC_NETWORKS

if TYPE_CHECKING:
    import apache_beam as beam


class Refine(BeamStage):
    """Removes duplicates, cuts lines and repeats, drops or cuts test items, and redacts personal data."""

    name = "refine"
    versions: ClassVar = {
        1: "decontamination and redaction",
        2: "hits with benchmark, item and places",
        3: "lines cut by the line rules of ``signals``",
        4: "ranges cut by ``repeats``",
        5: "counts by language, metadata",
    }
    takes_from = "dedup"
    sidecar = "edits"
    libraries = ("phonenumbers", "presidio-analyzer", "pyarrow", "tldextract")

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        return {"refine": key_config(recipe.refine), "the Unicode version": UNICODE_VERSION}

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        entities = recipe.refine.redact.entities if recipe.refine.redact else ()
        return {
            "unspaced_ranges": UNSPACED_RANGES,
            "benchmark_layouts": LAYOUTS,
            "question_words": QUESTION_WORDS,
            "block_tags": BLOCK_TAG_NAMES,
            "inline_tags": INLINE_TAG_NAMES,
            "not_public_networks": NOT_PUBLIC_NETWORKS,
            "pii_entities": {name: PII_ENTITIES[name] for name in entities},
            "stop_words": STOP_WORDS,
        }

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {
            "extract": ("documents", tuple(DOCUMENT_SCHEMA.names)),
            "signals": ("signals", ("cuts",)),
            "judge": ("verdicts", ("kept",)),
            "dedup": ("removals", ("removed",)),
        }
        if context.recipe.repeats:
            inputs["repeats"] = ("repeats", ("repeated",))
        return aligned_tasks(context, directory, inputs)

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        section = context.recipe.refine
        url = None
        if section.decontaminate:
            url = _index_url(directory)
            if not storage.exists(url):
                storage.create(url, build_ngram_index(section.decontaminate).to_bytes())
        return (
            tasks
            | transforms.ReadDocuments()
            | transforms.RefineDocuments(section, url)
            | transforms.WriteRefined(directory, section)
        )

    def summary(self, context: RunContext, receipts: tuple[Receipt, ...]) -> Mapping[str, Any]:
        """The number of items of each test set, and how many of them can be searched for."""
        if not context.recipe.refine.decontaminate:
            return {}
        index = NgramIndex.load(_index_url(context.directories[self.name]))
        return {"benchmarks": [counts._asdict() for counts in index.counts]}


def _index_url(directory: StageDirectory) -> str:
    return storage.join(directory.url, "benchmarks.arrow")

"""``tokenize``: token files of the final documents, in buckets by a seeded hash of the document id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill import transforms
from gristmill.corpus.recipe_section import key_config
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.pipelines.stages.document_tasks import aligned_tasks
from gristmill.store.stage_directory import StageDirectory
from gristmill.tokenization.code_points import DIFFERING
from gristmill.transforms.core.tasks import Task

if TYPE_CHECKING:
    import apache_beam as beam


class Tokenize(BeamStage):
    """The tokens of each unit, and an index of its documents."""

    name = "tokenize"
    versions: ClassVar = {1: "token payload and document index", 2: "counts by language"}
    takes_from = "refine"
    libraries = ("gigatoken", "tokenizers")

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        return {
            "tokenize": key_config(recipe.tokenize),
            "tokenizer.end_of_text": recipe.tokenizer.end_of_text,
        }

    def tables(self, recipe: Recipe) -> Mapping[str, Any]:
        return {"differing_code_points": DIFFERING}

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        documents = ("documents", ("id", "source", "lang", "text", "text_bytes"))
        return aligned_tasks(context, directory, {"refine": documents}, context.tokenizer.file("tokenizer").sha256)

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        from gristmill.tokenization.tokenization_beam import EncodeDocuments, WriteTokens  # imports Beam

        recipe, tokenizer = context.recipe, context.tokenizer
        url = context.directories["tokenizer"].file_url(tokenizer.file("tokenizer"))
        return (
            tasks
            | transforms.ReadDocuments()
            | EncodeDocuments(recipe.tokenizer, url)
            | WriteTokens(directory, recipe.tokenize, tokenizer.summary["eos_id"])
        )

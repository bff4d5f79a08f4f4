"""``tokenize``: final documents to token files, bucketed by a seeded hash of the document id."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.keys import section_slice
from gristmill.corpus.stage import StageDirectory
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import aligned_tasks
from gristmill.tokenization.transform import EncodeDocuments, WriteTokens
from gristmill.transforms.blocks import ReadDocuments
from gristmill.transforms.units import Task


class Tokenize(BeamStage):
    """A payload of tokens and an index of documents for each unit."""

    name = "tokenize"
    version = 1
    takes_from = "refine"
    libraries = ("tokenizers",)

    def slice(self, recipe: Recipe) -> Any:
        return [section_slice(recipe.tokenize), recipe.tokenizer.end_of_text]

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        documents = ("documents", ("id", "source", "text"))
        return aligned_tasks(mill, directory, {"refine": documents}, mill.tokenizer.file("tokenizer").sha256)

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        recipe, tokenizer = mill.recipe, mill.tokenizer
        url = mill.directories["tokenizer"].file_url(tokenizer.file("tokenizer"))
        return (
            tasks
            | ReadDocuments()
            | EncodeDocuments(recipe.tokenizer, url)
            | WriteTokens(directory, recipe.tokenize, tokenizer.facts["eos_id"])
        )

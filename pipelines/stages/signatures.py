"""``signatures``: what documents are compared by; the exchange of this run, and the index for later crawls."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.stage import StageDirectory
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import aligned_tasks
from gristmill.transforms.blocks import ReadDocuments
from gristmill.transforms.dedup.transform import SignDocuments, WriteSignatures
from gristmill.transforms.units import Task


class Signatures(BeamStage):
    """MinHash bands and a fingerprint of every document that ``judge`` kept."""

    name = "signatures"
    version = 1
    takes_from = "judge"

    def slice(self, recipe: Recipe) -> Any:
        section = recipe.dedup
        return [section.ngram, section.banding, section.seed, section.partitions, UNICODE_VERSION]

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        documents = ("documents", ("id", "source", "text", "date"))
        return aligned_tasks(mill, directory, {"extract": documents, "judge": ("verdicts", ("kept",))})

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        section = mill.recipe.dedup
        return tasks | ReadDocuments() | SignDocuments(section) | WriteSignatures(directory, section)

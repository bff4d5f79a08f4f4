"""``signatures``: what documents are compared by; the exchange of this run, and the index for later crawls."""

from __future__ import annotations

from typing import Any

import apache_beam as beam

from gristmill.corpus.errors import InputError
from gristmill.corpus.keys import library_versions, section_slice
from gristmill.corpus.stage import StageDirectory
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.pipelines.stages.aligned import aligned_tasks
from gristmill.transforms.blocks import ReadDocuments
from gristmill.transforms.dedup.transform import SignDocuments, WriteSignatures
from gristmill.transforms.judge.signals import SIGNALS
from gristmill.transforms.units import Task


class Signatures(BeamStage):
    """MinHash bands, a fingerprint and a sketch of every document that ``judge`` kept."""

    name = "signatures"
    version = 2
    takes_from = "judge"

    def slice(self, recipe: Recipe) -> Any:
        section = recipe.dedup
        # What nobody asked for stands in no key: an index made without stays one.
        asked: list[Any] = [library_versions(["ada-url"])] if section.urls else []
        asked += [section.shingle] if section.shingle != "words" else []
        common = [section.quality, UNICODE_VERSION, *asked]
        if section.simhash is not None:
            return [section.ngram, section_slice(section.simhash), section.partitions, *common]
        return [section.ngram, section.banding, section.seed, section.partitions, section.verify, *common]

    def check(self, mill: Mill) -> None:
        quality = mill.recipe.dedup.quality
        scores = [scorer.column for scorer in mill.recipe.scores]
        if quality is not None and quality not in (*SIGNALS, *scores):
            known = ", ".join([*SIGNALS, *scores])
            raise InputError(f"dedup.quality names {quality!r}, which is no signal; the signals are {known}")

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        inputs: dict[str, tuple[str, tuple[str, ...]]] = {
            "extract": ("documents", ("id", "source", "text", "date", *(["url"] if mill.recipe.dedup.urls else []))),
            "judge": ("verdicts", ("kept",)),
        }
        quality = mill.recipe.dedup.quality
        if quality is not None:
            stage = "signals" if quality in SIGNALS else "scores"
            inputs[stage] = (stage, (quality,))
        return aligned_tasks(mill, directory, inputs)

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        section = mill.recipe.dedup
        return tasks | ReadDocuments() | SignDocuments(section) | WriteSignatures(directory, section)

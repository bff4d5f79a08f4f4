"""``tokenizer``: a byte-level BPE trained on a sample of the final documents, or the one that the recipe pins."""

from __future__ import annotations

from collections import Counter
from typing import Any

import apache_beam as beam

from gristmill.corpus.keys import key_of, section_slice
from gristmill.corpus.stage import StageDirectory
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, Mill
from gristmill.tokenization.sample import sample_thresholds
from gristmill.tokenization.transform import ReadSample, SampleWork, TrainTokenizer
from gristmill.transforms.units import Task


class Tokenizer(BeamStage):
    """One unit: the sample and what is trained on it. ``kept`` are the documents in the sample."""

    name = "tokenizer"
    version = 1
    takes_from = "refine"
    libraries = ("tokenizers",)

    def slice(self, recipe: Recipe) -> Any:
        return section_slice(recipe.tokenizer)

    def tasks(self, mill: Mill, directory: StageDirectory) -> list[Task]:
        section = mill.recipe.tokenizer
        receipts = mill.manifest("refine").receipts
        sizes: Counter[str] = Counter()
        for receipt in receipts:
            sizes[receipt.input["source"]] += receipt.facts["text_bytes"]
        thresholds = sample_thresholds(sizes, 0 if section.path else section.sample_bytes)
        entries = [receipt.file("documents") for receipt in receipts]
        files = tuple(
            (mill.directories["refine"].file_url(entry), thresholds[receipt.input["source"]])
            for receipt, entry in zip(receipts, entries, strict=True)
        )
        hashes = [entry.sha256 for entry in entries]
        work = SampleWork(files, section.seed, sum(entry.rows for entry in entries))
        unit = key_of(directory.key, [] if section.path else hashes, work.rows)
        given = {"source": None, "sha256": {"refine": hashes}}
        return [Task(unit, given, sum(entry.bytes for entry in entries), work)]

    def build(self, tasks: beam.PCollection, pending: list[Task], mill: Mill, directory: StageDirectory) -> Any:
        return tasks | ReadSample() | TrainTokenizer(directory, mill.recipe.tokenizer)

"""``tokenizer``: a byte-level BPE trained on a sample of the final documents, or the file that the recipe names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from gristmill.corpus.recipe_section import key_config
from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import BeamStage, RunContext
from gristmill.store.keys import key_of
from gristmill.store.stage_directory import StageDirectory
from gristmill.tokenization.tokenizer_sample import SampleWork, sample_thresholds
from gristmill.transforms.core.tasks import Task

if TYPE_CHECKING:
    import apache_beam as beam


class Tokenizer(BeamStage):
    """A single unit. ``kept`` counts the documents in the sample."""

    name = "tokenizer"
    versions: ClassVar = {
        1: "byte-level BPE",
        2: "words and runs of more than 256 characters are cut before training",
    }
    takes_from = "refine"
    libraries = ("gigatoken", "tokenizers")

    def key_config(self, recipe: Recipe) -> Mapping[str, Any]:
        return {"tokenizer": key_config(recipe.tokenizer)}

    def check(self, context: RunContext) -> None:
        section = context.recipe.tokenizer
        if section.path is not None:
            from gristmill.tokenization.token_encoder import open_encoder, read_tokenizer  # imports tokenizers

            open_encoder(read_tokenizer(section.path), section)

    def tasks(self, context: RunContext, directory: StageDirectory) -> list[Task]:
        section = context.recipe.tokenizer
        receipts = context.manifest("refine").receipts
        sizes: Counter[str] = Counter()
        for receipt in receipts:
            sizes[receipt.input["source"]] += receipt.summary["text_bytes"]
        thresholds = sample_thresholds(sizes, 0 if section.path else section.sample_bytes)
        entries = [receipt.file("documents") for receipt in receipts]
        files = tuple(
            (context.directories["refine"].file_url(entry), thresholds[receipt.input["source"]])
            for receipt, entry in zip(receipts, entries, strict=True)
        )
        hashes = [entry.sha256 for entry in entries]
        work = SampleWork(files, section.seed, sum(entry.rows for entry in entries))
        unit = key_of(directory.key, [] if section.path else hashes, work.rows)
        given = {"source": None, "sha256": {"refine": hashes}}
        return [Task(unit, given, sum(entry.bytes for entry in entries), work)]

    def build(
        self, tasks: beam.PCollection, pending: list[Task], context: RunContext, directory: StageDirectory
    ) -> Any:
        from gristmill.tokenization.tokenization_beam import ReadSample, TrainTokenizer  # imports Beam

        return tasks | ReadSample() | TrainTokenizer(directory, context.recipe.tokenizer)

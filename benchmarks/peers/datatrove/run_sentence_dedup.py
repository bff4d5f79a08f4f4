"""datatrove's removal of repeated sentences, on lines. ``peers/repeats.py`` runs it in datatrove's environment.

    python run_sentence_dedup.py DOCUMENTS OUT FILES WORKERS

The stages of datatrove's ``examples/sentence_deduplication.py`` with the local executor: signatures by file, duplicates
in one task, removals by file. Sentences are single lines here (``split_sentences=False``), and no document is dropped
for being short afterwards. The kept text is written to ``OUT/kept``.
"""

from __future__ import annotations

import sys
from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import SentenceDedupFilter, SentenceDedupSignature, SentenceFindDedups
from datatrove.pipeline.dedup.sentence_dedup import SentDedupConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter


def main(documents: str, out: str, files: int, workers: int) -> None:
    config = SentDedupConfig(n_sentences=1, split_sentences=False, min_doc_words=0, min_num_sentences=0)
    reader = JsonlReader(documents, glob_pattern="*.jsonl.gz")

    def stage(name: str, tasks: int, *steps: Any) -> LocalPipelineExecutor:
        return LocalPipelineExecutor(
            pipeline=list(steps), tasks=tasks, workers=min(workers, tasks), logging_dir=f"{out}/logs/{name}"
        )

    for executor in (
        stage("signatures", files, reader, SentenceDedupSignature(f"{out}/signatures", config=config)),
        stage("find", 1, SentenceFindDedups(f"{out}/signatures", f"{out}/repeated", config=config)),
        stage("filter", files, reader, SentenceDedupFilter(f"{out}/repeated", config), JsonlWriter(f"{out}/kept")),
    ):
        executor.run()


if __name__ == "__main__":
    documents, out, files, workers = sys.argv[1:]
    main(documents, out, int(files), int(workers))

"""datatrove's MinHash deduplication, all four stages. ``peers/dedup.py`` runs it in datatrove's environment.

    python run_minhash.py DOCUMENTS OUT FILES WORKERS

These are the stages of datatrove's ``examples/minhash_deduplication.py``, with its defaults (14 buckets of 8 hashes
over word 5-grams) and the local executor: signatures by file, buckets by band, clusters in one task, removals by file.
Statistics are written to ``OUT/logs``, the kept documents to ``OUT/kept``.
"""

from __future__ import annotations

import sys
from typing import Any

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupFilter,
)
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers.jsonl import JsonlWriter


def main(documents: str, out: str, files: int, workers: int) -> None:
    config = MinhashConfig()
    reader = JsonlReader(documents, glob_pattern="*.jsonl.gz")

    def stage(name: str, tasks: int, *steps: Any) -> LocalPipelineExecutor:
        return LocalPipelineExecutor(
            pipeline=list(steps), tasks=tasks, workers=min(workers, tasks), logging_dir=f"{out}/logs/{name}"
        )

    for executor in (
        stage("signatures", files, reader, MinhashDedupSignature(f"{out}/signatures", config)),
        stage("buckets", config.num_buckets, MinhashDedupBuckets(f"{out}/signatures", f"{out}/buckets", config=config)),
        stage("cluster", 1, MinhashDedupCluster(f"{out}/buckets", f"{out}/remove", config=config)),
        stage("filter", files, reader, MinhashDedupFilter(f"{out}/remove"), JsonlWriter(f"{out}/kept")),
    ):
        executor.run()


if __name__ == "__main__":
    documents, out, files, workers = sys.argv[1:]
    main(documents, out, int(files), int(workers))

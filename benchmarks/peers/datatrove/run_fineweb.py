"""datatrove's FineWeb chain, from archives to judged documents. ``peers/ingest.py`` runs it in datatrove's environment.

    python run_fineweb.py ARCHIVES OUT MODEL WORKERS

These are the steps of ``main_processing_executor`` in datatrove's ``examples/fineweb.py`` with its options, except that

- the executor is the local one, not the one for Slurm;
- the language is named, since ``LanguageFilter`` without one keeps every language today;
- the language model is the file that Gristmill uses, since none can be downloaded;
- dropped documents are not written, which saves datatrove some work.

The input, the output and the time of each step are written to ``OUT/logs/stats.json``.
"""

from __future__ import annotations

import sys

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
    URLFilter,
)
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers.jsonl import JsonlWriter


def main(archives: str, out: str, model: str, workers: int) -> None:
    language = LanguageFilter(languages=["en"])
    language.model.MODEL_URL = model
    executor = LocalPipelineExecutor(
        pipeline=[
            WarcReader(archives, glob_pattern="*.warc.gz", default_metadata={"dump": "benchmark"}),
            URLFilter(),
            Trafilatura(favour_precision=True),
            language,
            GopherRepetitionFilter(),
            GopherQualityFilter(),
            C4QualityFilter(filter_no_terminal_punct=False),
            FineWebQualityFilter(),
            JsonlWriter(f"{out}/output"),
        ],
        tasks=workers,
        workers=workers,
        logging_dir=f"{out}/logs",
    )
    executor.run()


if __name__ == "__main__":
    archives, out, model, workers = sys.argv[1:]
    main(archives, out, model, int(workers))

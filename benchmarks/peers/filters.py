"""How fast the heuristic filters are, by family and together, compared with datatrove's on the same texts.

    python -m benchmarks filters            # ten minutes
    python -m benchmarks filters --quick    # a fifth of the texts, one round

The texts are the English ones of ``mixed_texts``: gold main text, whole pages, reference pages, pieces of novels.
datatrove runs in an environment of its own (``peer_environments``), one text after the other, every filter on every
text; Gristmill processes batches, as its stages do. Both are measured in processor time on one core, alternately; the
median of the rounds counts. What is made once (models, tables) is made before.

``repetition`` is ``GopherRepetitionFilter`` alone; ``all`` are the four filters of FineWeb's chain (datatrove tokenizes
once for all of them). Gristmill cannot measure one family alone, since words and lines are found once for all: its time
for ``repetition`` is that of finding words, lines and repetitions, its time for ``all`` that of every signal with
FineWeb's line rules and the verdicts of all rules. ``_variant`` is the variant ``datatrove``, whose verdicts are those
of datatrove.

The last line is one JSON object: ``ratio_repetition``, ``ratio_all``, ``ms_per_5kb`` (every signal and verdict, for
5,000 bytes of UTF-8), ``ratio_all_variant``, and documents per second: ``<family>_docs_per_s`` and
``<family>_docs_per_s_datatrove``.
"""

from __future__ import annotations

import json
import statistics
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.mixed_texts import mixed_texts
from benchmarks.harness.processor_time import processor_seconds
from benchmarks.harness.result_tables import CONSOLE, result_table
from benchmarks.peers.verdicts import run_filters, write_texts
from gristmill.transforms.quality import paper_variant
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.rule_table import RULE_NAMES
from gristmill.transforms.quality.signals_sidecar import measure_table
from gristmill.transforms.quality.text_batch import Batch, batch_slices
from gristmill.transforms.quality.verdicts_sidecar import judge_table

ROUNDS = 3
EVERY_RULE = JudgeSection(preset="fineweb", rules=RULE_NAMES)
DATATROVE_VARIANT = JudgeSection(preset="fineweb", variant="datatrove", rules=RULE_NAMES)


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="a fifth of the texts, one round")


def measure(options: Namespace) -> dict[str, float]:
    texts = [text.text for text in mixed_texts(15 if options.quick else 3) if text.lang == "en" and text.text]
    functions: dict[str, Callable[[Sequence[str]], object]] = {
        "repetition": measure_repetition,
        "all": lambda texts: judge(texts, EVERY_RULE),
        "all_variant": lambda texts: judge(texts, DATATROVE_VARIANT),
    }
    rounds: defaultdict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        path = write_texts(Path(folder), texts)
        for _ in range(1 if options.quick else ROUNDS):
            for name, function in functions.items():
                rounds[name].append(_warm_seconds(function, texts))
            for family, seconds in json.loads(run_filters("seconds", path)).items():
                rounds[f"{family}_datatrove"].append(seconds)
    figures = _figures({name: statistics.median(seconds) for name, seconds in rounds.items()}, texts)
    _print_table(figures)
    return figures


def measure_repetition(texts: Sequence[str]) -> None:
    """Measure the signals of Gopher's repetition rules, and what they are counted on."""
    for part in batch_slices(map(len, texts)):
        paper_variant.measure_repetition(Batch.of(texts[part]))


def judge(texts: Sequence[str], section: JudgeSection) -> pa.Table:
    """Measure every signal and return every verdict."""
    signals = measure_table(texts, ["en"] * len(texts), [""] * len(texts), section)
    documents = pa.table(
        {"lang": ["en"] * len(texts), "source": [""] * len(texts), "lang_score": pa.nulls(len(texts), pa.float32())}
    )
    return judge_table(pa.Table.from_batches([signals]), documents, section)


def _warm_seconds(function: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Processor time for all texts, after a few that load the tables."""
    function(texts[:20])
    return processor_seconds(lambda: function(texts))


def _figures(seconds: dict[str, float], texts: Sequence[str]) -> dict[str, float]:
    size = sum(len(text.encode(errors="surrogatepass")) for text in texts)
    return {
        "ratio_repetition": seconds["repetition_datatrove"] / seconds["repetition"],
        "ratio_all": seconds["all_datatrove"] / seconds["all"],
        "ms_per_5kb": seconds["all"] / size * 5e6,
        "ratio_all_variant": seconds["all_datatrove"] / seconds["all_variant"],
        "documents": len(texts),
        "mean_kb": size / len(texts) / 1e3,
        **{
            f"{name.removesuffix('_datatrove')}_docs_per_s{'_datatrove' * name.endswith('_datatrove')}": len(texts)
            / spent
            for name, spent in seconds.items()
        },
    }


def _print_table(figures: dict[str, float]) -> None:
    table = result_table("filters", ("family", "documents/s", "datatrove", "ratio"))
    for name in ("repetition", "quality", "c4", "fineweb", "all", "all_variant"):
        gristmill = figures.get(f"{name}_docs_per_s")
        datatrove = figures[f"{name.removesuffix('_variant')}_docs_per_s_datatrove"]
        ratio = f"{gristmill / datatrove:.1f}" if gristmill else ""
        table.add_row(name, f"{gristmill:,.0f}" if gristmill else "", f"{datatrove:,.0f}", ratio)
    CONSOLE.print(table)


if __name__ == "__main__":
    main()

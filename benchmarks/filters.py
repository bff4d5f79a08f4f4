"""How fast are the heuristic filters, by family and together, beside datatrove's on the same texts?

    python benchmarks/filters.py            # ten minutes
    python benchmarks/filters.py --quick    # a fifth of the texts, one round

Texts are the English ones of ``judge_texts``: marked main text, whole pages, reference pages, pieces of novels.
datatrove works in an environment of its own (``peers``), one text after the other, every filter on every text; the mill
in batches, as its stages do. Both are timed in seconds of one processor, in turns; of the rounds the median counts.
What is made once (models, tables) is made before.

``repetition`` is ``GopherRepetitionFilter`` alone; ``all`` are the four filters of FineWeb's chain (datatrove tokenizes
once for all of them). The mill has no way to measure one family alone, since words and lines are found once for all:
its time for ``repetition`` is that of finding words, lines and repetitions, for ``all`` that of every signal with
FineWeb's line rules and the verdicts of all rules on them. ``_variant`` is the variant ``datatrove``, whose verdicts
are datatrove's own.

The last line is one JSON object: ``ratio_repetition``, ``ratio_all``, ``ms_per_5kb`` (every signal and verdict, by
5,000 bytes of UTF-8), ``ratio_all_variant``, and documents by second: ``<family>_docs_per_s`` and
``<family>_docs_per_s_datatrove``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
from inputs import require_data
from judge_texts import judged_texts
from rich import box
from rich.console import Console
from rich.table import Table
from verdicts import datatrove, write_texts

from gristmill.transforms.quality import paper_variant
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.rule_names import RULE_NAMES
from gristmill.transforms.quality.signal_columns import measure, verdicts
from gristmill.transforms.quality.text_batch import Batch, batches

ROUNDS = 3
EVERY_RULE = JudgeSection(preset="fineweb", rules=RULE_NAMES)
VARIANT = JudgeSection(preset="fineweb", variant="datatrove", rules=RULE_NAMES)

_PRINT = Console(highlight=False, width=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the texts, one round")
    arguments = parser.parse_args()
    require_data()
    texts = [text.text for text in judged_texts(15 if arguments.quick else 3) if text.lang == "en" and text.text]
    ways: dict[str, Callable[[Sequence[str]], object]] = {
        "repetition": repetition,
        "all": lambda texts: judged(texts, EVERY_RULE),
        "all_variant": lambda texts: judged(texts, VARIANT),
    }
    spent: defaultdict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        path = write_texts(Path(folder), texts)
        for _ in range(1 if arguments.quick else ROUNDS):
            for name, way in ways.items():
                spent[name].append(seconds(way, texts))
            for name, taken in json.loads(datatrove("seconds", path)).items():
                spent[f"{name}_datatrove"].append(taken)
    figures = _figures({name: statistics.median(taken) for name, taken in spent.items()}, texts)
    _report(figures)
    print(json.dumps({name: float(f"{value:.4g}") for name, value in figures.items()}))


def repetition(texts: Sequence[str]) -> None:
    """The signals of Gopher's repetition rules, and what they are counted on."""
    for part in batches(map(len, texts)):
        paper_variant.repetition_signals(Batch.of(texts[part]))


def judged(texts: Sequence[str], section: JudgeSection) -> pa.Table:
    """Every signal and every verdict."""
    measured = measure(texts, ["en"] * len(texts), [""] * len(texts), section)
    rows = pa.table(
        {"lang": ["en"] * len(texts), "source": [""] * len(texts), "lang_score": pa.nulls(len(texts), pa.float32())}
    )
    return verdicts(pa.Table.from_batches([measured]), rows, section)


def seconds(way: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    """Time of the processor for all texts, after a few for the tables."""
    way(texts[:20])
    begun = time.process_time()
    way(texts)
    return time.process_time() - begun


def _figures(spent: dict[str, float], texts: Sequence[str]) -> dict[str, float]:
    size = sum(len(text.encode(errors="surrogatepass")) for text in texts)
    return {
        "ratio_repetition": spent["repetition_datatrove"] / spent["repetition"],
        "ratio_all": spent["all_datatrove"] / spent["all"],
        "ms_per_5kb": spent["all"] / size * 5e6,
        "ratio_all_variant": spent["all_datatrove"] / spent["all_variant"],
        "documents": len(texts),
        "mean_kb": size / len(texts) / 1e3,
        **{
            f"{name.removesuffix('_datatrove')}_docs_per_s{'_datatrove' * name.endswith('_datatrove')}": len(texts)
            / taken
            for name, taken in spent.items()
        },
    }


def _report(figures: dict[str, float]) -> None:
    table = Table("family", "documents/s", "datatrove", "ratio", box=box.SIMPLE)
    for name in ("repetition", "quality", "c4", "fineweb", "all", "all_variant"):
        ours, theirs = (
            figures.get(f"{name}_docs_per_s"),
            figures.get(f"{name.removesuffix('_variant')}_docs_per_s_datatrove", 0),
        )
        table.add_row(name, f"{ours:,.0f}" if ours else "", f"{theirs:,.0f}", f"{ours / theirs:.1f}" if ours else "")
    _PRINT.print(table)


if __name__ == "__main__":
    main()

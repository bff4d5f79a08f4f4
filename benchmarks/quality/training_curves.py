"""Whether a model is trained alike eager and compiled, by one and by two processes: the losses on top of each other.

    python -m benchmarks training_curves --shards WORK/mix-…    # an hour and a half on two cores
    python -m benchmarks training_curves --quick                # a tiny model that learns to count

The variants train the same model (10 million parameters without embeddings) on the same sequences. Their losses are
compared by the sequences that they are of, since the guard may skip a step of one variant only, and drawn into
`work/bench/training_curves/curves.svg`.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.result_tables import CONSOLE, result_table
from benchmarks.harness.synthetic_mix import write_mix
from gristmill.training.launch.local_launch import train_locally
from gristmill.training.train_section import TrainSection

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "eager_1": {"processes": 1, "compile": False},
    "compiled_1": {"processes": 1, "compile": True},
    "eager_2": {"processes": 2, "compile": False},
    "compiled_2": {"processes": 2, "compile": True},
}
MODEL = {"preset": "10M"}
LEARNING_RATE = 3e-4
"""With small batches, a run at the default rate is chaotic: it amplifies differences of rounding within 50 steps."""
QUICK_MODEL, QUICK_STEPS = {"dim": 32, "layers": 2, "heads": 2}, 20
COLORS = ("#1b6ca8", "#d1495b", "#edae49", "#3c8d40")
WIDTH, HEIGHT, MARGIN = 900, 420, 50


def main() -> None:
    benchmark_main(
        measure, description=__doc__, quick="a tiny model that learns to count", needs_data=False, add_options=_options
    )


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--shards", metavar="DIR", help="directory of a completed mix stage")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8, help="sequences per step, a multiple of 2")


def measure(options: Namespace) -> dict[str, float]:
    """Train all variants, draw their losses, and return how far each is from the first."""
    folder = empty_work_folder("training_curves")
    steps = QUICK_STEPS if options.quick else options.steps
    shards = counting_mix(folder, steps * options.batch) if options.quick else options.shards
    if shards is None:
        raise SystemExit("pass --shards, the directory of a completed mix stage")
    losses = {name: trained(shards, folder / name, steps, options, layout) for name, layout in VARIANTS.items()}
    (folder / "curves.svg").write_text(curves(losses))
    first = losses["eager_1"]
    table = result_table(f"{steps} steps", ["variant", "first loss", "last loss", "largest difference from eager_1"])
    figures: dict[str, float] = {"last_loss": list(first.values())[-1]}
    for name, found in losses.items():
        difference = max(abs(found[place] / first[place] - 1) for place in found.keys() & first.keys())
        figures[f"difference_{name}"] = difference
        values = list(found.values())
        table.add_row(name, f"{values[0]:.4f}", f"{values[-1]:.4f}", f"{difference:.2e}")
    CONSOLE.print(table, f"drawn in {folder / 'curves.svg'}")
    return figures


def trained(shards: str, out: Path, steps: int, options: Namespace, layout: Mapping[str, Any]) -> dict[int, float]:
    """Train one variant and return its losses by the number of the step's first sequence."""
    model = QUICK_MODEL if options.quick else MODEL
    batch = {"batch_sequences": options.batch, "micro_batch": options.batch // 2}
    section = TrainSection.model_validate({"model": model, "steps": steps, "lr": LEARNING_RATE, **batch, **layout})
    train_locally(section, shards, str(out), steps, lambda row: None)
    rows = map(json.loads, (out / "metrics.jsonl").read_text().splitlines())
    return {row["first_sequence"]: row["loss"] for row in rows}


def counting_mix(folder: Path, sequences: int) -> str:
    """Write a mix whose sequences count up from a random start; returns its directory."""
    length = vocab_size = 64
    starts = np.random.default_rng(0).integers(0, vocab_size, (sequences, 1))
    return write_mix(folder / "mix", (starts + np.arange(length)) % vocab_size, vocab_size)


def curves(losses: Mapping[str, Mapping[int, float]]) -> str:
    """Return an SVG of the losses by sequence; earlier curves are thicker, so that all are seen where they coincide."""
    last = max(max(found) for found in losses.values())
    every = [loss for found in losses.values() for loss in found.values()]
    low, high = min(every), max(every)

    def point(place: int, loss: float) -> str:
        x = MARGIN + place / max(last, 1) * (WIDTH - 2 * MARGIN)
        y = MARGIN + (high - loss) / max(high - low, 1e-9) * (HEIGHT - 2 * MARGIN)
        return f"{x:.1f},{y:.1f}"

    drawn = [f'<text x="{MARGIN}" y="{MARGIN - 20}">loss in nats per token, by sequence (0 to {last:,})</text>']
    for value in (high, low):
        drawn.append(f'<text x="5" y="{point(0, value).partition(",")[2]}">{value:.2f}</text>')
    for index, (name, found) in enumerate(losses.items()):
        points, color, width = " ".join(map(point, found, found.values())), COLORS[index], 2 * (len(losses) - index)
        drawn.append(f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{width}"/>')
        drawn.append(f'<text x="{WIDTH - 3 * MARGIN}" y="{MARGIN + 20 * index}" fill="{color}">{name}</text>')
    style = 'font-family="sans-serif" font-size="14"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" {style}>{"".join(drawn)}</svg>\n'


if __name__ == "__main__":
    main()

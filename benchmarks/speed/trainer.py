"""How fast the trainer is on a CPU beside a plain loop over a `transformers` model, and what its loss needs in memory.

    python -m benchmarks trainer            # five minutes on two cores
    python -m benchmarks trainer --quick    # the smallest model only, fewer steps

Both loops train the same shape on the same tokens with one thread, one step of each in turn, so that a busy machine
slows both. The memory of the loss is the most that it holds beyond its inputs, as a share of all logits in float32, at
a vocabulary of 32,768 and 4 sequences of 2,048 tokens.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.result_tables import CONSOLE, result_table
from benchmarks.harness.training_speed import time_in_turn, training_step
from benchmarks.harness.transformers_loop import transformers_step
from gristmill.training.linear_cross_entropy import linear_cross_entropy
from gristmill.training.model_section import ModelSection
from gristmill.training.model_size import parameter_count
from gristmill.training.train_section import TrainSection

LENGTH = 256
SHAPES: Mapping[str, tuple[int, int, Mapping[str, Any]]] = {
    "2m": (4096, 8, {"dim": 128, "layers": 6, "heads": 4}),
    "7m": (8192, 4, {"dim": 256, "layers": 6, "heads": 4}),
    "30m": (16_384, 8, {"dim": 512, "layers": 7, "heads": 8}),
}
"""Vocabulary, sequences per step, and shape by the number of parameters."""
PAIRS = {"2m": 40, "7m": 24, "30m": 7}
"""Timed steps of each loop by the number of parameters: half a minute and more."""
LOGITS_SHAPE = 4 * 2048, 32_768
HIDDEN = 512


def main() -> None:
    benchmark_main(measure, description=__doc__, quick="the smallest model and the loss, fewer steps", needs_data=False)


def measure(options: Namespace) -> dict[str, float]:
    """Measure, print a table, and return the figures; those without a size are of the smallest model."""
    names = ["2m"] if options.quick else list(SHAPES)
    table = result_table("one optimizer step", ["model", "parameters", "tokens/s", "transformers tokens/s", "ratio"])
    figures: dict[str, float] = {}
    for name in names:
        vocab_size, batch, shape = SHAPES[name]
        section = TrainSection(model=ModelSection(**shape), batch_sequences=batch, micro_batch=batch, compile=True)
        with (
            training_step(section, vocab_size, LENGTH) as step,
            transformers_step(section, vocab_size, LENGTH) as plain,
        ):
            ours, theirs, ratio = time_in_turn(step, plain, 3 if options.quick else PAIRS[name])
        tokens = section.batch_sequences * LENGTH
        figures |= {f"tokens_per_s_{name}": tokens / ours, f"ratio_hf_{name}": ratio}
        parameters = f"{parameter_count(section.model, vocab_size):,}"
        table.add_row(name, parameters, f"{tokens / ours:,.0f}", f"{tokens / theirs:,.0f}", f"{ratio:.2f}")
    CONSOLE.print(table)
    figures["peak_over_logits"] = loss_peak() / (4 * LOGITS_SHAPE[0] * LOGITS_SHAPE[1])
    return figures | {name: figures[f"{name}_2m"] for name in ("ratio_hf", "tokens_per_s")}


def loss_peak() -> int:
    """Return the most bytes that the loss and its backward pass hold beyond their inputs."""
    positions, vocab_size = LOGITS_SHAPE
    hidden = torch.randn(positions, HIDDEN, requires_grad=True)
    weight = torch.randn(vocab_size, HIDDEN, requires_grad=True)
    targets = torch.randint(vocab_size, (positions,))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        linear_cross_entropy(hidden, weight, targets, vocab_size).backward()
    held = peak = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


if __name__ == "__main__":
    main()

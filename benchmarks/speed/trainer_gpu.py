"""What a GPU makes of the trainer: utilisation (MFU) by setting and model size, and what each setting brings.

    python -m benchmarks trainer_gpu --seconds 420    # on a machine with a GPU: seven minutes
    python -m benchmarks trainer_gpu --quick          # tiny shapes, also on a CPU: it only shows that all parts run

The machine needs torch, transformers, pyarrow, fsspec, safetensors, pydantic and zstandard. Every row is printed as
JSON when it is measured, so that nothing is lost if time runs out; rows that no time is left for are named. Parts:

1. peak of matrix products and of copies;
2. attention by backend, length and determinism: its rate, and whether its gradients repeat their bits;
3. a ladder from the trainer as it was to the best setting, one change at a time;
4. the best setting by model size and length, against the datasheet's peak and the measured one;
5. a plain loop over a ``transformers`` model of the same shape, side by side;
6. a run that is interrupted and resumed, compared with one that is not, digit by digit.

A prediction stands beside each time: what matrix products, attention and memory traffic take at the measured rates.
"""

from __future__ import annotations

import itertools
import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention import SDPBackend, sdpa_kernel

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.synthetic_mix import write_mix
from benchmarks.harness.training_speed import (
    Hardware,
    full_length_logits_loss,
    logits_loss,
    predicted_seconds,
    random_tokens,
    time_in_turn,
    time_steps,
    training_step,
)
from benchmarks.harness.transformers_loop import transformers_step
from gristmill.mixing.mixed_shards import MixedShards
from gristmill.training.gpu_peaks import peak_flops
from gristmill.training.model_section import ModelSection
from gristmill.training.model_size import flops_per_token
from gristmill.training.train_loop import train
from gristmill.training.train_section import TrainSection

VOCABULARY = 32_768
BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}

Row = dict[str, Any]


class Scale(NamedTuple):
    """The sizes of a run of the script."""

    matrix: int
    copied: int
    attention: tuple[int, int, int]
    lengths: tuple[int, ...]
    ladder: Mapping[str, Any]
    sizes: Mapping[str, Mapping[str, Any]]
    model_lengths: tuple[int, ...]
    tokens: int
    vocab_size: int
    steps: int


FULL = Scale(
    matrix=8192,
    copied=1 << 30,
    attention=(16, 8, 128),
    lengths=(2047, 2048, 4096),
    ladder={"preset": "350M"},
    sizes={name: {"preset": name} for name in ("350M", "760M", "1.3B")},
    model_lengths=(2048, 4096),
    tokens=32_768,
    vocab_size=VOCABULARY,
    steps=8,
)
TINY = {"dim": 64, "layers": 2, "heads": 2}
QUICK = Scale(
    matrix=256,
    copied=1 << 20,
    attention=(1, 2, 32),
    lengths=(63, 64),
    ladder=TINY,
    sizes={"tiny": TINY},
    model_lengths=(64,),
    tokens=512,
    vocab_size=500,
    steps=2,
)


def main() -> None:
    benchmark_main(
        measure, description=__doc__, quick="tiny shapes, on any device", needs_data=False, add_options=_add_options
    )


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=420.0, help="time to measure in; later rows are left out")


def measure(options: Namespace) -> dict[str, float]:
    """Measure all parts and return the figures."""
    scale, deadline = (QUICK if options.quick else FULL), time.monotonic() + options.seconds
    rows = [_print_row({"part": "machine", "device": _device_name(), "torch": torch.__version__})]
    for part in (_peaks, _attention, _ladder, _sizes, _plain_loop, _resume):
        for name, measure_row in part(scale, _rates(rows)):
            row = {"skipped": "no time left"} if time.monotonic() > deadline else _measured(measure_row)
            rows.append(_print_row({"part": part.__name__.strip("_"), "row": name, **row}))
    _print_table(rows)
    return {f"{row['part']}_{row['row']}_{key}": row[key] for row in rows for key in KEYS if key in row}


KEYS = ("tflops", "gb_per_s", "tokens_per_s", "mfu", "mfu_measured", "memory_gib", "ratio", "differing_losses")


def _device_name() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"


def _measured(measure_row: Callable[[], Row]) -> Row:
    """Return the figures of a row. One that fails, for lack of memory or of an implementation, says why instead."""
    try:
        return measure_row()
    except (RuntimeError, torch.OutOfMemoryError) as error:
        return {"failed": str(error).partition("\n")[0][:200]}
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _print_row(row: Row) -> Row:
    print(json.dumps(row), flush=True)
    return row


def _print_table(rows: list[Row]) -> None:
    """Print the rows of each part as a table; plain text, since the machine may have no library for tables."""
    for part, group in itertools.groupby(rows, key=lambda row: row["part"]):
        table = [{name: str(value) for name, value in row.items() if name != "part"} for row in group]
        names = list(dict.fromkeys(name for row in table for name in row))
        widths = {name: max(len(name), *(len(row.get(name, "")) for row in table)) for name in names}
        print(f"\n{part}")
        for row in [{name: name for name in names}, *table]:
            print("  ".join(row.get(name, "").ljust(widths[name]) for name in names).rstrip())


Part = Iterator[tuple[str, Callable[[], Row]]]
"""Rows of a part: their names, and what measures them."""


def _peaks(scale: Scale, hardware: Hardware) -> Part:
    def matrix() -> Row:
        a = torch.randn(scale.matrix, scale.matrix, device=_device(), dtype=torch.bfloat16)
        seconds = _seconds(lambda: a @ a)
        return {"tflops": _round(2 * scale.matrix**3 / seconds / 1e12)}

    def copy() -> Row:
        a = torch.empty(scale.copied, device=_device(), dtype=torch.uint8)
        b = torch.empty_like(a)
        return {"gb_per_s": _round(2 * scale.copied / _seconds(lambda: b.copy_(a)) / 1e9)}

    yield "matrix_product", matrix
    yield "copy", copy


def _attention(scale: Scale, hardware: Hardware) -> Part:
    batch, heads, width = scale.attention
    backends = BACKENDS if torch.cuda.is_available() else {"flash": SDPBackend.FLASH_ATTENTION}
    for length, (name, backend), strict in itertools.product(scale.lengths, backends.items(), (False, True)):

        def attention(length: int = length, backend: Any = backend, strict: bool = strict) -> Row:
            shape = batch, heads, length, width
            generator = torch.Generator(_device()).manual_seed(0)
            options: dict[str, Any] = {"device": _device(), "dtype": torch.bfloat16, "generator": generator}
            q, k, v = (torch.randn(shape, **options).requires_grad_() for _ in range(3))

            def gradients() -> list[Any]:
                result = F.scaled_dot_product_attention(q, k, v, is_causal=True)
                return list(torch.autograd.grad(result.float().sum(), (q, k, v)))

            torch.use_deterministic_algorithms(strict)
            try:
                with sdpa_kernel(backend):
                    first = gradients()
                    repeats = all(_equal(first, gradients()) for _ in range(3))
                    seconds = _seconds(gradients)
            finally:
                torch.use_deterministic_algorithms(False)
            flops = 7 * batch * heads * length**2 * width  # half of 2 products forward and 5 backward: it is causal
            return {"tflops": _round(flops / seconds / 1e12), "bits_repeat": repeats}

        yield f"{name}_{length}{'_strict' if strict else ''}", attention


def _ladder(scale: Scale, hardware: Hardware) -> Part:
    length = scale.model_lengths[0]
    batch = scale.tokens // length
    settings: dict[str, Any] = {"micro_batch": batch // 2, "compile": False, "deterministic": True}
    rungs: list[tuple[str, dict[str, Any], Any]] = [
        ("as_it_was", {}, logits_loss),
        ("not_deterministic", {"deterministic": False}, logits_loss),
        ("all_positions", {}, full_length_logits_loss),
        ("compiled", {"compile": True}, full_length_logits_loss),
        ("chunked_loss_and_guard", {}, None),
        ("twice_the_micro_batch", {"micro_batch": batch}, None),
        ("muon", {"optimizer": "muon"}, None),
    ]
    for name, change, loss in rungs:
        settings |= change
        section = _section(scale.ladder, batch, **settings)
        yield name, _step_row(section, length, loss, scale, hardware)


def _sizes(scale: Scale, hardware: Hardware) -> Part:
    for (name, shape), length in itertools.product(scale.sizes.items(), scale.model_lengths):
        batch = scale.tokens // length
        yield f"{name}_{length}", _step_row(_section(shape, batch), length, None, scale, hardware)


def _plain_loop(scale: Scale, hardware: Hardware) -> Part:
    length = scale.model_lengths[0]
    batch = scale.tokens // length
    section = _section(scale.ladder, batch)

    def side_by_side() -> Row:
        with (
            training_step(section, scale.vocab_size, length) as step,
            transformers_step(section, scale.vocab_size, length) as plain,
        ):
            ours, theirs, ratio = time_in_turn(step, plain, 3 * scale.steps)
        tokens = batch * length
        return {
            "tokens_per_s": round(tokens / ours),
            "transformers_tokens_per_s": round(tokens / theirs),
            "ratio": _round(ratio),
        }

    yield "transformers", side_by_side


def _resume(scale: Scale, hardware: Hardware) -> Part:
    def digits() -> Row:
        settings = {"schedule": {"warmup_tokens": 0}, "steps": 12, "checkpoint_every": 4, "log_every": 1}
        section = _section(TINY, 4, deterministic=True, **settings)
        with TemporaryDirectory() as folder:
            mix = MixedShards.open(write_mix(Path(folder, "mix"), random_tokens(64, 64, 500).numpy(), 500))
            for name, report in (("whole", _ignore), ("cut", _interrupt), ("cut", _ignore)):
                with suppress(_InterruptedError):
                    train(section, mix, f"{folder}/{name}", report)
            lines = [Path(folder, name, "metrics.jsonl").read_text().splitlines() for name in ("whole", "cut")]
        different = sum(a != b for a, b in zip(*lines, strict=True))
        return {"steps": len(lines[0]), "differing_losses": different}

    yield "interrupted_run", digits


def _step_row(section: TrainSection, length: int, loss: Any, scale: Scale, hardware: Hardware) -> Callable[[], Row]:
    def measure_row() -> Row:
        with training_step(section, scale.vocab_size, length, loss) as step:
            timing = time_steps(step, 3, scale.steps)
        tokens = section.batch_sequences * length
        flops = tokens * flops_per_token(section.model, scale.vocab_size, length)
        predicted = predicted_seconds(
            section.model, scale.vocab_size, length, section.batch_sequences, bool(section.compile), hardware
        )
        row = {
            "ms": _round(1000 * timing.seconds),
            "predicted_ms": _round(1000 * predicted),
            "tokens_per_s": round(tokens / timing.seconds),
            "mfu_measured": _round(flops / timing.seconds / hardware.matrix_flops),
            "memory_gib": _round(timing.memory_gib),
        }
        peak = peak_flops(_device_name())
        return row | ({"mfu": _round(flops / timing.seconds / peak)} if peak else {})

    return measure_row


def _section(shape: Mapping[str, Any], batch: int, **settings: Any) -> TrainSection:
    best = {"micro_batch": batch, "compile": True, "deterministic": False}
    return TrainSection(model=ModelSection(**shape), batch_sequences=batch, **{**best, **settings})


class _InterruptedError(Exception):
    """Ends a run in the middle."""


def _ignore(row: Row) -> None:
    pass


def _interrupt(row: Row) -> None:
    if row["step"] == 6:
        raise _InterruptedError


def _rates(rows: list[Row]) -> Hardware:
    """Return the best rates measured so far; rates not yet measured are infinite."""
    attention = [row["tflops"] for row in rows if row["part"] == "attention" and "tflops" in row]
    matrix = [row["tflops"] for row in rows if row.get("row") == "matrix_product" and "tflops" in row]
    copies = [row["gb_per_s"] for row in rows if "gb_per_s" in row]
    most = [max(values, default=float("inf")) for values in (matrix, copies, attention)]
    return Hardware(most[0] * 1e12, most[1] * 1e9, most[2] * 1e12)


def _device() -> Any:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _seconds(call: Callable[[], Any]) -> float:
    return time_steps(call, 3, 10).seconds


def _equal(first: list[Any], second: list[Any]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def _round(value: float) -> float:
    return float(f"{value:.4g}")


if __name__ == "__main__":
    main()

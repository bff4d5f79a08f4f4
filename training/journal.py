"""What a run tells: ``metrics.jsonl``, the same bytes in two equal runs, and ``speed.jsonl``, the same in no two."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

from gristmill.errors import InputError
from gristmill.training.data import Sequences
from gristmill.training.distributed import World
from gristmill.training.folder import Folder
from gristmill.training.model import flops_per_token, parameter_count
from gristmill.training.train_section import TrainSection

Row = dict[str, Any]
Report = Callable[[Row], None]

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "B200": 2250e12}
"""Dense bfloat16 operations a second by GPU model, from the vendor's datasheets."""


class Journal:
    """The books of a run, kept by the leading process.

    A row of ``metrics.jsonl`` is ``{"step", "sequences", "tokens", "loss", "lr", "grad_norm"}``: the step from 0,
    sequences and tokens read by its end (every token of a sequence counts, the first one too), mean loss in nats a
    predicted token, learning rate, gradient norm before clipping. Rows from step ``first`` on are cut, since those
    steps are done again. Every ``log_every`` steps, and at the end, ``report`` is given the last row, ``steps`` and
    the speed. Raises InputError if rows before ``first`` are missing.
    """

    def __init__(
        self,
        out: Folder,
        first: int,
        steps: int,
        section: TrainSection,
        sequences: Sequences,
        world: World,
        report: Report,
    ) -> None:
        self.out, self.steps, self.section, self.report = out, steps, section, report
        self.sequence_length = sequences.sequence_length
        self.parameters = parameter_count(section.model, sequences.vocab_size)
        flops = flops_per_token(section.model, sequences.vocab_size, sequences.sequence_length)
        self.speed = Speed(first * self._step_tokens, flops, world)
        self.metrics, self.losses = cut(out.fetch("metrics.jsonl"), first)
        self.speeds = open(out.fetch("speed.jsonl"), "ab")  # noqa: SIM115

    def add(self, step: int, loss: float, lr: float, grad_norm: float) -> None:
        """Note a step that is done."""
        sequences = (step + 1) * self.section.batch_sequences
        tokens = sequences * self.sequence_length
        figures = {"loss": round(loss, 6), "lr": round(lr, 10), "grad_norm": round(grad_norm, 6)}
        row = {"step": step, "sequences": sequences, "tokens": tokens, **figures}
        self.losses = [*self.losses[:1], figures["loss"]]
        _append(self.metrics, row)
        if (step + 1) % self.section.log_every == 0 or step + 1 == self.steps:
            speed = self.speed.lap(tokens)
            _append(self.speeds, {"step": step, **speed})
            self.report({**row, "steps": self.steps, **speed})

    def sync(self) -> None:
        """Metrics onto the disk itself, or the store: a checkpoint must not outlive the rows before it."""
        os.fsync(self.metrics.fileno())
        self.out.publish("metrics.jsonl")
        self.out.publish("speed.jsonl")

    def result(self) -> Row:
        """The whole run in ``{"steps", "sequences", "tokens", "first_loss", "last_loss", "parameters"}``."""
        return {
            "steps": self.steps,
            "sequences": self.steps * self.section.batch_sequences,
            "tokens": self.steps * self._step_tokens,
            "first_loss": self.losses[0],
            "last_loss": self.losses[-1],
            "parameters": self.parameters,
        }

    @property
    def _step_tokens(self) -> int:
        return self.section.batch_sequences * self.sequence_length


class Speed:
    """Tokens a second, and on a known GPU the share of its peak (MFU), between one lap and the next."""

    def __init__(self, tokens: int, flops_per_token: int, world: World) -> None:
        peak = peak_flops(torch.cuda.get_device_name(world.device)) if world.device.type == "cuda" else None
        self.peak_rate = peak * world.size / flops_per_token if peak else None
        self.tokens, self.time = tokens, time.perf_counter()

    def lap(self, tokens: int) -> Row:
        """The speed of all processes together since the last lap, now that ``tokens`` are read."""
        now = time.perf_counter()
        rate = (tokens - self.tokens) / (now - self.time)
        self.tokens, self.time = tokens, now
        return {"tokens_per_s": round(rate)} | ({"mfu": round(rate / self.peak_rate, 4)} if self.peak_rate else {})


def peak_flops(name: str) -> float | None:
    """The peak of the GPU that calls itself ``name``; None where it is not known."""
    return next((peak for model, peak in PEAK_FLOPS.items() if model in name), None)


def cut(path: Path, rows: int) -> tuple[IO[bytes], list[float]]:
    """The metrics file, cut after ``rows`` rows and open for more, with the first and the last loss that it keeps."""
    path.touch()
    file = open(path, "r+b")  # noqa: SIM115
    losses: list[float] = []
    for _ in range(rows):
        line = file.readline()
        if not line.endswith(b"\n"):
            raise InputError(f"{path} ends before the checkpoint at step {rows}: delete {path.parent} and train anew")
        losses = [*losses[:1], json.loads(line)["loss"]]
    file.truncate(file.tell())
    return file, losses


def _append(file: IO[bytes], row: Row) -> None:
    file.write(json.dumps(row).encode() + b"\n")
    file.flush()

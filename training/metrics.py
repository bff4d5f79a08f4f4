"""What a run tells: ``metrics.jsonl``, a row a step that two equal runs share to the byte, and ``speed.jsonl``, which no two do."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import torch

from gristmill.corpus.errors import InputError

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "B200": 2250e12}
"""Dense bfloat16 operations a second by GPU model, from the vendor's datasheets."""

Row = dict[str, Any]


class Metrics:
    """``metrics.jsonl`` from step ``first`` on; rows of later steps are cut, since those are done again.

    A row is ``{"step", "sequences", "tokens", "loss", "lr", "grad_norm"}``: the step from 0, sequences and tokens read by its end (the
    first token of each counted), mean loss in nats a predicted token, learning rate, gradient norm before clipping.
    ``first_loss`` and ``last_loss`` are those of the run as a whole. Raises InputError if rows before ``first`` are missing.
    """

    def __init__(self, path: Path, first: int) -> None:
        path.touch()
        self._file: IO[bytes] = open(path, "r+b")  # noqa: SIM115
        self.losses: list[float] = []
        for _ in range(first):
            line = self._file.readline()
            if not line.endswith(b"\n"):
                raise InputError(f"{path} ends before the checkpoint at step {first}: delete its folder, train anew")
            self._note(json.loads(line))
        self._file.truncate(self._file.tell())

    def add(self, row: Row) -> None:
        self._note(row)
        self._file.write(json_line(row))
        self._file.flush()

    def sync(self) -> None:
        """Onto the disk itself: a checkpoint must not outlive the rows before it."""
        os.fsync(self._file.fileno())

    def _note(self, row: Row) -> None:
        self.losses = [*self.losses[:1], row["loss"]]


class Speed:
    """Tokens a second, and on a known GPU the share of its peak (MFU), between one lap and the next."""

    def __init__(self, flops_per_token: int, device: Any, processes: int) -> None:
        self.flops_per_token, self.processes = flops_per_token, processes
        self.peak = peak_flops(torch.cuda.get_device_name(device)) if device.type == "cuda" else None
        self._time = time.perf_counter()

    def lap(self, tokens: int) -> Row:
        """The speed at which all processes together read ``tokens`` since the last lap."""
        now = time.perf_counter()
        rate, self._time = tokens / (now - self._time), now
        mfu = {"mfu": round(rate * self.flops_per_token / (self.peak * self.processes), 4)} if self.peak else {}
        return {"tokens_per_s": round(rate), **mfu}


class Journal:
    """All that the leading process of a run tells: metrics, speed, and a row of both for ``report`` every ``log_every`` steps."""

    def __init__(self, out: Path, first: int, steps: int, log_every: int, speed: Speed, report: Report) -> None:
        self.metrics = Metrics(out / "metrics.jsonl", first)
        self.steps, self.log_every, self.speed, self.report = steps, log_every, speed, report


def peak_flops(name: str) -> float | None:
    """The peak of the GPU that calls itself ``name``; None where it is not known."""
    return next((peak for model, peak in PEAK_FLOPS.items() if model in name), None)


def json_line(row: Row) -> bytes:
    return json.dumps(row).encode() + b"\n"

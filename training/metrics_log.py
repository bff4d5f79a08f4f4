"""The logs of a run: ``metrics.jsonl``, equal in two runs of the same recipe and events, and ``speed.jsonl``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from gristmill.errors import InputError
from gristmill.training.batch_plan import Batch, Progress
from gristmill.training.run_folder import RunFolder
from gristmill.training.spike_guard import StepFigures
from gristmill.training.throughput import Throughput

Row = dict[str, Any]
Report = Callable[[Row], None]

METRICS, SPEED = "metrics.jsonl", "speed.jsonl"


class MetricsLog:
    """Writes the logs; used by the main process only.

    A row of ``metrics.jsonl`` is ``{"step", "first_sequence", "sequences", "tokens", "loss", "lr", "grad_norm"}``: the
    step from 0, the first sequence of its batch, the sequences and tokens trained on by its end (every token of a
    sequence counts, also the first), the mean loss in nats per predicted token, the learning rate, and the gradient
    norm before clipping. Every ``log_every`` steps, and at the end, ``report`` is called with the last row, ``steps``
    and the speed.
    """

    def __init__(self, folder: RunFolder, length: int, steps: int, log_every: int, report: Report) -> None:
        self._folder, self._length, self._steps, self._log_every = folder, length, steps, log_every
        self._report = report
        self._metrics = open(_touched(folder.fetch(METRICS)), "r+b")  # noqa: SIM115
        self._speeds = open(folder.fetch(SPEED), "ab")  # noqa: SIM115

    def truncate(self, rows: int) -> None:
        """Delete all rows from step ``rows`` on, since these steps follow. Raises InputError if rows are missing."""
        self._metrics.seek(0)
        for _ in range(rows):
            if not self._metrics.readline().endswith(b"\n"):
                path = self._folder.local / METRICS
                raise InputError(
                    f"{path} ends before the checkpoint at step {rows}: delete {path.parent} and train from the start"
                )
        self._metrics.truncate(self._metrics.tell())

    def add(self, batch: Batch, done: Progress, figures: StepFigures, lr: float, speed: Throughput) -> None:
        """Log a completed step on ``batch``, after which the progress is ``done``."""
        row = {
            "step": done.step - 1,
            "first_sequence": batch.first,
            "sequences": done.tokens // self._length,
            "tokens": done.tokens,
            "loss": round(figures.loss, 6),
            "lr": round(lr, 10),
            "grad_norm": round(figures.norm, 6),
        }
        _append(self._metrics, row)
        if done.step % self._log_every == 0 or done.step == self._steps:
            lap = speed.lap()
            _append(self._speeds, {"step": row["step"], **lap})
            self._report({**row, "steps": self._steps, **lap})

    def sync(self) -> None:
        """Flush the logs to the disk or the store, so that no checkpoint exists without the rows before it."""
        os.fsync(self._metrics.fileno())
        self._folder.publish(METRICS)
        self._folder.publish(SPEED)

    def losses(self) -> tuple[float, float]:
        """Return the first and the last loss."""
        self._metrics.seek(0)
        rows = self._metrics.read().splitlines()
        return json.loads(rows[0])["loss"], json.loads(rows[-1])["loss"]


def _touched(path: Path) -> Path:
    path.touch()
    return path


def _append(file: IO[bytes], row: Row) -> None:
    file.write(json.dumps(row).encode() + b"\n")
    file.flush()

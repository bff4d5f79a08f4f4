"""The logs of a run: ``metrics.jsonl``, equal in two runs of the same section and mix, and ``speed.jsonl``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from gristmill.errors import InputError
from gristmill.training.llama_decoder import flops_per_token, parameter_count
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_folder import RunFolder
from gristmill.training.sequence_batches import Sequences
from gristmill.training.throughput import Throughput
from gristmill.training.train_section import TrainSection

Row = dict[str, Any]
Report = Callable[[Row], None]


class MetricsLog:
    """Writes the logs; used by the main process only.

    A row of ``metrics.jsonl`` is ``{"step", "sequences", "tokens", "loss", "lr", "grad_norm"}``: the step from 0, the
    sequences and tokens read by its end (every token of a sequence counts, also the first), the mean loss in nats per
    predicted token, the learning rate, and the gradient norm before clipping. Rows from step ``first_step`` on are
    deleted, since those steps are repeated. Every ``log_every`` steps, and at the end, ``report`` is called with the
    last row, ``steps`` and the speed. Raises InputError if rows before ``first_step`` are missing.
    """

    def __init__(
        self,
        folder: RunFolder,
        first_step: int,
        steps: int,
        section: TrainSection,
        sequences: Sequences,
        group: ProcessGroup,
        report: Report,
    ) -> None:
        self.folder, self.steps, self.section, self.report = folder, steps, section, report
        self.sequence_length = sequences.sequence_length
        self.parameters = parameter_count(section.model, sequences.vocab_size)
        flops = flops_per_token(section.model, sequences.vocab_size, sequences.sequence_length)
        self.throughput = Throughput(first_step * self._step_tokens, flops, group)
        self.metrics, self.losses = truncate_metrics(folder.fetch("metrics.jsonl"), first_step)
        self.speeds = open(folder.fetch("speed.jsonl"), "ab")  # noqa: SIM115

    def add(self, step: int, loss: float, lr: float, grad_norm: float) -> None:
        """Log a completed step."""
        sequences = (step + 1) * self.section.batch_sequences
        tokens = sequences * self.sequence_length
        figures = {"loss": round(loss, 6), "lr": round(lr, 10), "grad_norm": round(grad_norm, 6)}
        row = {"step": step, "sequences": sequences, "tokens": tokens, **figures}
        self.losses = [*self.losses[:1], figures["loss"]]
        _append(self.metrics, row)
        if (step + 1) % self.section.log_every == 0 or step + 1 == self.steps:
            speed = self.throughput.lap(tokens)
            _append(self.speeds, {"step": step, **speed})
            self.report({**row, "steps": self.steps, **speed})

    def sync(self) -> None:
        """Flush the logs to the disk or the store, so that no checkpoint exists without the rows before it."""
        os.fsync(self.metrics.fileno())
        self.folder.publish("metrics.jsonl")
        self.folder.publish("speed.jsonl")

    def result(self) -> Row:
        """Return the run's ``{"steps", "sequences", "tokens", "first_loss", "last_loss", "parameters"}``."""
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


def truncate_metrics(path: Path, rows: int) -> tuple[IO[bytes], list[float]]:
    """Cut the file after ``rows`` rows; returns it, open for appending, and the first and last loss that it keeps."""
    path.touch()
    file = open(path, "r+b")  # noqa: SIM115
    losses: list[float] = []
    for _ in range(rows):
        line = file.readline()
        if not line.endswith(b"\n"):
            raise InputError(
                f"{path} ends before the checkpoint at step {rows}: delete {path.parent} and train from the start"
            )
        losses = [*losses[:1], json.loads(line)["loss"]]
    file.truncate(file.tell())
    return file, losses


def _append(file: IO[bytes], row: Row) -> None:
    file.write(json.dumps(row).encode() + b"\n")
    file.flush()

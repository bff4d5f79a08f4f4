"""``events.jsonl``: the append-only log of everything that shaped a run besides its recipe.

Each line is ``{"event", "step", ...}``, where ``step`` is the number of steps taken before. ``start`` and ``change``
record the settings and their changes, ``skip`` the sequences of a step that was not taken, ``rollback`` a return to the
checkpoint of ``step`` and the sequences read since then, ``damaged_checkpoint`` one that could not be read. Sequences
in the log are not read again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from gristmill.corpus.recipe_section import key_config
from gristmill.training.batch_plan import Batch
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_folder import RunFolder
from gristmill.training.train_section import TrainSection

NAME = "events.jsonl"

Row = dict[str, Any]


class RunEvents:
    """Reads and appends to the log. Every process knows all events; only the main one reads and writes the file."""

    def __init__(self, folder: RunFolder, group: ProcessGroup) -> None:
        self._folder, self._is_main = folder, group.is_main
        self.rows: list[Row] = group.from_main(lambda: _read(folder.fetch(NAME)))

    @property
    def skipped(self) -> list[Batch]:
        """The ranges of sequences that were skipped."""
        return [Batch(row["first_sequence"], row["end"]) for row in self.rows if "first_sequence" in row]

    def skip(self, event: str, step: int, batch: Batch, **details: Any) -> None:
        """Append an event by which the sequences of ``batch`` are not read again."""
        self.add(event, step, first_sequence=batch.first, end=batch.end, **details)

    def returns_to(self, step: int) -> int:
        """Return how often the run has returned to the checkpoint of ``step`` since its settings last changed."""
        last = max(index for index, row in enumerate(self.rows) if row["event"] in ("start", "change"))
        return sum(row["event"] == "rollback" and row["step"] == step for row in self.rows[last:])

    def record_settings(self, section: TrainSection, step: int) -> None:
        """Append the settings that may change during a run, or those that have changed since the last time."""
        settings = section.model_dump(mode="json", exclude={"launch", *key_config(section)})
        starts = [row["settings"] for row in self.rows if row["event"] == "start"]
        if not starts:
            self.add("start", step, settings=settings)
            return
        known = dict(starts[0])
        for row in self.rows:
            known |= {name: new for name, (_, new) in row.get("changed", {}).items()}
        if changed := {name: [known.get(name), new] for name, new in settings.items() if known.get(name) != new}:
            self.add("change", step, changed=changed)

    def add(self, event: str, step: int, **details: Any) -> None:
        """Append an event after ``step`` steps; it is on the disk, or in the store, when this returns."""
        row = {"event": event, "step": step, **details}
        self.rows.append(row)
        if self._is_main:
            self._folder.append(NAME, [row])


def _read(path: Path) -> list[Row]:
    """Return the rows of the log; cuts off a last line that a kill left incomplete."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    if lines and not lines[-1].endswith(b"\n"):
        os.truncate(path, sum(map(len, lines[:-1])))
        lines.pop()
    return [json.loads(line) for line in lines]

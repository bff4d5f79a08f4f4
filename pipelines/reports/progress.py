"""Progress bars, from what workers write into the stage's directory: receipts of units and heartbeats of attempts.

The same bar therefore works on every runner whose workers share the work directory. No result depends on these figures.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from gristmill.store.counts import total_counts
from gristmill.store.heartbeats import read_heartbeat
from gristmill.store.receipts import Receipt
from gristmill.store.stage_directory import StageDirectory

_REFRESH_SECONDS = 0.5


@contextmanager
def bar(console: Console) -> Iterator[Progress]:
    """A progress bar; disabled if the console is not a terminal, where the line at the end of a stage must do."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=28),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[note]}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield progress


@contextmanager
def watch(
    directory: StageDirectory,
    weights: Mapping[str, int],
    counted: str,
    counted_per_weight: float | None,
    progress: Progress,
) -> Iterator[None]:
    """Show the progress of the units in ``weights`` (unit → size of its input) until the block ends.

    ``counted`` is what the stage counts, ``counted_per_weight`` how many of them there are per unit of size, or None to
    estimate it from the completed units.
    """
    if progress.disable:
        yield
        return
    task = progress.add_task(directory.stage, total=max(sum(weights.values()), 1), note="")
    watcher = _Watcher(directory, weights, counted, counted_per_weight, progress, task)
    watcher.start()
    try:
        yield
    finally:
        watcher.stopped.set()
        watcher.join()
        progress.remove_task(task)


class _Watcher(threading.Thread):
    def __init__(
        self,
        directory: StageDirectory,
        weights: Mapping[str, int],
        counted: str,
        counted_per_weight: float | None,
        progress: Progress,
        task: TaskID,
    ) -> None:
        super().__init__(daemon=True)
        self.directory, self.weights = directory, weights
        self.counted, self.counted_per_weight = counted, counted_per_weight
        self.progress, self.task = progress, task
        self.stopped = threading.Event()
        self.start_time = time.monotonic()
        self.receipts: dict[str, Receipt] = {}

    def run(self) -> None:
        while not self.stopped.wait(_REFRESH_SECONDS):
            with suppress(OSError, ValueError):
                self.refresh()

    def refresh(self) -> None:
        for unit in (self.directory.completed_units() & set(self.weights)) - set(self.receipts):
            self.receipts[unit] = self.directory.receipt(unit)
        counts = total_counts(receipt.counts for receipt in self.receipts.values())
        heartbeats = self._heartbeats()
        in_progress = {unit: heartbeat["documents"] for unit, heartbeat in heartbeats.items()}
        done = sum(self.weights[unit] for unit in self.receipts)
        # The share of a unit in progress is estimated from the documents per unit of size seen so far.
        density = counts.records / done if done and counts.records else self.counted_per_weight
        estimate = sum(min(in_progress[u] / density, self.weights[u]) if density else 0 for u in in_progress)
        documents = counts.records + sum(in_progress.values())
        elapsed = max(time.monotonic() - self.start_time, 0.1)
        speed = "" if self.counted_per_weight else f"  {(done + estimate) / elapsed / 1e6:,.1f} MB/s"
        share = f"  kept {counts.kept / counts.records:.0%}" if counts.records else ""
        notes = "  ".join(heartbeat["note"] for heartbeat in heartbeats.values() if heartbeat["note"])
        units = f"{len(self.receipts)}/{len(self.weights)} units"
        note = f"{documents:,} {self.counted}  {documents / elapsed:,.0f}/s{speed}  {units}{share}  {notes}"
        self.progress.update(self.task, completed=done + estimate, note=note)

    def _heartbeats(self) -> dict[str, dict[str, Any]]:
        """The heartbeat of each unit in progress, of its most advanced attempt."""
        urls = self.directory.heartbeats.by_unit()
        units = (urls.keys() & self.weights.keys()) - self.receipts.keys()
        return {
            unit: max(map(read_heartbeat, urls[unit]), key=lambda heartbeat: heartbeat["documents"])
            for unit in sorted(units)
        }

"""Progress bars, fed by what workers leave in the stage's directory: receipts of units done, beats of units under way.

So the same bar works on every runner whose workers share the work directory, and no figure in it decides anything.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from gristmill.store import storage
from gristmill.store.counts import total
from gristmill.store.stage_directory import Receipt, StageDirectory

_SECONDS = 0.5


@contextmanager
def bar(console: Console) -> Iterator[Progress]:
    """A bar on a terminal; where the output is no terminal, nothing moves and the stages' closing lines must do."""
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
    directory: StageDirectory, weights: Mapping[str, int], counted: str, density: float, progress: Progress
) -> Iterator[None]:
    """Show how far the units in ``weights`` (unit → size of its input) are, until the block ends.

    ``counted`` is what the stage counts; ``density`` how many of it make one of size, 0 where that must be learnt.
    """
    if progress.disable:
        yield
        return
    shown = progress.add_task(directory.stage, total=max(sum(weights.values()), 1), note="")
    watcher = _Watcher(directory, weights, counted, density, progress, shown)
    watcher.start()
    try:
        yield
    finally:
        watcher.over.set()
        watcher.join()
        progress.remove_task(shown)


class _Watcher(threading.Thread):
    def __init__(
        self,
        directory: StageDirectory,
        weights: Mapping[str, int],
        counted: str,
        density: float,
        progress: Progress,
        shown: TaskID,
    ) -> None:
        super().__init__(daemon=True)
        self.directory, self.weights, self.counted, self.density = directory, weights, counted, density
        self.progress, self.shown = progress, shown
        self.over = threading.Event()
        self.begun = time.monotonic()
        self.receipts: dict[str, Receipt] = {}

    def run(self) -> None:
        while not self.over.wait(_SECONDS):
            with suppress(OSError, ValueError):
                self.look()

    def look(self) -> None:
        for unit in (self.directory.completed_units() & set(self.weights)) - set(self.receipts):
            self.receipts[unit] = self.directory.receipt(unit)
        counts = total(receipt.counts for receipt in self.receipts.values())
        beats = self._beats()
        under_way = {unit: beat["documents"] for unit, beat in beats.items()}
        done = sum(self.weights[unit] for unit in self.receipts)
        # A unit under way counts by the documents that units of its size turned out to hold so far.
        density = counts.records / done if done and counts.records else self.density
        guess = sum(min(under_way[u] / density, self.weights[u]) if density else 0 for u in under_way)
        documents = counts.records + sum(under_way.values())
        elapsed = max(time.monotonic() - self.begun, 0.1)
        speed = "" if self.density else f"  {(done + guess) / elapsed / 1e6:,.1f} MB/s"
        share = f"  kept {counts.kept / counts.records:.0%}" if counts.records else ""
        said = "  ".join(beat["note"] for beat in beats.values() if beat["note"])
        units = f"{len(self.receipts)}/{len(self.weights)} units"
        note = f"{documents:,} {self.counted}  {documents / elapsed:,.0f}/s{speed}  {units}{share}  {said}"
        self.progress.update(self.shown, completed=done + guess, note=note)

    def _beats(self) -> dict[str, dict[str, Any]]:
        """What is told of each unit under way, by the attempt that is furthest."""
        beats = self.directory.heartbeats()
        units = (beats.keys() & self.weights.keys()) - self.receipts.keys()
        return {
            unit: max(map(read_heartbeat, beats[unit]), key=lambda beat: beat["documents"]) for unit in sorted(units)
        }


def read_heartbeat(url: str) -> dict[str, Any]:
    """``{"documents": so far, "note": …}``."""
    return json.loads(storage.read_bytes(url))  # type: ignore[no-any-return]

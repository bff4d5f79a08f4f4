"""Checkpoints: model and optimizer after a number of steps, in shards as they lie in memory.

``checkpoints/step-00000100/`` is complete once it holds ``complete.json``, written last and deleted first; a folder
without it is as good as none, and is overwritten. There is nothing else to keep: the place in the data and the learning
rate follow from the step, and training draws no random numbers.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from gristmill.corpus.keys import pretty
from gristmill.training.distributed import World

MARKER = "complete.json"


class Checkpoints:
    """The checkpoints in a local folder (with several hosts, one that all of them see); ``keep`` of them stay."""

    def __init__(self, folder: Path, keep: int, world: World) -> None:
        self.folder, self.keep, self.world = folder, keep, world

    def complete(self) -> list[int]:
        """Steps of the complete checkpoints, in order."""
        return sorted(int(marker.parent.name.removeprefix("step-")) for marker in self.folder.glob(f"step-*/{MARKER}"))

    def restore(self, model: Any, optimizer: Any) -> int:
        """Load the last complete checkpoint, if any; the number of steps done."""
        steps = self.complete()
        if not steps:
            return 0
        state = _state(model, optimizer)
        dcp.load(state, checkpoint_id=self._path(steps[-1]))
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        return steps[-1]

    def save(self, step: int, model: Any, optimizer: Any) -> None:
        """Write the state after ``step`` steps, then delete what is too old. All processes call it together."""
        path = self._path(step)
        if self.world.leads:
            self._remove_all_but(self.complete())
            path.mkdir(parents=True, exist_ok=True)
        self.world.barrier()
        dcp.save(_state(model, optimizer), checkpoint_id=path)
        self.world.barrier()
        if self.world.leads:
            write_durably(path / MARKER, pretty({"step": step}))
            self._remove_all_but(self.complete()[-self.keep :])

    def _path(self, step: int) -> Path:
        return self.folder / f"step-{step:08}"

    def _remove_all_but(self, steps: list[int]) -> None:
        kept = {self._path(step) for step in steps}
        for path in set(self.folder.glob("step-*")) - kept:
            (path / MARKER).unlink(missing_ok=True)
            shutil.rmtree(path)


def write_durably(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and on the disk itself before its name appears."""
    part = path.with_name(f".{path.name}.part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def _state(model: Any, optimizer: Any) -> dict[str, Any]:
    weights, moments = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": moments}

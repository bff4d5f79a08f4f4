"""Checkpoints: model and optimizer after a number of steps, in shards as they lie in memory, on any filesystem.

``checkpoints/step-00000100/`` is complete once it holds ``complete.json``, written last and deleted first; a folder
without it is as good as none, and is overwritten. There is nothing else to keep: the place in the data and the learning
rate follow from the step, and training draws no random numbers.
"""

from __future__ import annotations

import posixpath
from typing import Any

import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from gristmill.store import storage
from gristmill.store.keys import pretty
from gristmill.training.distributed import World
from gristmill.training.folder import write_durably

MARKER = "complete.json"


class Checkpoints:
    """The checkpoints below a URL (with several hosts, one that all of them see); ``keep`` of them stay."""

    def __init__(self, url: str, keep: int, world: World) -> None:
        self.url, self.keep, self.world = url, keep, world

    def complete(self) -> list[int]:
        """Steps of the complete checkpoints, in order."""
        markers = storage.glob(self.url, f"step-*/{MARKER}")
        return sorted(int(posixpath.dirname(path).removeprefix("step-")) for path, _ in markers)

    def restore(self, model: Any, optimizer: Any) -> int:
        """Load the last complete checkpoint, if any; the number of steps done."""
        steps = self.complete()
        if not steps:
            return 0
        state = _state(model, optimizer)
        dcp.load(state, checkpoint_id=self._at(steps[-1]))
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        return steps[-1]

    def save(self, step: int, model: Any, optimizer: Any) -> None:
        """Write the state after ``step`` steps, then delete what is too old. All processes call it together."""
        if self.world.leads:
            self._remove_all_but(self.complete())
        self.world.barrier()
        dcp.save(_state(model, optimizer), checkpoint_id=self._at(step))
        self.world.barrier()
        if self.world.leads:
            write_durably(storage.join(self._at(step), MARKER), pretty({"step": step}))
            self._remove_all_but(self.complete()[-self.keep :])

    def _at(self, step: int) -> str:
        return storage.join(self.url, f"step-{step:08}")

    def _remove_all_but(self, steps: list[int]) -> None:
        kept = {f"step-{step:08}" for step in steps}
        filesystem, root = storage.url_to_fs(self.url)
        for name in {path.split("/")[0] for path, _ in storage.glob(self.url, "step-*/*")} - kept:
            folder = storage.join(root, name)
            if filesystem.exists(storage.join(folder, MARKER)):
                filesystem.rm_file(storage.join(folder, MARKER))
            filesystem.rm(folder, recursive=True)


def _state(model: Any, optimizer: Any) -> dict[str, Any]:
    weights, moments = get_state_dict(model, optimizer)
    return {"model": weights, "optimizer": moments}

"""Checkpoints: model and optimizer after a number of steps, sharded as in memory, on any filesystem.

``checkpoints/step-00000100/`` is complete once it contains ``complete.json``, which is written last and deleted first;
a folder without it is ignored and overwritten. Nothing else needs saving: the position in the data and the learning
rate follow from the step, and training draws no random numbers.
"""

from __future__ import annotations

import posixpath
from typing import Any

import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

from gristmill.store import storage
from gristmill.store.keys import pretty_json
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_folder import write_durably

MARKER = "complete.json"


class Checkpoints:
    """The checkpoints below ``url``, of which the last ``keep`` are kept; all hosts must see the same files there."""

    def __init__(self, url: str, keep: int, group: ProcessGroup) -> None:
        self.url, self.keep, self.group = url, keep, group

    def complete_steps(self) -> list[int]:
        """Return the steps of the complete checkpoints, in order."""
        markers = storage.glob(self.url, f"step-*/{MARKER}")
        return sorted(int(posixpath.dirname(path).removeprefix("step-")) for path, _ in markers)

    def restore(self, model: Any, optimizer: Any) -> int:
        """Load the last complete checkpoint, if there is one, and return the number of completed steps."""
        steps = self.complete_steps()
        if not steps:
            return 0
        state = _state(model, optimizer)
        dcp.load(state, checkpoint_id=self._at(steps[-1]))
        set_state_dict(model, optimizer, model_state_dict=state["model"], optim_state_dict=state["optimizer"])
        return steps[-1]

    def save(self, step: int, model: Any, optimizer: Any) -> None:
        """Write the state after ``step`` steps, then delete old checkpoints. All processes must call it."""
        if self.group.is_main:
            self._delete_all_but(self.complete_steps())
        self.group.barrier()
        dcp.save(_state(model, optimizer), checkpoint_id=self._at(step))
        self.group.barrier()
        if self.group.is_main:
            write_durably(storage.join(self._at(step), MARKER), pretty_json({"step": step}))
            self._delete_all_but(self.complete_steps()[-self.keep :])

    def _at(self, step: int) -> str:
        return storage.join(self.url, f"step-{step:08}")

    def _delete_all_but(self, steps: list[int]) -> None:
        kept = {f"step-{step:08}" for step in steps}
        filesystem, root = storage.url_to_fs(self.url)
        for name in {path.split("/")[0] for path, _ in storage.glob(self.url, "step-*/*")} - kept:
            folder = storage.join(root, name)
            if filesystem.exists(storage.join(folder, MARKER)):
                filesystem.rm_file(storage.join(folder, MARKER))
            filesystem.rm(folder, recursive=True)


def _state(model: Any, optimizer: Any) -> dict[str, Any]:
    model_state, optimizer_state = get_state_dict(model, optimizer)
    return {"model": model_state, "optimizer": optimizer_state}

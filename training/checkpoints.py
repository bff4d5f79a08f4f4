"""Checkpoints: model and optimizer after a number of steps, sharded as in memory, on any filesystem.

``checkpoints/step-00000100/`` is complete once it contains ``complete.json``, which is written last and deleted first.
It holds what else a run needs to continue (`RunState`) and the sha256 of every file. A folder without it is ignored and
overwritten. Files are written in the background while training goes on.
"""

from __future__ import annotations

import json
import posixpath
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, NamedTuple

import torch.distributed.checkpoint as dcp
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

from gristmill.store import storage
from gristmill.store.keys import pretty_json
from gristmill.training.batch_plan import Progress
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_folder import write_durably
from gristmill.training.spike_guard import StepFigures
from gristmill.training.train_section import TrainSection

MARKER = "complete.json"
OPTIONS = StateDictOptions(flatten_optimizer_state_dict=True)


class RunState(NamedTuple):
    """What a run needs to continue besides weights: its progress, and the accepted steps that the guard remembers."""

    progress: Progress
    accepted: tuple[StepFigures, ...]


class Checkpoints:
    """The checkpoints below ``url``; all hosts must see the same files there.

    The last ``keep_checkpoints`` are kept, and those at multiples of ``keep_every``.
    """

    def __init__(self, url: str, section: TrainSection, group: ProcessGroup) -> None:
        self.url, self.section, self.group = url, section, group
        self._thread = ThreadPoolExecutor(1)
        self._saving: Future[None] | None = None
        self.last_step: int | None = None
        """The step of the checkpoint that was last saved or restored."""

    def complete_steps(self) -> list[int]:
        """Return the steps of the complete checkpoints, in order."""
        markers = storage.glob(self.url, f"step-*/{MARKER}")
        return sorted(int(posixpath.dirname(path).removeprefix("step-")) for path, _ in markers)

    def restore(self, model: Any, optimizers: list[Any], on_damaged: Callable[[int], None]) -> RunState | None:
        """Load the last complete checkpoint, and return its state; None if there is none.

        A damaged checkpoint is reported to ``on_damaged`` by its step and deleted, and the one before it is loaded. All
        processes must call it.
        """
        while steps := self.group.from_main(self.complete_steps):
            if self.group.all(self._is_intact(steps[-1])) and self.group.all(self._load(steps[-1], model, optimizers)):
                self.last_step = steps[-1]
                return self._state(steps[-1])
            on_damaged(steps[-1])
            if self.group.is_main:
                self._delete([steps[-1]])
        self.last_step = None
        return None

    def save(self, state: RunState, model: Any, optimizers: list[Any]) -> None:
        """Start to write the state, once the last save is complete. All processes must call it."""
        self.wait()
        folder = self._at(state.progress.step)
        if self.group.is_main:
            self._delete_incomplete()
        self.group.barrier()
        written = dcp.async_save(
            _state_dict(model, optimizers), checkpoint_id=folder, process_group=self.group.background
        )
        self._saving = self._thread.submit(self._complete, state, written)
        self.last_step = state.progress.step

    def wait(self) -> None:
        """Wait until the last save is complete; raises what went wrong in it."""
        if self._saving is not None:
            self._saving.result()
            self._saving = None

    def settle(self) -> None:
        """Wait for the last save, whether it succeeds or not; for a run that ends with another error."""
        with suppress(Exception):
            self.wait()

    def _complete(self, state: RunState, written: Future[Any]) -> None:
        """Wait for the files, then write the marker and delete old checkpoints. Runs in the background."""
        written.result()
        folder = self._at(state.progress.step)
        names = [path for path, _ in storage.glob(folder, "*") if self._is_mine(path)]
        mine = {name: storage.content_hash(storage.join(folder, name)) for name in names}
        hashes = self.group.gather(mine, in_background=True)
        if self.group.is_main:
            sha256 = {name: value for part in hashes for name, value in part.items()}
            marker = {"progress": state.progress._asdict(), "accepted": state.accepted, "sha256": sha256}
            write_durably(storage.join(folder, MARKER), pretty_json(marker))
            self._delete(_superseded(self.complete_steps(), self.section))

    def _load(self, step: int, model: Any, optimizers: list[Any]) -> bool:
        """Load the checkpoint's weights and optimizer state; returns whether that worked."""
        state = _state_dict(model, optimizers)
        try:
            dcp.load(state, checkpoint_id=self._at(step), process_group=self.group.background)
        except Exception:
            traceback.print_exc()
            return False
        settings = [[_settings(parameters) for parameters in optimizer.param_groups] for optimizer in optimizers]
        set_state_dict(
            model, optimizers, model_state_dict=state["model"], optim_state_dict=state["optimizer"], options=OPTIONS
        )
        for optimizer, groups in zip(optimizers, settings, strict=True):  # the recipe's, not the checkpoint's
            for parameters, own in zip(optimizer.param_groups, groups, strict=True):
                parameters.update(own)
        return True

    def _is_intact(self, step: int) -> bool:
        """Return whether this process's part of the checkpoint's files has the recorded hashes."""
        try:
            sha256 = self._marker(step)["sha256"]
            mine = sorted(sha256)[self.group.rank :: self.group.size]
            return all(storage.content_hash(storage.join(self._at(step), name)) == sha256[name] for name in mine)
        except (OSError, ValueError, KeyError):
            return False

    def _state(self, step: int) -> RunState:
        marker = self._marker(step)
        return RunState(Progress(**marker["progress"]), tuple(StepFigures(*figures) for figures in marker["accepted"]))

    def _marker(self, step: int) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(storage.read_bytes(storage.join(self._at(step), MARKER)))
        return content

    def _is_mine(self, name: str) -> bool:
        """Return whether this process wrote the file: ``__<rank>_<number>.distcp``, or rank 0 the metadata."""
        return name.startswith(f"__{self.group.rank}_") or (self.group.is_main and not name.startswith("__"))

    def _at(self, step: int) -> str:
        return storage.join(self.url, f"step-{step:08}")

    def _delete_incomplete(self) -> None:
        found = {path.split("/")[0] for path, _ in storage.glob(self.url, "step-*/*")}
        self._delete(sorted({int(name.removeprefix("step-")) for name in found} - set(self.complete_steps())))

    def _delete(self, steps: list[int]) -> None:
        for step in steps:
            filesystem, folder = storage.url_to_fs(self._at(step))
            if filesystem.exists(storage.join(folder, MARKER)):
                filesystem.rm_file(storage.join(folder, MARKER))
            filesystem.rm(folder, recursive=True)


def _superseded(steps: list[int], section: TrainSection) -> list[int]:
    """Return the steps of complete checkpoints that need not be kept."""
    older = steps[: -section.keep_checkpoints]
    return [step for step in older if section.keep_every is None or step % section.keep_every]


def _settings(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if name != "params"}


def _state_dict(model: Any, optimizers: list[Any]) -> dict[str, Any]:
    model_state, optimizer_state = get_state_dict(model, optimizers, options=OPTIONS)
    return {"model": model_state, "optimizer": optimizer_state}

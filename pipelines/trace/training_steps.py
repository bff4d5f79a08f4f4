"""Which sequences each step of a training run has read, by the logs in its folder; without torch.

``metrics.jsonl`` has a row for every step that shaped the weights, ``events.jsonl`` the sequences of steps that were
skipped, and those read before a return to a checkpoint, which the weights have forgotten.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

from gristmill.corpus.arrays import Int64s
from gristmill.errors import InputError
from gristmill.store import storage

_OUTCOMES = {"skip": "skipped", "rollback": "rolled_back"}


class Training(NamedTuple):
    """What became of a sequence: ``trained``, ``skipped``, ``rolled_back`` or ``not_reached``, and in which step.

    The step of a sequence that is ``skipped`` is the one that was tried on it, of one ``rolled_back`` that to which the
    run returned.
    """

    outcome: str
    step: int | None


class TrainingSteps(NamedTuple):
    """The steps of a run in the folder at ``url``, from 0: their sequences ``first`` to ``end`` (exclusive).

    ``passed`` are events with the ranges of sequences that are never read again.
    """

    url: str
    first: Int64s
    end: Int64s
    passed: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, url: str, mix: str, work: str) -> TrainingSteps:
        """Read the logs of a run. ``mix`` is the sha256 of the manifest of the mix that is traced, in ``work``.

        Raises InputError if there is no run, or one on another mix.
        """
        try:
            identity = json.loads(storage.read_bytes(storage.join(url, "run.json")))
            metrics = _rows(url, "metrics.jsonl")
        except InputError:
            raise
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(
                f"{url} has no training run: pass the folder that contains run.json and metrics.jsonl"
            ) from None
        except ValueError:
            raise InputError(f"{storage.join(url, 'run.json')} is damaged: pass the folder of another run") from None
        if identity.get("mix") != mix:
            raise InputError(
                f"the run in {url} was trained on another mix than the current one of {work}: run the recipe of its "
                "mix again, or pass another run"
            )
        try:
            events = _rows(url, "events.jsonl")
        except FileNotFoundError:
            events = []
        done = np.array([0, *(row["sequences"] for row in metrics)], np.int64)
        first = np.array([row["first_sequence"] for row in metrics], np.int64)
        return cls(url, first, first + np.diff(done), tuple(row for row in events if "first_sequence" in row))

    def batch(self, step: int) -> tuple[int, int]:
        """Return the first sequence of a step, and the one after its last. Raises InputError if it was not taken."""
        if not 0 <= step < len(self.first):
            last = f", 0 to {len(self.first) - 1:,}" if len(self.first) else ""
            raise InputError(f"there is no step {step:,}: the run in {self.url} has taken {len(self.first):,}{last}")
        return int(self.first[step]), int(self.end[step])

    def training(self, sequence: int) -> Training:
        """Return what the run did with a sequence."""
        step = int(np.searchsorted(self.first, sequence, side="right")) - 1
        if step >= 0 and sequence < self.end[step]:
            return Training("trained", step)
        for name, outcome in _OUTCOMES.items():
            for event in self.passed:
                if event["event"] == name and event["first_sequence"] <= sequence < event["end"]:
                    return Training(outcome, event["step"])
        return Training("not_reached", None)


def _rows(url: str, name: str) -> list[dict[str, Any]]:
    """The rows of a log; a last line that is not complete is being written, or was left by a kill."""
    *lines, _ = storage.read_bytes(storage.join(url, name)).split(b"\n")
    try:
        return [json.loads(line) for line in lines]
    except ValueError:
        raise InputError(f"{storage.join(url, name)} is damaged: pass the folder of another run") from None

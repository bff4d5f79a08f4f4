"""Faults in chosen sequences of a run: losses and gradients that are not finite, spikes, and signals.

``python -m tests.training.injected_faults JSON …`` is the trainer with faults, for runs of several processes. ``JSON``
maps the positions of sequences to kinds of faults. The mix must be ``numbered_mix``: a sequence begins with its number.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.synthetic_mix import write_mix
from gristmill.training.checkpoints import Checkpoints
from gristmill.training.llama_decoder import Decoder
from tests.training.conftest import LENGTH, SEQUENCES, VOCABULARY

SPIKE = 50.0


def numbered_mix(root: Path) -> str:
    """Write a mix whose sequences begin with their number (two tokens) and go on counting; returns its directory."""
    numbers = np.arange(SEQUENCES)[:, None]
    tokens = (numbers + 3 * np.arange(LENGTH)) % VOCABULARY
    tokens[:, 0], tokens[:, 1] = numbers[:, 0] // VOCABULARY, numbers[:, 0] % VOCABULARY
    return write_mix(root, tokens, VOCABULARY)


def inject(patch: Any, faults: Mapping[int, str]) -> None:
    """Make the model fail on these sequences. ``patch`` is pytest's ``monkeypatch``, or anything with ``setattr``."""
    forward = Decoder.forward

    def faulty(model: Any, tokens: Any, loss: str | None = None) -> Any:
        result = forward(model, tokens, loss)
        kinds = [faults.get(number) for number in (tokens[:, 0] * VOCABULARY + tokens[:, 1]).tolist()]
        if loss == "tokens":
            factors = [{"nan_loss": float("nan"), "spike": SPIKE}.get(kind or "", 1.0) for kind in kinds]
            return result * result.new_tensor(factors)[:, None]
        for kind in filter(None, kinds):
            result = _broken(result, kind)
        return result

    patch.setattr(Decoder, "forward", faulty)


def _broken(loss: Any, kind: str) -> Any:
    if kind == "nan_loss":
        return loss * float("nan")
    if kind == "nan_gradient":
        loss.register_hook(lambda gradient: gradient * float("nan"))
    elif kind == "spike":
        return loss * SPIKE
    else:
        os.kill(os.getpid(), getattr(signal, kind))
    return loss


def signal_while_saving(patch: Any, name: str, step: int) -> None:
    """Send this process a signal when the files of the checkpoint of ``step`` are written and the marker is not."""
    complete = Checkpoints._complete

    def interrupted(self: Any, state: Any, written: Any) -> None:
        written.result()
        if state.progress.step == step:
            os.kill(os.getpid(), getattr(signal, name))
        complete(self, state, written)

    patch.setattr(Checkpoints, "_complete", interrupted)


class _Patch:
    setattr = staticmethod(setattr)


if __name__ == "__main__":
    from gristmill.training.__main__ import main

    settings = json.loads(sys.argv.pop(1))
    inject(_Patch, {int(number): kind for number, kind in settings.get("sequences", {}).items()})
    if "saving" in settings:
        signal_while_saving(_Patch, *settings["saving"])
    status = main()
    sys.stdout.flush()
    os._exit(status)

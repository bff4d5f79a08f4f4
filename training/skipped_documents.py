"""``quarantine.jsonl``: the documents of skipped steps, ranked by loss, so that a person can see what broke a step."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any

import numpy as np
import torch
from torch.distributed.fsdp import FSDPModule

from gristmill.corpus.arrays import Float32s
from gristmill.training.batch_plan import Batch
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_folder import RunFolder
from gristmill.training.sequence_batches import Sequences

NAME = "quarantine.jsonl"

Row = dict[str, Any]


def quarantine(
    model: Any, tokens: Any, batch: Batch, step: int, sequences: Sequences, folder: RunFolder, group: ProcessGroup
) -> None:
    """Append the documents of ``batch`` to the file. All processes call it, each with its share of the ``tokens``."""
    with torch.no_grad():
        losses = [model(row[None].to(group.device), loss="tokens")[0].cpu().numpy() for row in tokens]
    reshard(model)
    shares = group.gather(np.stack(losses))
    if not group.is_main:
        return
    rows = sorted(_rows(np.concatenate(shares), batch.first, step, sequences), key=_rank, reverse=True)
    folder.append(NAME, rows)


def reshard(model: Any) -> None:
    """Free the gathered weights, which FSDP otherwise keeps until the backward pass if it does not reshard before."""
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def _rows(losses: Float32s, first: int, step: int, sequences: Sequences) -> Iterator[Row]:
    """Yield a row per piece of a document; ``losses`` has shape (sequences, length - 1), the first token's left out.

    ``loss`` is the mean in nats per predicted token, null if it is not finite.
    """
    for index, row in enumerate(losses):
        for piece in sequences.documents(first + index).to_pylist():
            start, end = piece["start"], piece["end"]
            mean = float(np.mean(row[max(start, 1) - 1 : end - 1])) if end > max(start, 1) else 0.0
            yield {
                "step": step,
                "sequence": first + index,
                "id": piece["id"].hex(),
                "source": piece["source"],
                "start": start,
                "end": end,
                "loss": round(mean, 6) if np.isfinite(mean) else None,
            }


def _rank(row: Row) -> float:
    return inf if row["loss"] is None else float(row["loss"])

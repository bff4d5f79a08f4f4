"""One optimizer step: the loss over a batch in micro-batches, clipping, and the update."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from gristmill.training.process_group import ProcessGroup
from gristmill.training.train_section import TrainSection


def train_step(
    model: Any, optimizer: Any, tokens: Any, lr: float, section: TrainSection, group: ProcessGroup
) -> tuple[float, float]:
    """Update the model with this process's ``tokens``, shape (share, length).

    Returns the mean loss of the whole step and the gradient norm before clipping. The loss is divided by the number of
    predictions in the whole step, so it does not depend on the micro-batch size or on the number of processes.
    """
    predictions = section.batch_sequences * (tokens.shape[1] - 1)
    loss = torch.zeros((), device=group.device)
    for micro_batch in tokens.to(group.device).split(section.micro_batch):
        part = summed_loss(model, micro_batch) / predictions
        (part * group.size).backward()  # FSDP averages gradients over processes, but their sum is needed
        loss += part.detach()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), section.clip).full_tensor()
    for parameters in optimizer.param_groups:
        parameters["lr"] = lr
    optimizer.step()
    optimizer.zero_grad()
    return group.sum(loss), float(norm.item())


def summed_loss(model: Any, tokens: Any) -> Any:
    """Return the sum of the cross-entropy of all predictions, in nats."""
    logits = model(tokens[:, :-1]).float()
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")

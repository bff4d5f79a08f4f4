"""One optimizer step: the gradient of a batch in micro-batches, clipped, and the update."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.distributed as dist

from gristmill.training.process_group import ProcessGroup
from gristmill.training.spike_guard import StepFigures
from gristmill.training.stop_signal import StopSignal
from gristmill.training.train_section import TrainSection


class Gradient(NamedTuple):
    """What a step's host read returns: its figures, and whether a process was asked to stop."""

    figures: StepFigures
    stop: bool


def compute_gradient(
    model: Any, tokens: Any, batch_sequences: int, section: TrainSection, group: ProcessGroup, stop: StopSignal
) -> Gradient:
    """Compute and clip the gradient of a batch, given this process's ``tokens``, shape (share, length).

    The loss is divided by the number of predictions in the whole batch, so it does not depend on the micro-batch size
    or on the number of processes. Gradients are reduced over processes with the last micro-batch only. The figures are
    read in one transfer, the only one in a step that waits for the device.
    """
    predictions = batch_sequences * (tokens.shape[1] - 1)
    totals = torch.zeros(2, device=group.device)  # summed loss, processes that were asked to stop
    micro_batches = _to_device(tokens, group.device).split(section.micro_batch)
    for index, micro_batch in enumerate(micro_batches):
        model.set_requires_gradient_sync(index == len(micro_batches) - 1)
        loss = model(micro_batch, loss="sum") / predictions
        (loss * group.size).backward()  # FSDP averages gradients over processes, but their sum is needed
        totals[0] += loss.detach()
    totals[1].fill_(bool(stop))
    dist.all_reduce(totals)
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), section.clip).full_tensor()
    loss, stopped, norm = torch.cat((totals, norm.reshape(1))).tolist()
    return Gradient(StepFigures(loss, norm), stopped > 0)


def take_step(optimizers: list[Any]) -> None:
    """Update the weights and drop the gradient."""
    for optimizer in optimizers:
        optimizer.step()
    drop_gradient(optimizers)


def drop_gradient(optimizers: list[Any]) -> None:
    """Forget the gradient without an update."""
    for optimizer in optimizers:
        optimizer.zero_grad()


def _to_device(tokens: Any, device: Any) -> Any:
    return tokens.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tokens

"""The optimizer."""

from __future__ import annotations

from typing import Any

import torch

from gristmill.training.process_group import ProcessGroup
from gristmill.training.train_section import TrainSection


def build_adamw(model: Any, section: TrainSection, group: ProcessGroup) -> Any:
    """Return AdamW (Loshchilov & Hutter 2019) with weight decay on matrices, and none on the gains of norms."""
    matrices = [weight for weight in model.parameters() if weight.ndim >= 2]
    gains = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [{"params": matrices, "weight_decay": section.weight_decay}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=section.lr, betas=section.betas, fused=group.device.type == "cuda")

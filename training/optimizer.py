"""The optimizers of a run: AdamW, or Muon for the matrices of the blocks and AdamW for all other parameters."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any

import torch

from gristmill.errors import InputError
from gristmill.training.muon import Muon
from gristmill.training.train_section import ParameterGroup, TrainSection

DEFAULTS = ParameterGroup(pattern="")  # an empty pattern is found in every name

Named = list[tuple[str, Any]]
"""Parameters with their names, as ``named_parameters()`` returns them."""


def build_optimizers(model: Any, section: TrainSection) -> list[Any]:
    """Return AdamW (Loshchilov & Hutter 2019) for all parameters, or Muon and AdamW.

    Muon trains the matrices of the blocks, whose names begin with ``layers.``; embeddings, the output layer and the
    gains of norms are left to AdamW (Jordan et al. 2024). Raises InputError for an entry of ``train.parameter_groups``
    that applies to no parameter.
    """
    named = list(model.named_parameters())
    _check_patterns(named, section)
    for_muon = {name for name, weight in named if name.startswith("layers.") and weight.ndim == 2}
    if section.optimizer == "adamw":
        return [_adamw(named, section)]
    matrices = parameter_groups([(name, weight) for name, weight in named if name in for_muon], section)
    muon = Muon(matrices, section.lr, section.weight_decay, **section.muon.model_dump())
    return [muon, _adamw([(name, weight) for name, weight in named if name not in for_muon], section)]


def parameter_groups(named: Named, section: TrainSection) -> list[dict[str, Any]]:
    """Return the parameters in groups of equal ``weight_decay`` and ``lr_ratio``, the factor of the learning rate.

    The first entry of ``train.parameter_groups`` whose pattern is found in a parameter's name applies to it. Without
    one, the ratio is 1; unless an entry sets it, weight decay applies to matrices and not to the gains of norms.
    """
    alike = defaultdict(list)
    for name, weight in named:
        settings = _entries(section)[_first_match(name, section)]
        default_decay = section.weight_decay if weight.ndim >= 2 else 0.0
        decay = default_decay if settings.weight_decay is None else settings.weight_decay
        alike[settings.lr_ratio, decay].append(weight)
    return [
        {"params": weights, "lr": section.lr * ratio, "lr_ratio": ratio, "weight_decay": decay}
        for (ratio, decay), weights in alike.items()
    ]


def set_learning_rate(optimizers: list[Any], lr: float) -> None:
    """Set the learning rate of the next step: ``lr`` times the ``lr_ratio`` of a group of parameters."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = lr * group["lr_ratio"]


def _adamw(named: Named, section: TrainSection) -> Any:
    return torch.optim.AdamW(parameter_groups(named, section), lr=section.lr, betas=section.betas, fused=True)


def _entries(section: TrainSection) -> tuple[ParameterGroup, ...]:
    return (*section.parameter_groups, DEFAULTS)


def _first_match(name: str, section: TrainSection) -> int:
    return next(index for index, entry in enumerate(_entries(section)) if re.search(entry.pattern, name))


def _check_patterns(named: Named, section: TrainSection) -> None:
    used = {_first_match(name, section) for name, _ in named}
    for index, entry in enumerate(section.parameter_groups):
        if index not in used:
            raise InputError(
                f"train.parameter_groups.{index} applies to no parameter: no name that the entries before it leave "
                f"matches {entry.pattern!r}; correct the pattern or remove the entry"
            )

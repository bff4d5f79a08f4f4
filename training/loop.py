"""The training loop.

A run's folder is local or on an object store (with several hosts, one that all of them see) and belongs to one
section and one mix. In it: ``run.json`` (which ones), ``checkpoints/``, ``metrics.jsonl``, ``speed.jsonl``, ``model/``
and, last of all, ``result.json``. A run that was killed goes on from its last complete checkpoint, and its losses are
to the bit those of a run that was not. On an object store metrics appear with each checkpoint, and nothing keeps a
second run out of the folder while one is at work in it: there are no locks.
"""

from __future__ import annotations

import fcntl
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from gristmill.corpus.recipe_section import key_config
from gristmill.errors import InputError, RunError
from gristmill.store import storage
from gristmill.store.keys import key_of, pretty
from gristmill.training.checkpoint import Checkpoints
from gristmill.training.data import Sequences, batches, planned_steps
from gristmill.training.distributed import World, joined, sharded_model
from gristmill.training.export import export, llama_config
from gristmill.training.folder import Folder, opened, write_durably
from gristmill.training.journal import Journal, Report
from gristmill.training.schedule import learning_rate
from gristmill.training.train_section import TrainSection

PATIENCE = 30
"""Seconds to wait for another run in the same folder to end: what a killed launcher leaves behind dies soon."""


def train(section: TrainSection, sequences: Sequences, out: str, report: Report) -> None:
    """Train to the last step; the leading process gives ``report`` a row of figures every ``log_every`` steps.

    ``out`` is the URL of the run's folder. Raises InputError if the mix is too short or ``out`` belongs to another run,
    RunError if a loss is not finite.
    """
    steps = planned_steps(section, len(sequences))
    with joined(section) as world, opened(out) as folder, claimed(folder, section, sequences.digest, world):
        model = sharded_model(section, sequences.vocab_size, world)
        optimizer = adamw(model, section, world)
        checkpoints = Checkpoints(folder.at("checkpoints"), section.keep_checkpoints, world)
        first = checkpoints.restore(model, optimizer)
        journal = Journal(folder, first, steps, section, sequences, world, report) if world.leads else None
        data = batches(sequences, section.batch_sequences, first, steps, world.rank, world.size)
        for step, tokens in enumerate(data, first):
            lr = learning_rate(step, steps, section.lr, section.warmup_steps, section.min_lr_ratio)
            loss, norm = train_step(model, optimizer, torch.from_numpy(tokens), lr, section, world)
            if not math.isfinite(loss):
                raise RunError(f"the loss of step {step} is {loss}: lower train.lr or raise train.warmup_steps")
            if journal:
                journal.add(step, loss, lr, norm)
            if (step + 1) % section.checkpoint_every == 0 or step + 1 == steps:
                if journal:
                    journal.sync()
                checkpoints.save(step + 1, model, optimizer)
        export(model, llama_config(section.model, sequences), folder, world)
        if journal:
            write_durably(folder.at("result.json"), pretty(journal.result()))


@contextmanager
def claimed(out: Folder, section: TrainSection, mix: str, world: World) -> Iterator[None]:
    """``out`` for this run: what lies there is of the same section and mix; on a disk, no other run works in it."""
    if not world.leads:
        world.barrier()
        yield
        return
    with _locked(out.local):
        identity = {"section": key_config(section), "mix": mix}
        identity["key"] = key_of(identity)
        url = out.at("run.json")
        if not storage.exists(url):
            write_durably(url, pretty(identity))
        elif json.loads(storage.read_bytes(url))["key"] != identity["key"]:
            raise InputError(
                f"{out.url} holds a run of another train section or mix (its run.json says which): "
                "give another folder, or delete it"
            )
        world.barrier()
        yield


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    with open(out / ".lock", "wb") as lock:
        for _ in range(PATIENCE):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(1)
        else:
            raise InputError(f"another run is at work in {out}: wait for it, or give another folder")
        yield


def adamw(model: Any, section: TrainSection, world: World) -> Any:
    """AdamW (Loshchilov & Hutter 2019) that decays matrices and leaves gains alone."""
    matrices = [weight for weight in model.parameters() if weight.ndim >= 2]
    gains = [weight for weight in model.parameters() if weight.ndim < 2]
    groups = [{"params": matrices, "weight_decay": section.weight_decay}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=section.lr, betas=section.betas, fused=world.device.type == "cuda")


def train_step(
    model: Any, optimizer: Any, tokens: Any, lr: float, section: TrainSection, world: World
) -> tuple[float, float]:
    """One update from this process's ``tokens``, shape (share, length): the step's mean loss, the norm before clipping.

    The loss is normalised by the number of predictions in the whole step, so neither the micro-batch nor the number of
    processes weighs in.
    """
    predictions = section.batch_sequences * (tokens.shape[1] - 1)
    loss = torch.zeros((), device=world.device)
    for rows in tokens.to(world.device).split(section.micro_batch):
        part = summed_loss(model, rows) / predictions
        (part * world.size).backward()  # FSDP takes the mean of the processes' gradients; the sum is wanted
        loss += part.detach()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), section.clip).full_tensor()
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    optimizer.zero_grad()
    return world.total(loss), float(norm.item())


def summed_loss(model: Any, tokens: Any) -> Any:
    """The sum over all predictions of their cross-entropy, in nats."""
    logits = model(tokens[:, :-1]).float()
    return F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")

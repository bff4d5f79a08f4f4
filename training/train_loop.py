"""The training loop.

A run's folder is local or on an object store (all hosts must see the same one) and belongs to one train section and one
mix. It contains ``run.json`` (section and mix), ``checkpoints/``, ``metrics.jsonl``, ``speed.jsonl``, ``model/`` and,
written last, ``result.json``. A run that was killed resumes from its last complete checkpoint, and its losses are bit
for bit those of an uninterrupted run. On an object store, metrics appear with each checkpoint, and nothing prevents two
runs from using the folder at the same time: there are no locks.
"""

from __future__ import annotations

import math

import torch

from gristmill.errors import RunError
from gristmill.store.keys import pretty_json
from gristmill.training.checkpoints import Checkpoints
from gristmill.training.learning_rate import learning_rate
from gristmill.training.metrics_log import MetricsLog, Report
from gristmill.training.model_export import export_model, llama_config
from gristmill.training.optimizer import build_adamw
from gristmill.training.process_group import join_process_group
from gristmill.training.run_claim import claim_folder
from gristmill.training.run_folder import open_run_folder, write_durably
from gristmill.training.sequence_batches import Sequences, planned_steps, read_batches
from gristmill.training.sharded_model import build_sharded_model
from gristmill.training.train_section import TrainSection
from gristmill.training.train_step import train_step


def train(section: TrainSection, sequences: Sequences, out: str, report: Report) -> None:
    """Train to the last step; the main process calls ``report`` with a row of metrics every ``log_every`` steps.

    ``out`` is the URL of the run's folder. Raises InputError if the mix is too short or ``out`` belongs to another run,
    RunError if a loss is not finite.
    """
    steps = planned_steps(section, len(sequences))
    with (
        join_process_group(section) as group,
        open_run_folder(out) as folder,
        claim_folder(folder, section, sequences.digest, group),
    ):
        model = build_sharded_model(section, sequences.vocab_size, group)
        optimizer = build_adamw(model, section, group)
        checkpoints = Checkpoints(folder.at("checkpoints"), section.keep_checkpoints, group)
        first_step = checkpoints.restore(model, optimizer)
        log = MetricsLog(folder, first_step, steps, section, sequences, group, report) if group.is_main else None
        batches = read_batches(sequences, section.batch_sequences, first_step, steps, group.rank, group.size)
        for step, tokens in enumerate(batches, first_step):
            lr = learning_rate(step, steps, section.lr, section.warmup_steps, section.min_lr_ratio)
            loss, norm = train_step(model, optimizer, torch.from_numpy(tokens), lr, section, group)
            if not math.isfinite(loss):
                raise RunError(f"the loss of step {step} is {loss}: lower train.lr or raise train.warmup_steps")
            if log:
                log.add(step, loss, lr, norm)
            if (step + 1) % section.checkpoint_every == 0 or step + 1 == steps:
                if log:
                    log.sync()
                checkpoints.save(step + 1, model, optimizer)
        export_model(model, llama_config(section.model, sequences), folder, group)
        if log:
            write_durably(folder.at("result.json"), pretty_json(log.result()))

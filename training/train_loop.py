"""Trains a model from its last checkpoint, or from the start, to its last step.

A run's folder is local or on an object store (all hosts must see the same one) and belongs to one model and one mix. It
contains ``run.json`` (model and mix), ``events.jsonl``, ``checkpoints/``, ``metrics.jsonl``, ``speed.jsonl``,
``quarantine.jsonl`` (documents of skipped steps), ``model/`` and, written last, ``result.json``; ``tokenizer.json`` is
exported with the model if it is there. A run that was killed
resumes from its last complete checkpoint. On an object store, metrics appear with each checkpoint, and nothing prevents
two runs from using the folder at the same time: there are no locks.
"""

from __future__ import annotations

from contextlib import ExitStack

from gristmill.errors import RunError
from gristmill.store.keys import pretty_json
from gristmill.training.batch_plan import planned_steps
from gristmill.training.metrics_log import Report
from gristmill.training.model_export import export_model, model_config
from gristmill.training.model_import import check_shape
from gristmill.training.process_group import join_process_group
from gristmill.training.run_claim import claim_folder
from gristmill.training.run_folder import TOKENIZER, open_run_folder, write_durably
from gristmill.training.sequence_batches import BatchReader, Sequences
from gristmill.training.sharded_model import compilation_notice
from gristmill.training.stop_signal import catch_stop_signals
from gristmill.training.train_section import TrainSection
from gristmill.training.training_run import TrainingRun


def train(section: TrainSection, sequences: Sequences, out: str, report: Report) -> None:
    """Train to the last step; the main process calls ``report`` with a row of metrics every ``log_every`` steps.

    A row ``{"notice": sentence}`` says what else a person should know. ``out`` is the URL of the run's folder. Raises
    InputError if the mix is too short or ``out`` belongs to another run, RunError if the run was asked to stop,
    returned to the same checkpoint too often, or skipped half of the data.
    """
    steps = planned_steps(section, len(sequences), sequences.sequence_length)
    if section.initial_model is not None:
        check_shape(section.initial_model, section.model, sequences.vocab_size)
    with ExitStack() as stack:
        stop = stack.enter_context(catch_stop_signals())
        group = stack.enter_context(join_process_group(section))
        folder = stack.enter_context(open_run_folder(out))
        stack.enter_context(claim_folder(folder, section, sequences.digest, group))
        reader = stack.enter_context(BatchReader(sequences, group.rank, group.size))
        run = TrainingRun(section, sequences, steps, group, folder, reader, report)
        stack.callback(run.checkpoints.settle)
        if group.is_main and (notice := compilation_notice(section, group)):
            report({"notice": notice})
        while run.progress.step < steps and run.step(stop):
            pass
        if run.skipped_sequences >= run.progress.position / 2:
            raise RunError(
                f"{run.skipped_sequences:,} of {run.progress.position:,} sequences were skipped, see "
                f"{folder.at('events.jsonl')}: lower train.lr, and delete the folder to train on them"
            )
        run.save()
        run.checkpoints.wait()
        export_model(run.model, model_config(section.model, sequences), folder, group, folder.read(TOKENIZER))
        if group.is_main:
            write_durably(folder.at("result.json"), pretty_json(run.result()))

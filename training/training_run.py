"""The state of a run in one process, and what happens to it: steps, skipped steps, and returns to a checkpoint."""

from __future__ import annotations

from math import isfinite
from typing import Any

import torch

from gristmill.errors import RunError
from gristmill.training.batch_plan import Batch, Progress, covered, next_batch, planned_tokens
from gristmill.training.checkpoints import Checkpoints, RunState
from gristmill.training.learning_rate import learning_rate, warmup_tokens
from gristmill.training.metrics_log import MetricsLog, Report
from gristmill.training.model_size import parameter_count
from gristmill.training.optimizer import build_optimizers, set_learning_rate
from gristmill.training.process_group import ProcessGroup
from gristmill.training.run_events import RunEvents
from gristmill.training.run_folder import RunFolder
from gristmill.training.sequence_batches import BatchReader, Sequences
from gristmill.training.sharded_model import build_sharded_model, initialise
from gristmill.training.skipped_documents import quarantine
from gristmill.training.spike_guard import Reason, SpikeGuard, StepFigures
from gristmill.training.stop_signal import StopSignal
from gristmill.training.throughput import Throughput
from gristmill.training.train_section import GuardSection, TrainSection
from gristmill.training.train_step import compute_gradient, drop_gradient, take_step


class TrainingRun:
    """A run, at its last checkpoint. All processes call the same methods in the same order.

    Attributes: ``progress``, the steps taken and the position in the data; ``guard``, which judges each step;
    ``skipped``, the number of steps skipped in a row.
    """

    progress: Progress
    guard: SpikeGuard
    skipped: int

    def __init__(
        self,
        section: TrainSection,
        sequences: Sequences,
        steps: int,
        group: ProcessGroup,
        folder: RunFolder,
        reader: BatchReader,
        report: Report,
    ) -> None:
        self.section, self.sequences, self.steps, self.reader = section, sequences, steps, reader
        self.group, self.folder, self.length = group, folder, sequences.sequence_length
        self.model = build_sharded_model(section, sequences.vocab_size, group)
        self.optimizers = build_optimizers(self.model, section)
        self.checkpoints = Checkpoints(folder.at("checkpoints"), section, group)
        self.events = RunEvents(folder, group)
        self.log = MetricsLog(folder, self.length, steps, section.log_every, report) if group.is_main else None
        self.restore()
        self.events.record_settings(section, self.progress.step)
        warmup_tokens(section.schedule, self.planned_tokens)
        self.speed = Throughput(section.model, sequences.vocab_size, self.length, group)

    @property
    def skipped_sequences(self) -> int:
        """The number of sequences that are never trained on."""
        return covered(self.events.skipped)

    @property
    def planned_tokens(self) -> int:
        """The tokens that the run will have trained on after its last step."""
        return planned_tokens(self.section, self.length, self.steps, self.progress)

    def restore(self) -> None:
        """Set everything to the state of the last intact checkpoint, or to that before the first step."""
        state = self.checkpoints.restore(self.model, self.optimizers, self._damaged)
        if state is None:
            initialise(self.model, self.section)
            for optimizer in self.optimizers:
                optimizer.state.clear()
        self.progress, accepted = state or RunState(Progress(), ())
        self.guard, self.skipped = SpikeGuard(self.section.guard, accepted), 0
        if self.log:
            self.log.truncate(self.progress.step)

    def step(self, stop: StopSignal) -> bool:
        """Try a step on the next batch; returns whether there was one.

        Raises RunError, after saving, if a process was asked to stop.
        """
        batch = next_batch(self.section, self.progress, self.events.skipped)
        if batch.end > len(self.sequences):
            return False
        with self.speed.waiting():
            tokens = torch.from_numpy(self.reader.read(batch))
        gradient = compute_gradient(self.model, tokens, batch.size, self.section, self.group, stop)
        if reason := self.guard.judge(gradient.figures):
            self._skip(batch, tokens, reason, gradient.figures)
        else:
            self._take(batch, gradient.figures)
        if gradient.stop or self.progress.step % self.section.checkpoint_every == 0:
            self.save()
        if gradient.stop:
            self.checkpoints.wait()
            name = stop.received.name if stop.received else "a signal to another process"
            raise RunError(
                f"stopped by {name} after {self.progress.step} steps, which are saved: run the same command again to "
                "resume"
            )
        return True

    def save(self) -> None:
        """Start to write a checkpoint unless there is one of this step."""
        if self.progress.step not in (0, self.checkpoints.last_step):
            if self.log:
                self.log.sync()
            self.checkpoints.save(RunState(self.progress, tuple(self.guard.accepted)), self.model, self.optimizers)

    def result(self) -> dict[str, Any]:
        """Return what the run has done; called by the main process at the end."""
        assert self.log is not None
        first_loss, last_loss = self.log.losses()
        return {
            "planned_steps": self.steps,
            "steps": self.progress.step,
            "sequences": self.progress.tokens // self.length,
            "tokens": self.progress.tokens,
            "skipped_sequences": self.skipped_sequences,
            "first_loss": first_loss,
            "last_loss": last_loss,
            "parameters": parameter_count(self.section.model, self.sequences.vocab_size),
        }

    def _take(self, batch: Batch, figures: StepFigures) -> None:
        step_tokens = batch.size * self.length
        lr = learning_rate(
            self.section.schedule, self.section.lr, self.progress.tokens, step_tokens, self.planned_tokens
        )
        set_learning_rate(self.optimizers, lr)
        take_step(self.optimizers)
        self.guard.accept(figures)
        self.progress, self.skipped = self.progress.after(batch, self.length), 0
        self.speed.add(step_tokens)
        if self.log:
            self.log.add(batch, self.progress, figures, lr, self.speed)

    def _skip(self, batch: Batch, tokens: Any, reason: Reason, figures: StepFigures) -> None:
        """Leave the weights as they are, and put the documents of the batch aside; return after too many in a row."""
        drop_gradient(self.optimizers)
        quarantine(self.model, tokens, batch, self.progress.step, self.sequences, self.folder, self.group)
        loss, norm = (round(value, 6) if isfinite(value) else None for value in figures)
        self.events.skip("skip", self.progress.step, batch, reason=reason, loss=loss, grad_norm=norm)
        self.progress, self.skipped = self.progress._replace(position=batch.end), self.skipped + 1
        limits = self.section.guard or GuardSection()
        if self.skipped == limits.patience:
            self._return_to_checkpoint(limits)

    def _return_to_checkpoint(self, limits: GuardSection) -> None:
        """Go back to the last checkpoint and skip everything that has been read since."""
        self.checkpoints.wait()
        read = self.progress.position
        self.restore()
        step = self.progress.step
        if self.events.returns_to(step) == limits.max_rollbacks:
            times = f"{limits.max_rollbacks + 1} times after step {step}"
            raise RunError(
                f"{limits.patience} steps in a row were skipped, {times}: see {self.folder.at('events.jsonl')}, lower "
                "train.lr and run the same command again"
            )
        self.events.skip("rollback", step, Batch(self.progress.position, read))

    def _damaged(self, step: int) -> None:
        self.events.add("damaged_checkpoint", step)

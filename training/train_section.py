"""The recipe section of the stage ``train``. It does not import torch, so that recipes are checked without it."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from gristmill.corpus.recipe_section import Asset, RuntimeMark, Section
from gristmill.training.launch.launch_section import AnyLaunch, LocalLaunch
from gristmill.training.model_section import ModelSection

Positive: TypeAlias = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]
DecayRate: TypeAlias = Annotated[float, Field(ge=0, lt=1)]


class ScheduleSection(Section):
    """How the learning rate changes with the number of tokens trained on."""

    shape: Literal["cosine", "linear", "wsd", "constant"] = Field(
        "cosine",
        description="After the warm-up: a cosine or a straight line down to min_ratio, 'constant', or 'wsd', which is "
        "constant and then falls in a straight line over decay_share of the run (warmup-stable-decay, Hu et al. 2024, "
        "MiniCPM).",
    )
    warmup_tokens: int | None = Field(
        None, ge=0, description="Tokens over which the learning rate rises linearly. Default: 2 % of the run's tokens."
    )
    min_ratio: float = Field(0.1, ge=0, le=1, description="Final learning rate, as a fraction of lr.")
    decay_share: float = Field(0.2, gt=0, le=1, description="Share of the run's tokens over which 'wsd' decays.")


class MuonSection(Section):
    """Muon (Jordan et al. 2024) for the matrices of the blocks; all other parameters are trained by AdamW."""

    momentum: DecayRate = Field(0.95, description="Decay rate of the mean gradient.")
    nesterov: bool = Field(True, description="Whether the update looks one step ahead (Nesterov momentum).")
    iterations: int = Field(5, ge=1, le=20, description="Newton-Schulz iterations per update.")
    scaling: Literal["none", "original", "ratio", "rms"] = Field(
        "rms",
        description="Factor of a matrix's learning rate: 1 ('none'), √max(1, out/in) ('original', Jordan et al.), "
        "√(out/in) ('ratio', Bernstein 2025) or 0.2·√max(out, in) ('rms', which makes updates as large as AdamW's, so "
        "that both share one lr; Liu et al. 2025, 'Muon is Scalable for LLM Training').",
    )


class ParameterGroup(Section):
    """Settings of the parameters whose name matches a pattern."""

    pattern: str = Field(
        description="Regular expression that is searched for in a parameter's name, such as "
        "'layers.0.self_attn.q_proj.weight'. The first group that matches applies."
    )
    lr_ratio: NotNegative = Field(1.0, description="Factor of the learning rate; 0 leaves the parameters as they are.")
    weight_decay: NotNegative | None = Field(None, description="Replaces train.weight_decay.")

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern


class RampStep(Section):
    """A batch size at the start of a run."""

    until_tokens: int = Field(ge=1, description="The batch size applies until this many tokens have been read.")
    batch_sequences: int = Field(ge=1, description="Sequences per step over all processes.")


class GuardSection(Section):
    """Which steps are not taken.

    A step whose loss or gradient norm is not finite or is a spike changes no weight: its sequences are skipped and
    logged, and the next batch takes its place. A spike is a value above the median of the last accepted steps by more
    than ``threshold`` standard deviations, estimated from the median absolute deviation.
    """

    threshold: Positive = Field(10.0, description="Standard deviations above the median that make a spike.")
    window: int = Field(128, ge=8, description="Number of accepted steps to compare with.")
    patience: int = Field(
        5,
        ge=1,
        description="Skipped steps in a row after which the run returns to its last checkpoint and skips everything "
        "that it has read since.",
    )
    max_rollbacks: int = Field(5, ge=0, description="Returns to the same checkpoint after which the run fails instead.")


class TrainSection(Section):
    """How a model is trained on the mix.

    The model (``model``, ``initial_model``, ``seed``), the kind of optimizer and the mix identify a run. Everything
    else may be changed when a run is resumed; the run's ``events.jsonl`` records each change. The trained model is a
    function of the recipe and of that log.
    """

    model: ModelSection = Field(ModelSection(), description="The shape of the model.")
    initial_model: Asset | None = Field(
        None,
        description="Folder of a Hugging Face checkpoint (config.json and safetensors) of the same shape and "
        "vocabulary to continue from. Default: random weights.",
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="Seed of the initial weights; the order of the data is fixed by the mix."
    )
    optimizer: Literal["adamw", "muon"] = Field(
        "adamw", description="AdamW (Loshchilov & Hutter 2019), or Muon for the matrices of the blocks."
    )
    batch_sequences: Annotated[int, RuntimeMark()] = Field(
        16, ge=1, description="Sequences per step over all processes; a multiple of processes × micro_batch."
    )
    batch_ramp: Annotated[tuple[RampStep, ...], RuntimeMark()] = Field(
        (), description="Batch sizes before batch_sequences, by rising until_tokens."
    )
    steps: Annotated[int | None, RuntimeMark()] = Field(
        None, ge=1, description="Number of optimizer steps. Default: one pass over the mix."
    )
    lr: Annotated[Positive, RuntimeMark()] = Field(1e-3, description="Peak learning rate.")
    schedule: Annotated[ScheduleSection, RuntimeMark()] = Field(
        ScheduleSection(), description="How the learning rate changes during the run."
    )
    betas: Annotated[tuple[DecayRate, DecayRate], RuntimeMark()] = Field(
        (0.9, 0.95), description="AdamW's decay rates of the mean gradient and of the mean squared gradient."
    )
    weight_decay: Annotated[NotNegative, RuntimeMark()] = Field(
        0.1, description="Decoupled weight decay; it applies to matrices, not to norm gains."
    )
    muon: Annotated[MuonSection, RuntimeMark()] = Field(MuonSection(), description="Settings of Muon.")
    parameter_groups: Annotated[tuple[ParameterGroup, ...], RuntimeMark()] = Field(
        (), description="Learning rates and weight decay of parameters by name."
    )
    clip: Annotated[Positive, RuntimeMark()] = Field(
        1.0, description="Maximum global norm of the gradient; larger gradients are scaled down."
    )
    guard: Annotated[GuardSection | None, RuntimeMark()] = Field(
        GuardSection(), description="Which steps are not taken; null only skips steps that are not finite."
    )
    micro_batch: Annotated[int, RuntimeMark()] = Field(
        8, ge=1, description="Sequences that a process computes at a time; gradients are accumulated over a step."
    )
    processes: Annotated[int, RuntimeMark()] = Field(
        1, ge=1, description="Processes over which the model and the batch are sharded (FSDP); one per GPU."
    )
    replicas: Annotated[int, RuntimeMark()] = Field(
        1,
        ge=1,
        description="Number of complete copies of the model, a divisor of processes: each copy is sharded over "
        "processes / replicas processes (HSDP). With one copy per node, only gradients cross between nodes.",
    )
    reshard_after_forward: Annotated[bool | None, RuntimeMark()] = Field(
        None,
        description="Whether a block's weights are freed after the forward pass and gathered again for the backward "
        "pass (ZeRO-3), or kept (ZeRO-2), which needs more memory and less communication. Default: freed, unless each "
        "process holds a complete copy of the model anyway.",
    )
    activation_checkpointing: Annotated[Literal["none", "selective", "full"], RuntimeMark()] = Field(
        "none",
        description="What the backward pass computes again instead of keeping it: nothing, everything but matrix "
        "products and attention ('selective'), or whole blocks ('full').",
    )
    compile: Annotated[bool | None, RuntimeMark()] = Field(
        None,
        description="Whether blocks are compiled (torch.compile). Default: on GPUs only, since short runs on a CPU "
        "finish before it pays off.",
    )
    deterministic: Annotated[bool, RuntimeMark()] = Field(
        True,
        description="Whether two runs on the same kind of machine, with the same layout, have bit for bit the same "
        "weights. false allows faster operations, such as cuDNN's attention on Hopper GPUs.",
    )
    threads: Annotated[int, RuntimeMark()] = Field(
        1, ge=1, description="CPU threads per process; a different number may change the last digits of a loss."
    )
    checkpoint_every: Annotated[int, RuntimeMark()] = Field(
        100, ge=1, description="Steps between checkpoints; there is always one after the last step."
    )
    keep_checkpoints: Annotated[int, RuntimeMark()] = Field(
        2, ge=1, description="Number of latest checkpoints to keep; older ones are deleted."
    )
    keep_every: Annotated[int | None, RuntimeMark()] = Field(
        None, ge=1, description="Checkpoints at multiples of this many steps are never deleted."
    )
    log_every: Annotated[int, RuntimeMark()] = Field(10, ge=1, description="Steps between progress reports.")
    launch: Annotated[AnyLaunch, RuntimeMark()] = Field(
        LocalLaunch(), discriminator="kind", description="Where the trainer runs; the result is the same."
    )

    @model_validator(mode="after")
    def _check_layout(self) -> TrainSection:
        sizes = {"batch_sequences": self.batch_sequences}
        sizes |= {
            f"batch_ramp.{index}.batch_sequences": step.batch_sequences for index, step in enumerate(self.batch_ramp)
        }
        for name, size in sizes.items():
            if size % (self.processes * self.micro_batch):
                raise ValueError(
                    f"{name} ({size}) must be a multiple of processes × micro_batch "
                    f"({self.processes} × {self.micro_batch})"
                )
        if any(later.until_tokens <= earlier.until_tokens for earlier, later in pairwise(self.batch_ramp)):
            raise ValueError("until_tokens of batch_ramp must rise from one entry to the next")
        if self.processes % self.replicas:
            raise ValueError(f"processes ({self.processes}) must be a multiple of replicas ({self.replicas})")
        self.launch.check_processes(self.processes)
        return self

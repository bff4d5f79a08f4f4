"""The recipe section of the stage ``train``. It does not import torch, so that recipes are checked without it."""

from __future__ import annotations

from math import ceil
from typing import Annotated

from pydantic import Field, model_validator

from gristmill.corpus.recipe_section import RuntimeMark, Section
from gristmill.training.launch.launch_section import AnyLaunch, LocalLaunch

FFN_ROUNDING = 64


class ModelSection(Section):
    """The shape of a LLaMA-like decoder. Its vocabulary and sequence length come from the mix."""

    dim: int = Field(128, ge=2, description="Width of the residual stream.")
    layers: int = Field(4, ge=1, description="Number of blocks.")
    heads: int = Field(4, ge=1, description="Query heads; the width of a head, dim / heads, must be even.")
    kv_heads: int | None = Field(
        None, ge=1, description="Key and value heads, a divisor of heads (grouped-query attention). Default: heads."
    )
    ffn_multiple: float = Field(
        2.6875,
        gt=0,
        allow_inf_nan=False,
        description="Hidden width of the feed-forward network (SwiGLU) as a multiple of dim, rounded up to a multiple "
        "of 64. 2.6875 gives the 11,008 of LLaMA 7B; Llama 3 8B uses 3.5.",
    )
    rope_theta: float = Field(10_000.0, gt=0, allow_inf_nan=False, description="Base of the rotary frequencies.")
    tie_embeddings: bool = Field(True, description="Whether input and output embeddings share one matrix.")

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def key_value_heads(self) -> int:
        return self.kv_heads or self.heads

    @property
    def ffn_dim(self) -> int:
        return ceil(self.ffn_multiple * self.dim / FFN_ROUNDING) * FFN_ROUNDING

    @model_validator(mode="after")
    def _check_heads(self) -> ModelSection:
        if self.dim % self.heads or self.head_dim % 2:
            raise ValueError(f"dim ({self.dim}) must be an even multiple of heads ({self.heads})")
        if self.heads % self.key_value_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.key_value_heads})")
        return self


class TrainSection(Section):
    """How a model is trained on the mix. Step ``s`` reads the sequences of the mix from ``s × batch_sequences`` on.

    It contains everything that can change a digit of a loss, including the layout (``processes``, ``threads``,
    ``micro_batch``): on the same kind of machine, the same section and mix give the same digits.
    """

    model: ModelSection = Field(ModelSection(), description="The shape of the model.")
    batch_sequences: int = Field(
        16, ge=1, description="Sequences per step over all processes; a multiple of processes × micro_batch."
    )
    micro_batch: int = Field(
        8, ge=1, description="Sequences that a process computes at a time; gradients are accumulated over a step."
    )
    steps: int | None = Field(None, ge=1, description="Number of optimizer steps. Default: one pass over the mix.")
    lr: float = Field(1e-3, gt=0, allow_inf_nan=False, description="Peak learning rate.")
    min_lr_ratio: float = Field(
        0.1, ge=0, le=1, description="Final learning rate of the cosine schedule, as a fraction of lr."
    )
    warmup_steps: int = Field(20, ge=0, description="Steps during which the learning rate rises linearly to lr.")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.95), description="AdamW's decay rates of the mean gradient and of the mean squared gradient."
    )
    weight_decay: float = Field(
        0.1,
        ge=0,
        allow_inf_nan=False,
        description="AdamW's decoupled weight decay; it applies to matrices, not to norm gains.",
    )
    clip: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="Maximum global norm of the gradient; larger gradients are scaled down.",
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="Seed of the initial weights; the order of the data is fixed by the mix."
    )
    processes: int = Field(
        1, ge=1, description="Processes over which the model and the batch are sharded (FSDP); one per GPU."
    )
    threads: int = Field(
        1, ge=1, description="CPU threads per process; a different number may change the last digits of a loss."
    )
    checkpoint_every: Annotated[int, RuntimeMark()] = Field(
        100, ge=1, description="Steps between checkpoints; there is always one after the last step."
    )
    keep_checkpoints: Annotated[int, RuntimeMark()] = Field(
        2, ge=1, description="Number of checkpoints to keep; older ones are deleted."
    )
    log_every: Annotated[int, RuntimeMark()] = Field(10, ge=1, description="Steps between progress reports.")
    launch: Annotated[AnyLaunch, RuntimeMark()] = Field(
        LocalLaunch(), discriminator="kind", description="Where the trainer runs; the result is the same."
    )

    @model_validator(mode="after")
    def _check_batch(self) -> TrainSection:
        if self.batch_sequences % (self.processes * self.micro_batch):
            raise ValueError(
                f"batch_sequences ({self.batch_sequences}) must be a multiple of processes × micro_batch "
                f"({self.processes} × {self.micro_batch})"
            )
        self.launch.check_processes(self.processes)
        return self

"""The recipe's section for the stage ``train``. Free of torch, so that recipes are checked where none is installed."""

from __future__ import annotations

from math import ceil
from typing import Annotated

from pydantic import Field, model_validator

from gristmill.corpus.recipe_section import RuntimeMark, Section
from gristmill.training.launch.launch_section import AnyLaunch, CommandLaunch, LocalLaunch

FFN_ROUNDING = 64


class ModelSection(Section):
    """The shape of a LLaMA-like decoder. Its vocabulary and sequence length come from the mix."""

    dim: int = Field(128, ge=2, description="Width of the residual stream.")
    layers: int = Field(4, ge=1, description="Number of blocks.")
    heads: int = Field(4, ge=1, description="Query heads; each is dim / heads wide, which must be even.")
    kv_heads: int | None = Field(
        None, ge=1, description="Key and value heads, a divisor of heads (grouped-query attention); without it, heads."
    )
    ffn_multiple: float = Field(
        2.6875,
        gt=0,
        allow_inf_nan=False,
        description="Hidden width of SwiGLU as a multiple of dim, rounded up to a multiple of 64. 2.6875 gives the "
        "11,008 of LLaMA 7B; Llama 3 8B has 3.5.",
    )
    rope_theta: float = Field(10_000.0, gt=0, allow_inf_nan=False, description="Base of the rotary frequencies.")
    tie_embeddings: bool = Field(True, description="One matrix for input embedding and output; large models untie.")

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
    def _check(self) -> ModelSection:
        if self.dim % self.heads or self.head_dim % 2:
            raise ValueError(f"dim ({self.dim}) must be an even multiple of heads ({self.heads})")
        if self.heads % self.key_value_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.key_value_heads})")
        return self


class TrainSection(Section):
    """How a model is trained on the mix. Step ``s`` reads the mix's sequences from ``s × batch_sequences`` on.

    Everything that can change a digit of a loss is in here, the layout (``processes``, ``threads``, ``micro_batch``)
    included: on the same kind of machine, the same section and mix give the same digits.
    """

    model: ModelSection = Field(ModelSection(), description="The shape of the model.")
    batch_sequences: int = Field(
        16, ge=1, description="Sequences of one step, over all processes: a multiple of processes × micro_batch."
    )
    micro_batch: int = Field(
        8, ge=1, description="Sequences that one process holds at a time; gradients add up over a step."
    )
    steps: int | None = Field(None, ge=1, description="Optimizer steps; without it, one pass over the mix.")
    lr: float = Field(1e-3, gt=0, allow_inf_nan=False, description="Peak learning rate.")
    min_lr_ratio: float = Field(0.1, ge=0, le=1, description="The cosine ends at this share of lr.")
    warmup_steps: int = Field(20, ge=0, description="Steps over which the learning rate rises linearly to lr.")
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = Field(
        (0.9, 0.95), description="AdamW's decay of the mean and of the squared gradient."
    )
    weight_decay: float = Field(
        0.1, ge=0, allow_inf_nan=False, description="AdamW's decoupled decay, on matrices only: norm gains have none."
    )
    clip: float = Field(1.0, gt=0, allow_inf_nan=False, description="The gradient's global norm is cut to this.")
    seed: int = Field(0, ge=0, lt=2**32, description="Chooses the first weights; the order of data is the mix's.")
    processes: int = Field(
        1, ge=1, description="Processes that share the model and the batch (FSDP), one a GPU where there are GPUs."
    )
    threads: int = Field(
        1, ge=1, description="Threads of a process for arithmetic on a CPU; another number may give other last digits."
    )
    checkpoint_every: Annotated[int, RuntimeMark()] = Field(
        100, ge=1, description="Steps between checkpoints; the last step always has one."
    )
    keep_checkpoints: Annotated[int, RuntimeMark()] = Field(2, ge=1, description="Older checkpoints are deleted.")
    log_every: Annotated[int, RuntimeMark()] = Field(10, ge=1, description="Steps between lines of progress.")
    launch: Annotated[AnyLaunch, RuntimeMark()] = Field(
        LocalLaunch(), discriminator="kind", description="Where the trainer is started; the result is the same."
    )

    @model_validator(mode="after")
    def _check(self) -> TrainSection:
        if self.batch_sequences % (self.processes * self.micro_batch):
            raise ValueError(
                f"batch_sequences ({self.batch_sequences}) must be a multiple of processes × micro_batch "
                f"({self.processes} × {self.micro_batch})"
            )
        self._check_layout()
        return self

    def _check_layout(self) -> None:
        launch = self.launch
        if isinstance(launch, LocalLaunch):
            return
        if isinstance(launch, CommandLaunch):
            if self.processes % launch.nodes:
                raise ValueError(f"processes ({self.processes}) must be a multiple of launch.nodes ({launch.nodes})")
        elif self.processes != launch.nodes * launch.gpus_per_node:
            raise ValueError(
                f"processes ({self.processes}) must be launch.nodes × launch.gpus_per_node "
                f"({launch.nodes} × {launch.gpus_per_node})"
            )

"""The recipe section ``train.model``: the shape of the decoder, by preset or by its dimensions."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, model_validator

from gristmill.corpus.recipe_section import RuntimeMark, Section

FFN_ROUNDING = 64

PRESETS: dict[str, dict[str, Any]] = {
    "10M": {"dim": 256, "layers": 12, "heads": 4},
    "30M": {"dim": 512, "layers": 10, "heads": 8},
    "125M": {"dim": 768, "layers": 16, "heads": 12},
    "350M": {"dim": 1024, "layers": 24, "heads": 8},
    "760M": {"dim": 1536, "layers": 24, "heads": 12},
    "1.3B": {"dim": 2048, "layers": 24, "heads": 16},
    "2.7B": {"dim": 2560, "layers": 32, "heads": 20},
    "6.7B": {"dim": 4096, "layers": 32, "heads": 32},
}
"""Shapes by the approximate number of parameters without embeddings. From 350M on, width and depth are those of GPT-3
(Brown et al. 2020, table 2.1), and heads have a width of 128, which GPUs compute faster than 64."""

PresetName: TypeAlias = Literal["10M", "30M", "125M", "350M", "760M", "1.3B", "2.7B", "6.7B"]


class ModelSection(Section):
    """The shape of a LLaMA-like decoder. Its vocabulary and sequence length come from the mix."""

    preset: Annotated[PresetName | None, RuntimeMark()] = Field(
        None,
        description="A shape by its approximate number of parameters without embeddings; it sets dim, layers and heads "
        "unless they are given.",
    )
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
    norm_eps: float = Field(1e-5, gt=0, allow_inf_nan=False, description="Added to the mean square in RMSNorm.")
    tie_embeddings: bool = Field(True, description="Whether input and output embeddings share one matrix.")
    qk_norm: bool = Field(
        False,
        description="Whether RMSNorm is applied to each head's queries and keys, as in Qwen3 (Henry et al. 2020, "
        "'Query-Key Normalization for Transformers').",
    )
    window: int | None = Field(
        None,
        ge=1,
        description="Number of tokens that a position attends to, itself included (sliding-window attention, as in "
        "Mistral 7B). Default: all tokens before it.",
    )

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def key_value_heads(self) -> int:
        return self.kv_heads or self.heads

    @property
    def ffn_dim(self) -> int:
        return ceil(self.ffn_multiple * self.dim / FFN_ROUNDING) * FFN_ROUNDING

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, values: Any) -> Any:
        preset = values.get("preset") if isinstance(values, Mapping) else None
        return {**PRESETS[preset], **values} if isinstance(preset, str) and preset in PRESETS else values

    @model_validator(mode="after")
    def _check_heads(self) -> ModelSection:
        if self.dim % self.heads or self.head_dim % 2:
            raise ValueError(f"dim ({self.dim}) must be an even multiple of heads ({self.heads})")
        if self.heads % self.key_value_heads:
            raise ValueError(f"heads ({self.heads}) must be a multiple of kv_heads ({self.key_value_heads})")
        return self

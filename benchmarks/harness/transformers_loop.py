"""The training loop that users of ``transformers`` write: a model in the compute type, its loss, and fused AdamW."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from benchmarks.harness.training_speed import random_tokens
from gristmill.training.train_section import TrainSection


@contextmanager
def transformers_step(section: TrainSection, vocab_size: int, length: int) -> Iterator[Callable[[], None]]:
    """Yield a function that takes one optimizer step on random tokens, with ``LlamaForCausalLM`` of the same shape.

    On a GPU the forward pass runs under bfloat16 autocast over float32 weights, as the trainer's mixed precision does.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = section.model
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=shape.dim,
        intermediate_size=shape.ffn_dim,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_value_heads,
        max_position_embeddings=length,
        tie_word_embeddings=shape.tie_embeddings,
        use_cache=False,
    )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = LlamaForCausalLM(config).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=section.lr, betas=section.betas, fused=True)
    tokens = random_tokens(section.batch_sequences, length, vocab_size)

    def step() -> None:
        for micro_batch in tokens.to(device).split(section.micro_batch):
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = model(input_ids=micro_batch, labels=micro_batch).loss
            (loss * len(micro_batch) / len(tokens)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), section.clip)
        optimizer.step()
        optimizer.zero_grad()

    yield step

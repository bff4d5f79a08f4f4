"""Models small enough to be created in tests; nothing is downloaded."""

from __future__ import annotations

import random
from pathlib import Path

from gristmill.classifiers.examples import Example

GOOD = [f"mill{n}" for n in range(300)]
BAD = [f"sale{n}" for n in range(300)]
EITHER = [f"word{n}" for n in range(100)]


def text(good: bool, seed: int, words: int = 40) -> str:
    """A text most of whose words belong to its class."""
    draw = random.Random(f"{good} {seed}")
    return " ".join(draw.choices((GOOD if good else BAD) + EITHER, k=words))


def labelled(count: int = 400) -> list[Example]:
    """Labeled texts of both classes from two sources."""
    return [Example(text(n % 2 == 0, n), n % 2 == 0, f"s{n // 2 % 2}", f"site {n // 5}") for n in range(count)]


def transformer(folder: Path, labels: tuple[str, ...] = ("low", "high")) -> str:
    """Save a one-layer BERT with random weights and a tokenizer with few words; return the folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(1)
    words = ["[UNK]", "[PAD]", *GOOD[:50], *BAD[:50], *EITHER[:50]]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        initializer_range=1.0,
        id2label=dict(enumerate(labels)),
        label2id={label: n for n, label in enumerate(labels)},
    )
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]").save_pretrained(folder)
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)

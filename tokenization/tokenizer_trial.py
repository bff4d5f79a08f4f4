"""How a tokenizer.json is opened in a child process before this process opens it (``gristmill.store.trial_open``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

TOKENS_PER_BYTE = 16
"""At most, in a trial; a byte-level tokenizer has one token per byte at most."""

_SAMPLE_BYTES = 4096
_SAMPLES = ("a", " ", "\n", "0", "!", "the boat, ", "\u78e8", "\U0001f600", "a\u0301")


def load_tokenizer(tokenizer_json: str) -> Any:
    """Load a tokenizer that encodes all of a text, and special tokens in it as text. Raises any exception."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def open_tokenizer(path: str) -> None:
    """Load a tokenizer and encode repetitive texts. Raises ValueError if there are far more tokens than bytes."""
    text = Path(path).read_text(encoding="utf-8")
    tokenizer = load_tokenizer(text)
    json.loads(text)
    for unit in _SAMPLES:
        sample = unit * (_SAMPLE_BYTES // len(unit.encode()))
        tokens = len(tokenizer.encode(sample, add_special_tokens=False).ids)
        if tokens > TOKENS_PER_BYTE * len(sample.encode()):
            raise ValueError(f"it makes {tokens:,} tokens of {len(sample.encode()):,} bytes")

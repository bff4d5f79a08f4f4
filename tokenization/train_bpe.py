"""Trains a byte-level BPE tokenizer (Sennrich et al. 2016; on bytes as in GPT-2) with the ``tokenizers`` library.

The result depends only on the texts of the sample, not on their order or the number of threads (tested): word counts
are sums, and the trainer breaks ties by token number. All 256 bytes are in the alphabet, whatever the sample, so every
Unicode text can be decoded exactly. Very long words and runs of signs or white space are cut for training, but not for
encoding (``pre_tokenization.LONGEST_TRAINED``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer, models, trainers

from gristmill.errors import InputError
from gristmill.tokenization.pre_tokenization import LONGEST_TRAINED, byte_characters, decoder, pre_tokenizer
from gristmill.tokenization.tokenizer_section import TokenizerSection


def train_bpe(texts: Iterable[str], section: TokenizerSection) -> str:
    """Return a ``tokenizer.json`` with at most ``section.vocab_size`` entries, as canonical JSON.

    Raises InputError if there is no text to train on.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer(section.digits, LONGEST_TRAINED)
    tokenizer.decoder = decoder()
    trainer = trainers.BpeTrainer(
        vocab_size=section.vocab_size,
        min_frequency=section.min_frequency,
        special_tokens=section.special_tokens,
        initial_alphabet=byte_characters(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_require_text(texts), trainer)
    tokenizer.pre_tokenizer = pre_tokenizer(section.digits)
    return json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _require_text(texts: Iterable[str]) -> Iterator[str]:
    size = 0
    for text in texts:
        size += len(text)
        yield text
    if size == 0:
        raise InputError(
            "the tokenizer has no text to train on: increase tokenizer.sample_bytes, or check why documents are dropped"
        )

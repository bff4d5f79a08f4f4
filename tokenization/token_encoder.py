"""Text to tokens and back.

A tokenizer trained by this package is applied word by word, with a dictionary of the words already seen (see
``pre_token``). Any other tokenizer.json goes through ``tokenizers`` as it is, a document whole, at about 15 bytes of
memory for each byte of text. Either way the tokens are those that ``tokenizers`` gives for the whole text.

Special tokens are never found in text: a page that quotes ``<|endoftext|>`` gives the tokens of those characters.
``tokenizers`` has threads of its own; set ``TOKENIZERS_PARALLELISM=false`` where workers are processes already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from gristmill.corpus.arrays import Int64s
from gristmill.errors import InputError
from gristmill.tokenization import pre_tokenization
from gristmill.tokenization.tokenizer_section import END_OF_TEXT, TokenizerSection

Tokens = npt.NDArray[Any]
"""Tokens, shape (tokens,), little-endian uint16 or uint32."""

_BATCH_CHARACTERS = 1 << 22
_REMEMBERED_WORDS = 1 << 18
_REMEMBERED_LENGTH = 128


class TokenBatch(NamedTuple):
    """Documents' tokens one after another, and each document's number of tokens (int64, shape (documents,))."""

    tokens: Tokens
    lengths: Int64s


def token_dtype(vocab_size: int) -> np.dtype[Any]:
    """How a token is stored: two bytes if the vocabulary has less than 65,500 entries, else four; little-endian."""
    return np.dtype("<u2" if vocab_size < 65_500 else "<u4")


class Encoder:
    """A tokenizer ready for use. Holds native objects: make it in a worker's ``setup``, do not pickle it."""

    def __init__(self, tokenizer_json: str, end_of_text: str = END_OF_TEXT) -> None:
        """Raises InputError for text that is not a tokenizer.json, or one without ``end_of_text``."""
        try:
            self._tokenizer = Tokenizer.from_str(tokenizer_json)
        except Exception as error:  # the library raises plain Exception
            raise InputError(f"not a tokenizer.json that the tokenizers library reads: {error}") from error
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        if end_of_text not in vocabulary:
            raise InputError(f"the tokenizer has no token {end_of_text!r}: set end_of_text to the one that it has")
        self.eos_id: int = vocabulary[end_of_text]
        self.vocab_size: int = max(vocabulary.values()) + 1
        self.dtype = token_dtype(self.vocab_size)
        digits = _own_digits(json.loads(tokenizer_json))
        self._words = pre_tokenization.known_pattern(digits).findall if digits else None
        self._remembered = _Words(self._tokenizer)

    def encode_batch(self, texts: Iterable[str]) -> TokenBatch:
        """The tokens of each text, without end-of-text tokens."""
        arrays = list(map(self._encode_known, texts) if self._words else self._encode_other(texts))
        lengths = np.fromiter(map(len, arrays), np.int64, len(arrays))
        return TokenBatch(np.concatenate([np.empty(0, self.dtype), *arrays]), lengths)

    def encode(self, text: str) -> Tokens:
        """The tokens of one text, without an end-of-text token."""
        return self.encode_batch([text]).tokens

    def decode(self, tokens: Tokens | Sequence[int]) -> str:
        """The text of ``tokens``, special tokens as they are written. Bytes that are no UTF-8 become U+FFFD."""
        return str(self._tokenizer.decode(np.asarray(tokens).tolist(), skip_special_tokens=False))

    def _encode_known(self, text: str) -> Tokens:
        tokens = chain.from_iterable(map(self._block_tokens, pre_tokenization.blocks(text)))
        return np.fromiter(tokens, self.dtype)

    def _block_tokens(self, block: tuple[str, bool]) -> Iterable[int]:
        text, known = block
        if known and self._words:
            return chain.from_iterable(map(self._remembered.__getitem__, self._words(text)))
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _encode_other(self, texts: Iterable[str]) -> Iterator[Tokens]:
        for batch in _batches(texts):
            for encoding in self._tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                yield np.array(encoding.ids, self.dtype)


def open_encoder(tokenizer_json: str, section: TokenizerSection) -> Encoder:
    """The encoder that a recipe's section asks for."""
    return Encoder(tokenizer_json, section.end_of_text)


class _Words(dict[str, tuple[int, ...]]):
    """Word → tokens, asked of the tokenizer when first met. Bounded; what it holds never changes an answer."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, word: str) -> tuple[int, ...]:
        tokens = tuple(self._tokenizer.encode(word, add_special_tokens=False).ids)
        if len(word) <= _REMEMBERED_LENGTH:
            if len(self) >= _REMEMBERED_WORDS:
                self.clear()
            self[word] = tokens
        return tokens


def _own_digits(tokenizer: dict[str, Any]) -> int | None:
    """``digits`` of a tokenizer that cuts text as ``pre_token`` does and does nothing else to it; None for another."""
    plain = (
        tokenizer.get("normalizer") is None
        and tokenizer["model"].get("type") == "BPE"
        and all(token["special"] for token in tokenizer.get("added_tokens", []))
    )
    for digits in (1, 2, 3) if plain else ():
        if tokenizer.get("pre_tokenizer") == _as_json(digits):
            return digits
    return None


def _as_json(digits: int) -> Any:
    tokenizer = Tokenizer.from_str('{"model": {"type": "BPE", "vocab": {}, "merges": []}}')
    tokenizer.pre_tokenizer = pre_tokenization.pre_tokenizer(digits)
    return json.loads(tokenizer.to_str())["pre_tokenizer"]


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for text in texts:
        if batch and size + len(text) > _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += len(text)
    if batch:
        yield batch

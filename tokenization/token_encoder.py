"""Encodes text as tokens, and decodes tokens.

A tokenizer trained by this package is applied word by word, with a cache of words (see ``pre_tokenization``). Any other
tokenizer.json is applied by ``tokenizers`` to whole documents, which takes about 15 bytes of memory per byte of text.
In both cases the tokens are those that ``tokenizers`` returns for the whole text.

Special tokens do not match in text: a page that quotes ``<|endoftext|>`` is encoded as the tokens of those characters.
``tokenizers`` starts its own threads; set ``TOKENIZERS_PARALLELISM=false`` if workers are separate processes.

A tokenizer.json that the recipe gives is first opened in a child process, as it may be made to take all memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain
from tempfile import NamedTemporaryFile
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.trial_open import Trial, require_opens
from gristmill.tokenization import pre_tokenization
from gristmill.tokenization.token_batch import TokenBatch, Tokens, token_dtype
from gristmill.tokenization.tokenizer_section import END_OF_TEXT, TokenizerSection
from gristmill.tokenization.tokenizer_trial import load_tokenizer, open_tokenizer

_BATCH_CHARACTERS = 1 << 22
_CACHED_WORDS = 1 << 18
_CACHED_LENGTH = 128

MAX_BYTES = 1 << 27
"""Size of a tokenizer.json; those of large vocabularies have about 20 MB."""

MAX_TOKEN = 1 << 24
"""Bound of the numbers of tokens: a model has a row of weights for each number below the largest."""

_TRIAL = Trial(open_tokenizer, ("tokenizers",))


class Encoder:
    """A loaded tokenizer. It holds native objects: create it in a worker's ``setup``, do not pickle it."""

    def __init__(self, tokenizer_json: str, end_of_text: str = END_OF_TEXT) -> None:
        """Load a tokenizer. Raises InputError if it is not a tokenizer.json or has no token ``end_of_text``."""
        try:
            self._tokenizer = load_tokenizer(tokenizer_json)
            digits = _digits_of_own_tokenizer(json.loads(tokenizer_json))
        except Exception as error:  # the library raises plain Exception
            raise InputError(f"the tokenizers library cannot read this tokenizer.json: {error}") from error
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        if end_of_text not in vocabulary:
            raise InputError(
                f"the tokenizer has no token {end_of_text!r}: set tokenizer.end_of_text to its end-of-text token"
            )
        self.eos_id: int = vocabulary[end_of_text]
        self.vocab_size: int = max(vocabulary.values()) + 1
        if self.vocab_size > MAX_TOKEN:
            raise InputError(
                f"the tokenizer has a token {self.vocab_size - 1:,}: number the tokens from 0, below {MAX_TOKEN:,}"
            )
        self.dtype = token_dtype(self.vocab_size)
        self._words = pre_tokenization.known_pattern(digits).findall if digits else None
        self._tokens_of_word = _WordCache(self._tokenizer)

    def encode_batch(self, texts: Iterable[str]) -> TokenBatch:
        """Return the tokens of each text, without end-of-text tokens."""
        arrays = list(map(self._encode_by_word, texts) if self._words else self._encode_whole(texts))
        lengths = np.fromiter(map(len, arrays), np.int64, len(arrays))
        return TokenBatch(np.concatenate([np.empty(0, self.dtype), *arrays]), lengths)

    def encode(self, text: str) -> Tokens:
        """Return the tokens of one text, without an end-of-text token."""
        return self.encode_batch([text]).tokens

    def decode(self, tokens: Tokens | Sequence[int]) -> str:
        """Return the text of ``tokens``, including special tokens. Invalid UTF-8 becomes U+FFFD."""
        return str(self._tokenizer.decode(np.asarray(tokens).tolist(), skip_special_tokens=False))

    def _encode_by_word(self, text: str) -> Tokens:
        tokens = chain.from_iterable(map(self._block_tokens, pre_tokenization.blocks(text)))
        return np.fromiter(tokens, self.dtype)

    def _block_tokens(self, block: tuple[str, bool]) -> Iterable[int]:
        text, known = block
        if known and self._words:
            return chain.from_iterable(map(self._tokens_of_word.__getitem__, self._words(text)))
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _encode_whole(self, texts: Iterable[str]) -> Iterator[Tokens]:
        for batch in _text_batches(texts):
            for encoding in self._tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                yield np.array(encoding.ids, self.dtype)


def read_tokenizer(url: str) -> str:
    """Return the content of a tokenizer.json. Raises InputError if it is missing or not text."""
    try:
        with storage.open_input(url) as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"no tokenizer {url}: correct tokenizer.path") from None
    except OSError as error:
        raise InputError(f"cannot read the tokenizer {url}: {error.strerror or error}") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"the tokenizer {url} has more than {MAX_BYTES:,} bytes: give a smaller one")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise InputError(f"the tokenizer {url} is not text: give a tokenizer.json of the tokenizers library") from None


def open_encoder(tokenizer_json: str, section: TokenizerSection) -> Encoder:
    """Return the encoder for a recipe section.

    Raises InputError if the tokenizer that the recipe gives cannot be opened or used; it is tried once per machine.
    """
    if section.path is not None:
        data = tokenizer_json.encode()
        with NamedTemporaryFile() as copy:
            copy.write(data)
            copy.flush()
            remedy = "give a tokenizer.json of the tokenizers library as tokenizer.path"
            require_opens(_TRIAL, copy.name, f"the tokenizer {section.path}", remedy, sha256(data).hexdigest())
    return Encoder(tokenizer_json, section.end_of_text)


class _WordCache(dict[str, tuple[int, ...]]):
    """Word → tokens, computed on first use. The size is bounded and does not affect results."""

    def __init__(self, tokenizer: Any) -> None:
        super().__init__()
        self._tokenizer = tokenizer

    def __missing__(self, word: str) -> tuple[int, ...]:
        tokens = tuple(self._tokenizer.encode(word, add_special_tokens=False).ids)
        if len(word) <= _CACHED_LENGTH:
            if len(self) >= _CACHED_WORDS:
                self.clear()
            self[word] = tokens
        return tokens


def _digits_of_own_tokenizer(tokenizer: dict[str, Any]) -> int | None:
    """Return ``digits`` if the tokenizer splits text exactly as ``pre_tokenization`` does, else None."""
    plain = (
        tokenizer.get("normalizer") is None
        and tokenizer["model"].get("type") == "BPE"
        and all(token["special"] for token in tokenizer.get("added_tokens", []))
    )
    for digits in (1, 2, 3) if plain else ():
        if tokenizer.get("pre_tokenizer") == _pre_tokenizer_json(digits):
            return digits
    return None


def _pre_tokenizer_json(digits: int) -> Any:
    tokenizer = Tokenizer.from_str('{"model": {"type": "BPE", "vocab": {}, "merges": []}}')
    tokenizer.pre_tokenizer = pre_tokenization.pre_tokenizer(digits)
    return json.loads(tokenizer.to_str())["pre_tokenizer"]


def _text_batches(texts: Iterable[str]) -> Iterator[list[str]]:
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

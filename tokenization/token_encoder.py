"""Encodes text as tokens, and decodes tokens.

The tokens are those that ``tokenizers`` returns for the whole text. Where ``gigatoken`` returns the same, it encodes
(see ``giga_encoder``). All other tokenizers, and the few texts with a character that the two libraries class
differently, are left to ``tokenizers``, which takes about 15 bytes of memory per byte of text.

Special tokens do not match in text: a page that quotes ``<|endoftext|>`` is encoded as the tokens of those characters.
``tokenizers`` starts its own threads; set ``TOKENIZERS_PARALLELISM=false`` if workers are separate processes.

A tokenizer.json that the recipe gives is first opened in a child process, as it may be made to take all memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from tempfile import NamedTemporaryFile

import numpy as np
import pyarrow as pa

from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.trial_open import Trial, require_opens
from gristmill.tokenization.code_points import differing_rows
from gristmill.tokenization.giga_encoder import GigaEncoder, exact_tokenizer, text_buffers
from gristmill.tokenization.token_batch import TokenBatch, Tokens, concatenate, token_dtype
from gristmill.tokenization.tokenizer_section import END_OF_TEXT, TokenizerSection
from gristmill.tokenization.tokenizer_trial import load_tokenizer, open_tokenizer

_BATCH_CHARACTERS = 1 << 22

MAX_BYTES = 1 << 27
"""Size of a tokenizer.json; those of large vocabularies have about 20 MB."""

MAX_TOKEN = 1 << 24
"""Bound of the numbers of tokens: a model has a row of weights for each number below the largest."""

_TRIAL = Trial(open_tokenizer, ("tokenizers",))


class Encoder:
    """A loaded tokenizer. It holds native objects: create it in a worker's ``setup``, do not pickle it."""

    def __init__(self, tokenizer_json: str, end_of_text: str = END_OF_TEXT, name: str = "the tokenizer") -> None:
        """Load a tokenizer, which errors call ``name``.

        Raises InputError if it is not a tokenizer.json or has no token ``end_of_text``.
        """
        try:
            self._tokenizer = load_tokenizer(tokenizer_json)
            exact = exact_tokenizer(tokenizer_json)
        except Exception as error:  # the library raises plain Exception
            raise InputError(f"the tokenizers library cannot read {name}: {error}") from error
        vocabulary = self._tokenizer.get_vocab(with_added_tokens=True)
        if end_of_text not in vocabulary:
            raise InputError(f"{name} has no token {end_of_text!r}: set tokenizer.end_of_text to its end-of-text token")
        self.eos_id: int = vocabulary[end_of_text]
        self.vocab_size: int = max(vocabulary.values()) + 1
        if self.vocab_size > MAX_TOKEN:
            raise InputError(
                f"{name} has a token {self.vocab_size - 1:,}: number the tokens from 0, below {MAX_TOKEN:,}"
            )
        self.dtype = token_dtype(self.vocab_size)
        self._giga = _load_giga(exact) if exact else None

    @property
    def is_accelerated(self) -> bool:
        """Whether ``gigatoken`` encodes."""
        return self._giga is not None

    def encode_column(self, texts: pa.Array | pa.ChunkedArray) -> TokenBatch:
        """Return the tokens of each text of a column of strings without nulls, without end-of-text tokens."""
        column = _one_array(texts)
        if self._giga is None or not len(column):
            return self.encode_column_slowly(column)
        slow = differing_rows(*text_buffers(column))
        if not len(slow):
            return self._giga.encode(column, self.dtype)
        fast = np.delete(np.arange(len(column)), slow)
        batches = (
            self._giga.encode(column.take(pa.array(fast)), self.dtype),
            self.encode_column_slowly(column.take(pa.array(slow))),
        )
        return concatenate(batches).select(np.argsort(np.concatenate([fast, slow])))

    def encode_column_slowly(self, texts: pa.Array) -> TokenBatch:
        """Return the same as :meth:`encode_column`, encoded by ``tokenizers``."""
        arrays = [
            np.array(encoding.ids, self.dtype)
            for batch in _text_batches(texts.to_pylist())
            for encoding in self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
        ]
        lengths = np.fromiter(map(len, arrays), np.int64, len(arrays))
        return TokenBatch(np.concatenate([np.empty(0, self.dtype), *arrays]), lengths)

    def encode_batch(self, texts: Iterable[str]) -> TokenBatch:
        """Return the tokens of each text, without end-of-text tokens."""
        return self.encode_column(pa.array(texts, pa.large_string()))

    def encode(self, text: str) -> Tokens:
        """Return the tokens of one text, without an end-of-text token."""
        return self.encode_batch([text]).tokens

    def decode(self, tokens: Tokens | Sequence[int]) -> str:
        """Return the text of ``tokens``, including special tokens. Invalid UTF-8 becomes U+FFFD."""
        return str(self._tokenizer.decode(np.asarray(tokens).tolist(), skip_special_tokens=False))


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
    if section.path is None:
        return Encoder(tokenizer_json, section.end_of_text)
    name, data = f"the tokenizer {section.path}", tokenizer_json.encode()
    with NamedTemporaryFile() as copy:
        copy.write(data)
        copy.flush()
        remedy = "give a tokenizer.json of the tokenizers library as tokenizer.path"
        require_opens(_TRIAL, copy.name, name, remedy, sha256(data).hexdigest())
    return Encoder(tokenizer_json, section.end_of_text, name)


def _load_giga(exact: str) -> GigaEncoder | None:
    try:
        return GigaEncoder(exact)
    except (RuntimeError, ValueError):  # it cannot load every tokenizer that `tokenizers` can
        return None


def _one_array(texts: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(texts, pa.ChunkedArray):  # whose `combine_chunks` copies even a single chunk
        texts = texts.chunk(0) if texts.num_chunks == 1 else texts.combine_chunks()
    return texts.cast(pa.large_string())


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

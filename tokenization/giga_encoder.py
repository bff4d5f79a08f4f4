"""Encodes columns of text with ``gigatoken``, where it returns the tokens of ``tokenizers``.

It is some forty times as fast, and differs in these ways, which are excluded here:

* it ignores much of a tokenizer.json, so only byte-level BPE with a few patterns and nothing else is accepted;
* it merges in the order of token numbers, so those of merges must ascend;
* it takes a piece of text that is in the vocabulary for that token, even if no merges lead there, and matches added
  tokens in text. Both would let a page write special tokens, so they are removed from the vocabulary;
* its Unicode tables are newer, so texts with one of ``code_points.DIFFERING`` must not be given to it.

Its caches grow with each new word, so it is loaded again from time to time. That does not affect tokens.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import awkward as ak
import gigatoken
import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer

from gristmill.corpus.arrays import Int64s, UInt8s
from gristmill.tokenization.pre_tokenization import byte_characters, pattern
from gristmill.tokenization.token_batch import TokenBatch

CACHED_BYTES = 1 << 28
"""Bytes of text between loads: prose fills half as many bytes of caches, random letters eleven times as many."""

_ONE_DIGIT = pattern(1).replace("{1,1}", "")
_PATTERNS = {pattern(3): pattern(3), pattern(1): _ONE_DIGIT, _ONE_DIGIT: _ONE_DIGIT}
"""The patterns that ``gigatoken`` applies exactly, each with an equivalent in the form that it recognizes."""

_FEATURES = ("dropout", "continuing_subword_prefix", "end_of_word_suffix", "byte_fallback")
"""Settings of a BPE model that must be off."""


class GigaEncoder:
    """A loaded tokenizer. It holds native objects: create it in a worker's ``setup``, do not pickle it."""

    def __init__(self, tokenizer_json: str) -> None:
        """Load what :func:`exact_tokenizer` returned."""
        self._json = tokenizer_json
        self._load()

    def encode(self, texts: pa.Array, dtype: np.dtype[Any]) -> TokenBatch:
        """Return the tokens of each text of a ``large_string`` column without nulls."""
        if not len(texts):
            return TokenBatch(np.empty(0, dtype), np.empty(0, np.int64))
        encoded = self._encode(*text_buffers(texts))
        return TokenBatch(ak.to_numpy(ak.flatten(encoded)).astype(dtype), ak.to_numpy(ak.num(encoded)))

    def _encode(self, data: UInt8s, offsets: Int64s) -> Any:
        self._encoded += len(data)
        if self._encoded > CACHED_BYTES:
            self._load()
        # The column as it is in memory: no Python object is made for a document.
        characters = ak.contents.NumpyArray(data, parameters={"__array__": "char"})
        rows = ak.contents.ListOffsetArray(ak.index.Index64(offsets), characters, parameters={"__array__": "string"})
        return self._tokenizer.encode_batch(ak.Array(rows), parallel=False)

    def _load(self) -> None:
        self._tokenizer = gigatoken.Tokenizer.from_json(self._json)
        self._encoded = 0


def text_buffers(texts: pa.Array) -> tuple[UInt8s, Int64s]:
    """Return the UTF-8 of a ``large_string`` column that is not empty, and where each text starts and the last ends."""
    _, offsets, data = texts.buffers()
    bounds = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    utf8 = np.frombuffer(data if data is not None else b"", np.uint8)
    return utf8[bounds[0] : bounds[-1]], bounds - bounds[0]


def exact_tokenizer(tokenizer_json: str) -> str | None:
    """Return the JSON with which ``gigatoken`` returns the tokens of ``tokenizers``, or None if there is none.

    Special tokens are taken not to match in text. Raises any exception if ``tokenizers`` cannot load the tokenizer.
    """
    tokenizer = json.loads(tokenizer_json)
    model, pre_tokenizer = tokenizer["model"], _exact_pre_tokenizer(tokenizer.get("pre_tokenizer"))
    if (
        pre_tokenizer is None
        or model.get("type") != "BPE"
        or tokenizer.get("normalizer") is not None
        or not all(token["special"] for token in tokenizer.get("added_tokens", []))
        or any(model.get(feature) for feature in _FEATURES)
    ):
        return None
    vocabulary = _exact_vocabulary(Tokenizer.from_str(tokenizer_json), model)
    if vocabulary is None:
        return None
    exact = {**tokenizer, "added_tokens": [], "pre_tokenizer": pre_tokenizer, "model": {**model, "vocab": vocabulary}}
    return json.dumps(exact)


def _exact_pre_tokenizer(pre_tokenizer: Any) -> Any:
    """Return an equivalent that ``gigatoken`` applies exactly, or None."""
    if not isinstance(pre_tokenizer, Mapping):
        return None
    if _is_byte_level(pre_tokenizer, splits=True):  # GPT-2
        return pre_tokenizer
    steps = pre_tokenizer.get("pretokenizers", [])
    if len(steps) != 2 or not _is_byte_level(steps[1], splits=False):
        return None
    split = steps[0]
    exact = _PATTERNS.get(split.get("pattern", {}).get("Regex")) if split["type"] == "Split" else None
    if exact is None or split["behavior"] != "Isolated" or split["invert"]:
        return None
    return {**pre_tokenizer, "pretokenizers": [{**split, "pattern": {"Regex": exact}}, steps[1]]}


def _is_byte_level(step: Mapping[str, Any], splits: bool) -> bool:
    """Return whether ``step`` maps bytes to characters and adds no space; ``splits``: by GPT-2's pattern as well."""
    return (
        step["type"] == "ByteLevel" and not step.get("add_prefix_space", True) and step.get("use_regex", True) == splits
    )


def _exact_vocabulary(tokenizer: Tokenizer, model: Mapping[str, Any]) -> dict[str, int] | None:
    """Return the tokens that the model makes of text; None if bytes are missing or merges are in another order."""
    vocabulary: dict[str, int] = model["vocab"]
    merges = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
    results = [vocabulary.get(first + second, -1) for first, second in merges]
    characters = frozenset(byte_characters())
    if not characters <= vocabulary.keys() or any(a >= b for a, b in pairwise(results)):
        return None
    whole_words = bool(model.get("ignore_merges"))
    made = {
        token: number
        for token, number in vocabulary.items()
        if characters.issuperset(token)
        and (whole_words or [piece.id for piece in tokenizer.model.tokenize(token)] == [number])
    }
    merged = {token for first, second in merges for token in (first, second, first + second)}
    return made if characters | merged <= made.keys() else None

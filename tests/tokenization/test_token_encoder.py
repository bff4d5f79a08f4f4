"""Encoding: exact round trips, and the fast path returns the tokens of the ``tokenizers`` library."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from gristmill.errors import InputError
from gristmill.tokenization import giga_encoder, token_encoder
from gristmill.tokenization.token_batch import token_dtype
from gristmill.tokenization.token_encoder import Encoder, open_encoder, read_tokenizer
from gristmill.tokenization.tokenizer_compression import Compression, measure_compression
from gristmill.tokenization.tokenizer_section import TokenizerSection
from gristmill.tokenization.train_bpe import train_bpe

# Characters of every class of the pattern: white space, letters, signs, digits, case folding; the last three are ones
# that `gigatoken` and `tokenizers` class differently.
AWKWARD = (
    " \t\n\r\v\f\x1c\x1f\x00\x85\xa0\u2028\u2029\u3000\u200b\u00ad"
    "'’sStTmMlLdDrReEvV\u017f\u212a0129½²Ⅷ٣aé ß一は々。、，.!-_(<|>\u0301\U0001f600ªµºЖ\u0483ย\u088f\ua7d4\U000323b0"
)
texts = st.one_of(st.text(st.sampled_from(AWKWARD), max_size=60), st.text(max_size=40))


@pytest.fixture(scope="session")
def encoder(tokenizer_json: str) -> Encoder:
    return Encoder(tokenizer_json)


@pytest.fixture(scope="session")
def reference(tokenizer_json: str) -> Callable[[str], list[int]]:
    """Return a function that encodes a whole text with the library."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.encode_special_tokens = True
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_every_text_round_trips_and_has_the_tokens_of_the_library(
    encoder: Encoder, reference: Callable[[str], list[int]], text: str
) -> None:
    tokens = encoder.encode(text)
    assert encoder.decode(tokens) == text
    assert tokens.tolist() == reference(text)


def test_one_text_of_another_class_leaves_the_others_in_their_order(
    encoder: Encoder, reference: Callable[[str], list[int]]
) -> None:
    texts = ["one", "", "x\u088fy", "two", "\U000323b0", "three\ua7d4", "", "four"]
    for column in (texts, texts[2:3], texts[:2], texts[::-1]):
        batch = encoder.encode_batch(column)
        assert [tokens.tolist() for tokens in batch.documents()] == [reference(text) for text in column]


def test_a_column_may_have_chunks_or_be_a_slice(encoder: Encoder) -> None:
    texts = ["one", "x\u088fy", "two", "three", ""]
    expected = encoder.encode_batch(texts[1:])
    chunked = pa.chunked_array([texts[1:2], [], texts[2:]], pa.string())
    for column in (chunked, pa.array(texts, pa.large_string())[1:]):
        batch = encoder.encode_column(column)
        assert (batch.tokens.tolist(), batch.lengths.tolist()) == (expected.tokens.tolist(), expected.lengths.tolist())


def test_special_tokens_in_text_are_encoded_as_text(encoder: Encoder) -> None:
    tokens = encoder.encode("a<|endoftext|>b<|user|>")
    assert encoder.eos_id == 0
    assert not np.isin(tokens, [0, 1]).any()
    assert encoder.decode(tokens) == "a<|endoftext|>b<|user|>"
    assert encoder.decode([encoder.eos_id]) == "<|endoftext|>"


def test_a_batch_is_the_concatenation_of_its_texts(encoder: Encoder) -> None:
    texts = ["The dog", "", "東京 \U0001f600"]
    batch = encoder.encode_batch(texts)
    assert batch.lengths.tolist() == [len(encoder.encode(text)) for text in texts]
    assert batch.tokens.tolist() == [token for text in texts for token in encoder.encode(text).tolist()]
    assert batch.tokens.dtype == "<u2"
    empty = encoder.encode_batch([])
    assert (len(empty.tokens), len(empty.lengths)) == (0, 0)


def test_the_caches_are_emptied_and_do_not_change_tokens(
    tokenizer_json: str, reference: Callable[[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(giga_encoder, "CACHED_BYTES", 20)
    loads = []
    load = giga_encoder.GigaEncoder._load
    monkeypatch.setattr(giga_encoder.GigaEncoder, "_load", lambda self: (loads.append(1), load(self)))
    bounded = Encoder(tokenizer_json)
    for text in ["one two three", "three two", "one two three four five six seven", "one"]:
        assert bounded.encode(text).tolist() == reference(text)
    assert len(loads) == 3  # at first, at the third text, and at the fourth, since the third has filled the caches


@pytest.mark.parametrize(("size", "dtype"), [(1, "<u2"), (65_499, "<u2"), (65_500, "<u4"), (1 << 20, "<u4")])
def test_token_type_depends_on_the_vocabulary_size(size: int, dtype: str) -> None:
    assert token_dtype(size) == np.dtype(dtype)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_numbers_are_split_into_groups_of_digits(digits: int) -> None:
    own = Encoder(train_bpe(["12345678 123456 1234"] * 9, TokenizerSection(vocab_size=512, digits=digits)))
    assert max(len(own.decode([token])) for token in own.encode("12345678").tolist()) == digits


def test_a_tokenizer_of_another_kind_is_applied_to_whole_texts(reference: Callable[[str], list[int]]) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = trainers.BpeTrainer(vocab_size=400, special_tokens=["</s>"], initial_alphabet=[], show_progress=False)
    tokenizer.train_from_iterator(["the dog's 12345 days"] * 5, special)
    tokenizer.enable_truncation(2)
    pinned = Encoder(tokenizer.to_str(), "</s>")
    assert not pinned.is_accelerated  # it lacks most bytes
    tokenizer.no_truncation()
    texts = ["the dog's days", "", "days  12345 the"]
    batch = pinned.encode_batch(texts)
    assert batch.lengths.tolist() == [len(tokenizer.encode(text).ids) for text in texts]
    assert batch.tokens.tolist() == [token for text in texts for token in tokenizer.encode(text).ids]


def test_invalid_tokenizers_are_rejected(tokenizer_json: str) -> None:
    with pytest.raises(ValueError, match=r"cannot read the tokenizer: "):
        Encoder("{}")
    with pytest.raises(ValueError, match=r"set tokenizer\.end_of_text"):
        Encoder(tokenizer_json, "</s>")


def changed(tokenizer_json: str, **parts: Any) -> str:
    return json.dumps({**json.loads(tokenizer_json), **parts})


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (
            {"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "x" * (1 << 22)}},
            "cannot load the",
        ),
        ({"normalizer": {"type": "Replace", "pattern": {"String": "a"}, "content": "x" * 99}}, "tokens of 4,096 bytes"),
        ({"model": 1}, "cannot load the tokenizer"),
        ({"more": json.loads("[" * 200 + "]" * 200)}, "cannot load the tokenizer"),
    ],
)
def test_a_tokenizer_that_takes_too_much_is_refused(
    tokenizer_json: str, tmp_path: Path, parts: dict[str, Any], reason: str
) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(changed(tokenizer_json, **parts))
    with pytest.raises(InputError, match=reason) as raised:
        open_encoder(read_tokenizer(str(path)), TokenizerSection(path=str(path)))
    assert str(path) in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_token_with_a_huge_number_is_refused(tokenizer_json: str) -> None:
    model = json.loads(tokenizer_json)["model"]
    model["vocab"]["far"] = 4_000_000_000
    with pytest.raises(InputError, match=r"has a token 4,000,000,000: number the tokens from 0, below 16,777,216"):
        Encoder(changed(tokenizer_json, model=model))


def test_a_given_tokenizer_encodes_as_before(tokenizer_json: str, tmp_path: Path, encoder: Encoder) -> None:
    path = tmp_path / "tokenizer.json"
    path.write_text(tokenizer_json)
    given = open_encoder(read_tokenizer(str(path)), TokenizerSection(path=str(path)))
    assert given.encode("The dog's 123 days").tolist() == encoder.encode("The dog's 123 days").tolist()


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "no tokenizer"), (b"\xff\xfe", "is not text"), (b"x" * 300, "more than 256 bytes")]
)
def test_the_error_for_a_file_that_is_no_tokenizer(
    tmp_path: Path, content: bytes | None, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_encoder, "MAX_BYTES", 256)
    path = tmp_path / "tokenizer.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=reason) as raised:
        read_tokenizer(str(path))
    assert str(path) in str(raised.value)


def test_compression_is_totaled_by_source_and_language(encoder: Encoder) -> None:
    rows = [("web", "en", "The dog"), ("books", None, "été"), ("web", "en", " The dog"), ("web", "ru", "")]
    names = ["source", "lang", "text"]
    tables = [
        pa.table(dict(zip(names, map(list, zip(*part, strict=True)), strict=True))) for part in (rows[:2], rows[2:])
    ]
    first, second = len(encoder.encode("The dog")), len(encoder.encode(" The dog"))
    measured = measure_compression(encoder, tables)
    assert measured == [
        Compression("books", "und", 1, 5, len(encoder.encode("été"))),
        Compression("web", "en", 2, 15, first + second),
        Compression("web", "ru", 1, 0, 0),
    ]
    assert measured[1].bytes_per_token == round(15 / (first + second), 4)
    assert measured[2].bytes_per_token == 0


@pytest.mark.parametrize("name", ["win32-docs-en", "phpdoc-ja", "phpdoc-ru", "phpdoc-zh", "phpdoc-tr", "books-en"])
def test_real_text_has_the_tokens_of_the_library(
    shared_data: Path, encoder: Encoder, reference: Callable[[str], list[int]], name: str
) -> None:
    with gzip.open(shared_data / "text" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        documents = [json.loads(line)["text"][:20_000] for line, _ in zip(file, range(25), strict=False)]
    for text in documents:
        assert encoder.encode(text).tolist() == reference(text)

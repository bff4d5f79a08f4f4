"""Encoding: exact round trips, and the fast path gives the ``tokenizers`` library's tokens of the whole text."""

from __future__ import annotations

import gzip
import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from gristmill.tokenization import pre_tokenization
from gristmill.tokenization.tokenizer_compression import Compression, measure_compression
from gristmill.tokenization.token_encoder import Encoder, token_dtype
from gristmill.tokenization.tokenizer_section import TokenizerSection
from gristmill.tokenization.train_bpe import train_bpe

# Characters that the pattern treats apart, known and unknown: white space, letters, marks, digits, case-folding traps.
AWKWARD = (
    " \t\n\r\v\f\x1c\x1f\x00\x85\xa0\u2028\u2029\u3000\u200b\u00ad"
    "'’sStTmMlLdDrReEvV\u017f\u212a0129½²Ⅷ٣aé ß一は々。、，.!-_(<|>\u0301\U0001f600ªµºЖ\u0483ย"
)
texts = st.one_of(st.text(st.sampled_from(AWKWARD), max_size=60), st.text(max_size=40))


@pytest.fixture(scope="session")
def encoder(tokenizer_json: str) -> Encoder:
    return Encoder(tokenizer_json)


@pytest.fixture(scope="session")
def reference(tokenizer_json: str) -> Callable[[str], list[int]]:
    """The tokens that the library gives for a whole text."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.encode_special_tokens = True
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False).ids)


@settings(max_examples=300, deadline=None)
@given(texts)
def test_every_text_comes_back_and_has_the_librarys_tokens(
    encoder: Encoder, reference: Callable[[str], list[int]], text: str
) -> None:
    tokens = encoder.encode(text)
    assert encoder.decode(tokens) == text
    assert tokens.tolist() == reference(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(texts, max_size=12), st.integers(1, 20))
def test_cutting_into_blocks_changes_no_token(
    encoder: Encoder, reference: Callable[[str], list[int]], parts: list[str], length: int
) -> None:
    text = "".join(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pre_token, "SHORT_BLOCK", length)
        patch.setattr(pre_token, "LONG_BLOCK", length)
        blocks = [block for block, _ in pre_tokenization.blocks(text)]
        assert "".join(blocks) == text
        assert encoder.encode(text).tolist() == reference(text)
        assert [token for block in blocks for token in reference(block)] == reference(text)


@pytest.mark.parametrize(
    ("text", "length", "blocks"),
    [
        ("one two three", 1, ["one", " two", " three"]),
        ("one two three", 3, ["one", " two", " three"]),
        ("one two three", 4, ["one two", " three"]),
        ("12 34 56", 1, ["12 34 56"]),
        ("(1)\n(2)\n\n(3)\n (4)", 1, ["(1)\n", "(2)\n\n", "(3)\n (4)"]),
        ("a\n \nb", 1, ["a", "\n \n", "b"]),
        ("", 1, []),
    ],
)
def test_blocks_end_where_the_pattern_always_cuts(
    text: str, length: int, blocks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pre_token, "LONG_BLOCK", length)
    assert [block for block, _ in pre_tokenization.blocks(text)] == blocks


def test_every_known_character_is_cut_as_the_library_cuts_it() -> None:
    split = pre_tokenizers.Split(Regex(pre_tokenization.pattern(3)), behavior="isolated")
    known = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000 and pre_tokenization.is_known(chr(code))]
    assert 30_000 < len(known) < 50_000
    letters = [c for c in known if unicodedata.category(c)[0] == "L"]
    assert len(letters) > 29_000
    # Ideographs and hangul behave alike by thousands: every 50th of them, and every other known character.
    tried = [c for i, c in enumerate(known) if c < "\u3400" or c > "\uff00" or i % 50 == 0]
    for character in tried:
        text = "a_b _ 1_2__\n_ ._'_  _".replace("_", character)
        expected = [piece for piece, _ in split.pre_tokenize_str(text)]
        assert pre_tokenization.known_pattern(3).findall(text) == expected, hex(ord(character))


def test_special_tokens_in_a_text_are_text(encoder: Encoder) -> None:
    tokens = encoder.encode("a<|endoftext|>b<|user|>")
    assert encoder.eos_id == 0
    assert not np.isin(tokens, [0, 1]).any()
    assert encoder.decode(tokens) == "a<|endoftext|>b<|user|>"
    assert encoder.decode([encoder.eos_id]) == "<|endoftext|>"


def test_a_batch_is_its_texts_one_after_another(encoder: Encoder) -> None:
    texts = ["The dog", "", "東京 \U0001f600"]
    batch = encoder.encode_batch(texts)
    assert batch.lengths.tolist() == [len(encoder.encode(text)) for text in texts]
    assert batch.tokens.tolist() == [token for text in texts for token in encoder.encode(text).tolist()]
    assert batch.tokens.dtype == "<u2"
    empty = encoder.encode_batch([])
    assert (len(empty.tokens), len(empty.lengths)) == (0, 0)


def test_remembered_words_are_bounded_and_change_nothing(
    encoder: Encoder, reference: Callable[[str], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.tokenization.token_encoder._REMEMBERED_WORDS", 3)
    monkeypatch.setattr("gristmill.tokenization.token_encoder._REMEMBERED_LENGTH", 4)
    text = "one two three four five six one two three " * 3
    assert encoder.encode(text).tolist() == reference(text)


@pytest.mark.parametrize(("size", "dtype"), [(1, "<u2"), (65_499, "<u2"), (65_500, "<u4"), (1 << 20, "<u4")])
def test_token_type_follows_the_vocabulary(size: int, dtype: str) -> None:
    assert token_dtype(size) == np.dtype(dtype)


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_digits_come_in_groups(digits: int) -> None:
    own = Encoder(train_bpe(["12345678 123456 1234"] * 9, TokenizerSection(vocab_size=512, digits=digits)))
    assert max(len(own.decode([token])) for token in own.encode("12345678").tolist()) == digits


def test_a_pinned_tokenizer_of_another_make_is_used_as_it_is(reference: Callable[[str], list[int]]) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = trainers.BpeTrainer(vocab_size=400, special_tokens=["</s>"], initial_alphabet=[], show_progress=False)
    tokenizer.train_from_iterator(["the dog's 12345 days"] * 5, special)
    tokenizer.enable_truncation(2)
    pinned = Encoder(tokenizer.to_str(), "</s>")
    tokenizer.no_truncation()
    texts = ["the dog's days", "", "days  12345 the"]
    batch = pinned.encode_batch(texts)
    assert batch.lengths.tolist() == [len(tokenizer.encode(text).ids) for text in texts]
    assert batch.tokens.tolist() == [token for text in texts for token in tokenizer.encode(text).ids]


def test_bad_tokenizers_are_refused_with_a_sentence(tokenizer_json: str) -> None:
    with pytest.raises(ValueError, match=r"not a tokenizer\.json"):
        Encoder("{}")
    with pytest.raises(ValueError, match="set end_of_text"):
        Encoder(tokenizer_json, "</s>")


def test_compression_is_summed_by_source_and_language(encoder: Encoder) -> None:
    rows = [("web", "en", "The dog"), ("books", None, "été"), ("web", "en", " The dog"), ("web", "ru", "")]
    one, two = len(encoder.encode("The dog")), len(encoder.encode(" The dog"))
    assert measure_compression(encoder, rows) == [
        Compression("books", "und", 1, 5, len(encoder.encode("été"))),
        Compression("web", "en", 2, 15, one + two),
        Compression("web", "ru", 1, 0, 0),
    ]
    assert measure_compression(encoder, rows)[1].bytes_per_token == round(15 / (one + two), 4)
    assert measure_compression(encoder, rows)[2].bytes_per_token == 0


@pytest.mark.parametrize("name", ["win32-docs-en", "phpdoc-ja", "phpdoc-ru", "phpdoc-zh", "phpdoc-tr", "books-en"])
def test_real_text_has_the_librarys_tokens(
    shared_data: Path, encoder: Encoder, reference: Callable[[str], list[int]], name: str
) -> None:
    with gzip.open(shared_data / "text" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        documents = [json.loads(line)["text"][:20_000] for line, _ in zip(file, range(25), strict=False)]
    for text in documents:
        assert encoder.encode(text).tolist() == reference(text)

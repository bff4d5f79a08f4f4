"""For which tokenizers ``gigatoken`` is exact, and that it then returns the tokens of ``tokenizers``."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from gristmill.tokenization.giga_encoder import exact_tokenizer
from gristmill.tokenization.token_encoder import Encoder
from gristmill.tokenization.tokenizer_section import TokenizerSection
from gristmill.tokenization.train_bpe import train_bpe
from tests.tokenization.conftest import TEXTS

GPT_4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def split(pattern: str, behavior: str = "Isolated", invert: bool = False, **byte_level: Any) -> dict[str, Any]:
    step = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}
    byte_level = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": False,
        "use_regex": False,
        **byte_level,
    }
    return {"type": "Sequence", "pretokenizers": [step, byte_level]}


def changed(tokenizer_json: str, model: dict[str, Any] | None = None, **parts: Any) -> str:
    tokenizer = json.loads(tokenizer_json)
    return json.dumps({**tokenizer, **parts, "model": {**tokenizer["model"], **(model or {})}})


@pytest.mark.parametrize(
    ("parts", "exact"),
    [
        ({}, True),
        ({"pre_tokenizer": split(GPT_4 % "{1,3}")}, True),
        ({"pre_tokenizer": split(GPT_4 % "{1,1}")}, True),
        ({"pre_tokenizer": split(GPT_4 % "")}, True),
        (
            {
                "pre_tokenizer": {
                    "type": "ByteLevel",
                    "add_prefix_space": False,
                    "trim_offsets": True,
                    "use_regex": True,
                }
            },
            True,
        ),
        ({"model": {"ignore_merges": True}}, True),
        ({"pre_tokenizer": split(GPT_4 % "{1,2}")}, False),
        ({"pre_tokenizer": split(GPT_4 % "{1,3}" + "|x")}, False),
        ({"pre_tokenizer": split(GPT_4 % "{1,3}", behavior="Removed")}, False),
        ({"pre_tokenizer": split(GPT_4 % "{1,3}", invert=True)}, False),
        ({"pre_tokenizer": split(GPT_4 % "{1,3}", add_prefix_space=True)}, False),
        ({"pre_tokenizer": split(GPT_4 % "{1,3}", use_regex=True)}, False),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}}, False),
        ({"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}}, False),
        ({"pre_tokenizer": {"type": "Whitespace"}}, False),
        ({"pre_tokenizer": None}, False),
        ({"normalizer": {"type": "NFC"}}, False),
        ({"model": {"dropout": 0.1}}, False),
        ({"model": {"end_of_word_suffix": "</w>"}}, False),
        ({"model": {"continuing_subword_prefix": "##"}}, False),
    ],
)
def test_for_which_tokenizers_gigatoken_is_exact(tokenizer_json: str, parts: dict[str, Any], exact: bool) -> None:
    assert (exact_tokenizer(changed(tokenizer_json, **parts)) is not None) == exact


def test_added_tokens_that_match_in_text_are_left_to_tokenizers(tokenizer_json: str) -> None:
    added = [{**token, "special": False} for token in json.loads(tokenizer_json)["added_tokens"]]
    assert exact_tokenizer(changed(tokenizer_json, added_tokens=added)) is None


def test_merges_in_another_order_than_their_tokens_are_left_to_tokenizers(tokenizer_json: str) -> None:
    model = json.loads(tokenizer_json)["model"]
    merges = model["merges"]
    assert exact_tokenizer(changed(tokenizer_json, {"merges": [merges[1], merges[0], *merges[2:]]})) is None
    vocabulary = {token: number for token, number in model["vocab"].items() if token != "a"}
    assert exact_tokenizer(changed(tokenizer_json, {"vocab": vocabulary, "merges": []})) is None


def test_a_token_that_no_text_is_encoded_as_is_not_written_by_a_page() -> None:
    """``user`` is a special token, and a word that ``gigatoken`` would look up in the vocabulary."""
    section = TokenizerSection(vocab_size=512, extra_tokens=("user", " user", "###"))
    tokenizer_json = train_bpe(TEXTS, section)
    encoder = Encoder(tokenizer_json)
    assert encoder.is_accelerated
    for text in ("user", " user", "a user", "###", "\n###\n", "<|endoftext|>"):
        tokens = encoder.encode(text)
        assert tokens.tolist() == tokenizers_tokens(tokenizer_json, text)
        assert not np.isin(tokens, range(4)).any()
        assert encoder.decode(tokens) == text


def test_a_token_that_merges_need_but_do_not_make_alone_is_left_to_tokenizers() -> None:
    """``ab`` alone is encoded with the first merge, so the vocabulary's ``abc`` is made only within a longer word."""
    characters = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = [*characters, "bc", "ab", "abc", "abcd"]
    merges = [("b", "c"), ("a", "b"), ("ab", "c"), ("abc", "d")]
    model = models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=merges)
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    assert [piece.value for piece in model.tokenize("abc")] == ["a", "bc"]
    assert exact_tokenizer(tokenizer.to_str()) is None


@pytest.mark.parametrize("kind", ["WordPiece", "Unigram", "normalizer", "SentencePiece"])
def test_other_kinds_are_left_to_tokenizers(kind: str) -> None:
    tokenizer = _trained(kind)
    encoder = Encoder(tokenizer.to_str(), "</s>")
    assert not encoder.is_accelerated
    texts = ["the quick dog", "", "naïve É"]
    batch = encoder.encode_batch(texts)
    assert [tokens.tolist() for tokens in batch.documents()] == [
        tokenizer.encode(text, add_special_tokens=False).ids for text in texts
    ]


def _trained(kind: str) -> Tokenizer:
    options: dict[str, Any] = {"special_tokens": ["</s>", "[UNK]"], "vocab_size": 300, "show_progress": False}
    if kind == "WordPiece":
        tokenizer, trainer = Tokenizer(models.WordPiece(unk_token="[UNK]")), trainers.WordPieceTrainer(**options)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    elif kind == "Unigram":
        tokenizer, trainer = Tokenizer(models.Unigram()), trainers.UnigramTrainer(unk_token="[UNK]", **options)
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    else:
        bytes_too = kind == "SentencePiece"
        tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", byte_fallback=bytes_too))
        tokenizer.normalizer = normalizers.Prepend("▁") if bytes_too else normalizers.Lowercase()
        tokenizer.pre_tokenizer = None if bytes_too else pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), **options)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


texts = st.text(st.sampled_from("ab1 2\t\n\r'sS\u017f\u00a0\u3000é一の-!½\U0001f600\u0301\x00\x85\u200b"), max_size=40)


@settings(max_examples=150, deadline=None)
@given(texts, st.sampled_from(["GPT-2", "{1,3}", "{1,1}", ""]))
def test_every_exact_pattern_splits_as_tokenizers_does(text: str, pattern: str) -> None:
    encoder, tokenizer_json = _PATTERNS[pattern]
    assert encoder.encode(text).tolist() == tokenizers_tokens(tokenizer_json, text)


def _with_pattern(pattern: str) -> tuple[Encoder, str]:
    tokenizer_json = train_bpe([*TEXTS, "ab1 2'sé一の-!½ " * 9], TokenizerSection(vocab_size=600))
    gpt_2 = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    tokenizer_json = changed(tokenizer_json, pre_tokenizer=gpt_2 if pattern == "GPT-2" else split(GPT_4 % pattern))
    encoder = Encoder(tokenizer_json)
    assert encoder.is_accelerated
    return encoder, tokenizer_json


_PATTERNS = {pattern: _with_pattern(pattern) for pattern in ("GPT-2", "{1,3}", "{1,1}", "")}


def tokenizers_tokens(tokenizer_json: str, text: str) -> list[int]:
    tokenizer = Tokenizer.from_str(tokenizer_json)
    tokenizer.encode_special_tokens = True
    return list(tokenizer.encode(text, add_special_tokens=False).ids)

"""Training a tokenizer: the result does not depend on the order of texts or the number of threads."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tokenizers import Regex, pre_tokenizers

from gristmill.tokenization.pre_tokenization import LONGEST_TRAINED, pattern
from gristmill.tokenization.token_encoder import Encoder
from gristmill.tokenization.tokenizer_section import TokenizerSection, TokenizeSection
from gristmill.tokenization.train_bpe import train_bpe

# Many pairs with equal counts, so that most merges depend on how ties are broken.
TIES = [f"{a}{b}{c}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvwx"] * 2
PROGRAM = """
import random, sys
from gristmill.tokenization.tokenizer_section import TokenizerSection
from gristmill.tokenization.train_bpe import train_bpe
texts = [f"{a}{b}{c}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvwx"] * 2
random.Random(int(sys.argv[1])).shuffle(texts)
print(train_bpe(texts, TokenizerSection(vocab_size=600)))
"""


def test_training_does_not_depend_on_order_or_threads() -> None:
    expected = train_bpe(TIES, TokenizerSection(vocab_size=600))
    shuffled = random.Random(5).sample(TIES, len(TIES))
    assert train_bpe(shuffled, TokenizerSection(vocab_size=600)) == expected
    for threads in ("1", "3"):
        environment = os.environ | {"RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        run = subprocess.run([sys.executable, "-c", PROGRAM, threads], env=environment, capture_output=True, check=True)
        assert run.stdout.decode().rstrip("\n") == expected


def test_the_vocabulary_has_special_tokens_first_and_all_bytes(tokenizer_json: str, section: TokenizerSection) -> None:
    tokenizer = json.loads(tokenizer_json)
    vocabulary = tokenizer["model"]["vocab"]
    assert [vocabulary[token] for token in section.special_tokens] == [0, 1]
    assert sum(len(token) == 1 for token in vocabulary) == 256
    assert len(vocabulary) == section.vocab_size
    assert tokenizer_json == json.dumps(tokenizer, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize("texts", [[], [""]])
def test_training_without_text_is_an_error(texts: list[str]) -> None:
    with pytest.raises(ValueError, match="has no text"):
        train_bpe(texts, TokenizerSection())


def test_min_frequency_is_a_threshold() -> None:
    def merges(times: int) -> int:
        section = TokenizerSection(vocab_size=600, min_frequency=4)
        return len(json.loads(train_bpe(["xy"] * times, section))["model"]["merges"])

    assert (merges(3), merges(4)) == (0, 1)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("vocab_size", 511),
        ("extra_tokens", ("<|endoftext|>",)),
        ("extra_tokens", ("",)),
        ("extra_tokens", tuple(map(str, range(256)))),
        ("digits", 4),
        ("unknown", 1),
    ],
)
def test_invalid_sections_are_rejected(key: str, value: object) -> None:
    with pytest.raises(ValidationError):
        TokenizerSection.model_validate({"vocab_size": 512, key: value})


@pytest.mark.parametrize(("buckets", "good"), [(1, True), (2, True), (3, False), (64, True), (65, False), (0, False)])
def test_buckets_are_a_power_of_two(buckets: int, good: bool) -> None:
    if good:
        assert TokenizeSection(buckets=buckets).buckets == buckets
    else:
        with pytest.raises(ValidationError):
            TokenizeSection(buckets=buckets)


def pieces(text: str, longest: int | None) -> list[str]:
    split = pre_tokenizers.Split(Regex(pattern(3, longest)), behavior="isolated")
    return [piece for piece, _ in split.pre_tokenize_str(text)]


@given(st.text(st.sampled_from("aé一1 \t\n\r'sS-!\u0301"), max_size=60))
def test_only_long_runs_are_cut(text: str) -> None:
    assert pieces(text, 64) == pieces(text, None)
    short = pieces(text, 2)
    assert "".join(short) == text
    assert max(map(len, short), default=0) <= 5  # a space, two signs and two line ends


@pytest.mark.parametrize("run", ["-", " ", "\n", "a", "一", " \n", "é\u0301"])
def test_a_long_run_is_cut_at_every_so_many_characters(run: str) -> None:
    cut = pieces(run * 5000, LONGEST_TRAINED)
    assert "".join(cut) == run * 5000
    assert max(map(len, cut)) <= 2 * LONGEST_TRAINED


@pytest.mark.parametrize("name", ["dashes", "spaces", "DNA", "Han"])
@pytest.mark.timeout(60)
def test_a_megabyte_without_a_split_is_trained_and_encoded(name: str) -> None:
    """Training on 300,000 dashes used to take a minute and a half, and on a megabyte did not end."""
    generator = random.Random(1)
    text = {
        "dashes": "-" * 1_000_000,
        "spaces": " " * 1_000_000,
        "DNA": "".join(generator.choices("ACGT", k=1_000_000)),
        "Han": "".join(map(chr, generator.choices(range(0x4E00, 0x5E00), k=333_000))),
    }[name]
    encoder = Encoder(train_bpe([text, "The dog"], TokenizerSection(vocab_size=2000)))
    assert encoder.is_accelerated
    batch = encoder.encode_batch([text, "The dog"])
    assert encoder.decode(batch.documents()[0]) == text
    assert batch.documents()[0].tolist() == encoder.encode(text).tolist()

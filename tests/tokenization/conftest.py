"""A small trained tokenizer for the tests of this package."""

from __future__ import annotations

import pytest

from gristmill.tokenization.tokenizer_section import TokenizerSection
from gristmill.tokenization.train_bpe import train_bpe

TEXTS = [
    "The quick brown fox jumps over the lazy dog. It's the dog's day, isn't it?\n\nYes, they'll say so.\n",
    "Жил-был пёс. Пёс был старый, но добрый; он жил у реки.\r\nРека была широкая.",
    "In 1984 there were 12345678 reasons = 3.14159, ½ of them £20.50 — “quoted”.\tTabs  and   spaces \n  indented",
    "東京は日本の首都です。人口は約1400万人。\u3000人々は「はい」と言う。",
    "def f(x):\n    return x ** 2  # square\n\n\nprint(f(10))\n",
] * 20


@pytest.fixture(scope="session")
def section() -> TokenizerSection:
    return TokenizerSection(vocab_size=512, extra_tokens=("<|user|>",))


@pytest.fixture(scope="session")
def tokenizer_json(section: TokenizerSection) -> str:
    return train_bpe(TEXTS, section)

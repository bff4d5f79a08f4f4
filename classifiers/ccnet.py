"""Normalizes text for language models as CCNet does (Wenzek et al. 2020, "CCNet: Extracting High Quality Monolingual
Datasets from Web Crawl Data").

As in CCNet, text is lower-cased, accents are removed and every digit becomes 0. CCNet then applies a SentencePiece
model per language; here tokens are the words of ``corpus.words`` (characters in Chinese, Japanese, Thai, …), which need
no second model. So perplexities differ from those of CCNet's models; only percentiles of a reference set are
comparable.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from gristmill.corpus.character_tables import order_marks
from gristmill.corpus.words import words

_DIGITS = re.compile(r"\d")
_END = "N"
"""Marks the end of a line. Text is lower-cased, so no word equals it."""
_LINE_END = f"\n{_END}\n"


def ccnet_normalize(text: str) -> str:
    """``text`` in lower case, without accents and with every digit as 0."""
    text = text.lower()
    if not text.isascii():
        decomposed = unicodedata.normalize("NFD", order_marks(text, "NFD"))
        text = "".join(c for c in decomposed if unicodedata.category(c) != "Mn")
    return _DIGITS.sub("0", text)


def sentences(text: str) -> Iterator[list[str]]:
    """Yield the tokens of each line of ``text`` that has any."""
    tokens: list[str] = []
    for word in words(f"{ccnet_normalize(text)}\n".replace("\n", _LINE_END)):  # one call, as each is slow
        if word != _END:
            tokens.append(word)
        elif tokens:
            yield tokens
            tokens = []

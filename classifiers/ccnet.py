"""Text as CCNet's language models see it (Wenzek et al. 2020, "CCNet: Extracting High Quality Monolingual Datasets").

Lower case, no accents, every digit a 0, as CCNet's normaliser has it. CCNet cuts that into SentencePiece's pieces by a
model per language; here tokens are the words of ``corpus.words`` (characters in Chinese, Japanese, Thai …), which need
no second model. So perplexities are not those of CCNet's own models, and percentiles of a reference are what counts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from gristmill.corpus.words import words

_DIGITS = re.compile(r"\d")
_END = "N"
"""The end of a line as a word; no other is written so, in lower case."""
_LINE_END = f"\n{_END}\n"


def normalised(text: str) -> str:
    """``text`` in lower case, without accents, digits as 0."""
    text = text.lower()
    if not text.isascii():
        text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
    return _DIGITS.sub("0", text)


def sentences(text: str) -> Iterator[list[str]]:
    """The tokens of every line of ``text`` that has any."""
    found: list[str] = []
    for word in words(f"{normalised(text)}\n".replace("\n", _LINE_END)):  # all lines at once: words cost by the call
        if word != _END:
            found.append(word)
        elif found:
            yield found
            found = []

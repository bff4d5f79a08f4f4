"""The compression of a tokenizer: bytes of UTF-8 per token, by source and language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from gristmill.tokenization.token_encoder import Encoder


class Compression(NamedTuple):
    """Totals of the documents of one source in one language; ``lang`` is ``und`` if it is unknown."""

    source: str
    lang: str
    documents: int
    bytes: int
    tokens: int

    @property
    def bytes_per_token(self) -> float:
        """Rounded to 4 digits; 0 without tokens."""
        return round(self.bytes / self.tokens, 4) if self.tokens else 0.0


def measure_compression(encoder: Encoder, documents: Iterable[tuple[str, str | None, str]]) -> list[Compression]:
    """Return totals of ``documents`` (source, language, text) without end-of-text tokens, by source and language."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for source, lang, text in documents:
        group = sums[source, lang or "und"]
        group[0] += 1
        group[1] += len(text.encode())
        group[2] += len(encoder.encode(text))
    return [Compression(source, lang, *group) for (source, lang), group in sorted(sums.items())]

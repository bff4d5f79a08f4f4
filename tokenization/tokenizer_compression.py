"""The compression of a tokenizer: bytes of UTF-8 per token, by source and language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

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


def measure_compression(encoder: Encoder, documents: Iterable[pa.Table]) -> list[Compression]:
    """Return totals of ``documents`` (``source``, ``lang``, ``text``) without end-of-text tokens.

    They are sorted by source and language.
    """
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for table in documents:
        columns = {
            "source": table["source"].cast(pa.string()),
            "lang": pc.fill_null(table["lang"].cast(pa.string()), "und"),
            "bytes": pc.binary_length(table["text"]),
            "tokens": pa.array(encoder.encode_column(table["text"]).lengths),
        }
        groups = pa.table(columns).group_by(["source", "lang"])
        amounts = groups.aggregate([("bytes", "count"), ("bytes", "sum"), ("tokens", "sum")])
        for row in amounts.to_pylist():
            group = sums[row["source"], row["lang"] or "und"]
            for place, name in enumerate(("bytes_count", "bytes_sum", "tokens_sum")):
                group[place] += row[name]
    return [Compression(source, lang, *group) for (source, lang), group in sorted(sums.items())]

"""Prints the table ``code_points.DIFFERING``: ``python -m gristmill.tokenization.derive_code_points``.

Every code point is put between letters, between digits, between punctuation marks and between apostrophes, and encoded
with both libraries. The vocabulary holds all bytes, and a merge of each of these neighbours with every byte on either
side: so the tokens tell where text was split. With an ordinary vocabulary nearly all differences would go unnoticed,
since rare characters are not merged with anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer, models

from gristmill.tokenization.giga_encoder import GigaEncoder, exact_tokenizer
from gristmill.tokenization.pre_tokenization import byte_characters

NEIGHBOURS = "a1!'"
_CHUNK = 256


def probe_tokenizer(pre_tokenizer: Any) -> str:
    """Return a tokenizer.json with ``pre_tokenizer``, whose tokens tell where text next to a neighbour is split."""
    characters = byte_characters()
    pairs = [
        pair for neighbour in NEIGHBOURS for other in characters for pair in ((neighbour, other), (other, neighbour))
    ]
    pairs = list(dict.fromkeys(pairs))
    words = [*characters, *map("".join, pairs)]
    tokenizer = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=pairs))
    tokenizer.pre_tokenizer = pre_tokenizer
    return str(tokenizer.to_str())


def differing_ranges(tokenizer_json: str, code_points: Sequence[int]) -> list[tuple[int, int]]:
    """Return the first and last of each range of ``code_points``, ascending, that the two libraries encode differently.

    Raises ValueError if ``gigatoken`` cannot apply the tokenizer.
    """
    exact = exact_tokenizer(tokenizer_json)
    if exact is None:
        raise ValueError("gigatoken is not exact for this tokenizer")
    giga, reference = GigaEncoder(exact), Tokenizer.from_str(tokenizer_json)
    chunks = [code_points[start : start + _CHUNK] for start in range(0, len(code_points), _CHUNK)]
    suspects = [code for chunk in _differing(giga, reference, chunks) for code in chunk]
    ranges: list[tuple[int, int]] = []
    for (code,) in _differing(giga, reference, [(code,) for code in suspects]):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = ranges[-1][0], code
        else:
            ranges.append((code, code))
    return ranges


def all_code_points() -> list[int]:
    """Return all code points but surrogates, which no text holds."""
    return [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def _differing(giga: GigaEncoder, reference: Tokenizer, groups: Sequence[Sequence[int]]) -> Iterator[Sequence[int]]:
    """Yield the groups of code points in which the tokens of at least one differ."""
    texts = ["\n".join(_between(neighbour, group) for neighbour in NEIGHBOURS) for group in groups]
    batch = giga.encode(pa.array(texts, pa.large_string()), np.dtype("<u4"))
    encoded = np.split(batch.tokens, np.cumsum(batch.lengths)[:-1])
    for group, text, tokens in zip(groups, texts, encoded, strict=False):
        if tokens.tolist() != reference.encode(text, add_special_tokens=False).ids:
            yield group


def _between(neighbour: str, group: Sequence[int]) -> str:
    return neighbour + neighbour.join(map(chr, group)) + neighbour


def main() -> None:
    """Print the ranges for the pattern of tokenizers that Gristmill trains."""
    from gristmill.tokenization.pre_tokenization import pre_tokenizer

    for first, last in differing_ranges(probe_tokenizer(pre_tokenizer(3)), all_code_points()):
        print(f"    (0x{first:04X}, 0x{last:04X}),")


if __name__ == "__main__":
    main()

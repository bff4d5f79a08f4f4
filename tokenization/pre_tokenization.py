r"""Splits text before BPE: the pattern, and the mapping of bytes to characters.

The pattern is GPT-4's (OpenAI, tiktoken ``cl100k_base``): contractions, words with at most one sign or space before
them, digits in short groups, runs of punctuation, line ends, and other white space.
"""

from __future__ import annotations

from typing import Any

from tokenizers import Regex, decoders, pre_tokenizers

LONGEST_TRAINED = 256
"""Characters of a word, or of a run of signs or white space, that training takes as one; longer ones are cut.

Training takes time quadratic in their length: 300,000 dashes took 90 seconds, and a million did not end. Encoding does
not, so there they are never cut.
"""


def pattern(digits: int, longest: int | None = None) -> str:
    """Return the pattern in Oniguruma's syntax, with digits in groups of at most ``digits``.

    With ``longest``, runs of more characters are cut; text without such runs is split as before.
    """
    some, any_number = ("+", "*") if longest is None else (f"{{1,{longest}}}", f"{{0,{longest}}}")
    return (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
        rf"|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}{some}"
        rf"|\p{{N}}{{1,{digits}}}"
        rf"| ?[^\s\p{{L}}\p{{N}}]{some}[\r\n]{any_number}"
        rf"|\s{any_number}[\r\n]{some}"
        rf"|\s{some}(?!\S)"
        rf"|\s{some}"
    )


def pre_tokenizer(digits: int, longest: int | None = None) -> Any:
    """Return the pattern followed by a mapping of bytes to printable characters (GPT-2, Radford et al. 2019)."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern(digits, longest)), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )


def decoder() -> Any:
    """Return the inverse of the mapping of bytes."""
    return decoders.ByteLevel()


def byte_characters() -> list[str]:
    """Return the characters that bytes are mapped to, in a fixed order."""
    return sorted(pre_tokenizers.ByteLevel.alphabet())

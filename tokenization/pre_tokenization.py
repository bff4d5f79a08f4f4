r"""Splits text before BPE: the pattern, and a fast way to apply it that does not change a token.

The pattern is GPT-4's (OpenAI, tiktoken ``cl100k_base``): contractions, words with at most one sign or space before
them, digits in short groups, runs of punctuation, line ends, and other white space. ``tokenizers`` applies it with
Oniguruma at about 4 MB/s. Python's ``re`` with a cache of words is several times faster, but has no ``\p{L}``, and its
character classes grow with each Unicode version. So a character is *known* if it is ASCII, or in a range that has
consisted of only letters, or only signs, for many Unicode versions. On known characters ``known_pattern`` equals the
pattern. Text with other characters is split by ``tokenizers``.

For this, text is divided into blocks only where the pattern always splits, whatever the context:

* between a letter and white space: no alternative continues after a letter with anything but a letter, and none that
  ends in letters looks ahead;
* between a line end and a character that is not white space: alternatives that contain a line end finish with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tokenizers import Regex, decoders, pre_tokenizers

_LETTERS = (
    "A-Za-z"
    "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e\u0180-\u024f\u1e00-\u1eff"  # Latin; U+017F would match (?i:'s)
    "\u0391-\u03a1\u03a3-\u03ce"  # Greek
    "\u0400-\u0481\u048a-\u0513"  # Cyrillic
    "\u05d0-\u05ea\u0621-\u063a\u0641-\u064a"  # Hebrew, Arabic without points
    "\u3005\u3041-\u3096\u30a1-\u30fa\u30fc-\u30fe\u3400-\u4db5\u4e00-\u9fa5\uac00-\ud7a3"  # kana, ideographs, hangul
)
_SIGNS = (
    "\u00a1-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7"  # Latin-1 signs
    "\u2010-\u2027\u2030-\u205e\u20a0-\u20b5\u2190-\u21ff\u2500-\u25ff"  # dashes, quotes, currencies, arrows, boxes
    "\u3001-\u3003\u3008-\u3011\u30fb\uff01-\uff0f\uff1a-\uff20"  # ideographic and full-width punctuation
)
_SPACES = " \t\n\v\f\r\u00a0\u2000-\u200a\u202f\u205f\u3000"
_DIGITS = "0-9"

_UNKNOWN = re.compile(f"[^\0-\x7f{_SPACES}{_LETTERS}{_SIGNS}]")
_SPLIT = re.compile(f"(?<=[{_LETTERS}])(?=[{_SPACES}])|(?<=\n)(?=[!-~{_LETTERS}{_SIGNS}])")

SHORT_BLOCK = 256
"""Characters of a block of text with unknown characters: few, so that few known ones are split the slow way."""
LONG_BLOCK = 1 << 20
"""Characters of a block of known text: bounds the memory of a very long document."""


def pattern(digits: int) -> str:
    """Return the pattern in Oniguruma's syntax, with digits in groups of at most ``digits``."""
    return (
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
        r"|[^\r\n\p{L}\p{N}]?\p{L}+"
        rf"|\p{{N}}{{1,{digits}}}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+"
        r"|\s+(?!\S)"
        r"|\s+"
    )


def known_pattern(digits: int) -> re.Pattern[str]:
    """Return the same pattern for text of known characters, in Python's syntax."""
    return re.compile(
        r"'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
        rf"|[^\r\n{_LETTERS}{_DIGITS}]?[{_LETTERS}]+"
        rf"|[{_DIGITS}]{{1,{digits}}}"
        rf"| ?[^{_SPACES}{_LETTERS}{_DIGITS}]+[\r\n]*"
        rf"|[{_SPACES}]*[\r\n]+"
        rf"|[{_SPACES}]+(?![^{_SPACES}])"
        rf"|[{_SPACES}]+"
    )


def pre_tokenizer(digits: int) -> Any:
    """Return the pattern followed by a mapping of bytes to printable characters (GPT-2, Radford et al. 2019)."""
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern(digits)), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False),
        ]
    )


def decoder() -> Any:
    """Return the inverse of the mapping of bytes."""
    return decoders.ByteLevel()


def blocks(text: str) -> Iterator[tuple[str, bool]]:
    """Yield blocks of ``text``, and whether each has only known characters."""
    known = is_known(text)
    length = LONG_BLOCK if known else SHORT_BLOCK
    start = 0
    while start < len(text):
        split = _SPLIT.search(text, start + length)
        end = split.start() if split else len(text)
        block = text[start:end]
        yield block, known or is_known(block)
        start = end


def is_known(text: str) -> bool:
    """Return whether ``text`` has only known characters, so that :func:`known_pattern` applies."""
    return text.isascii() or _UNKNOWN.search(text) is None

"""How much of a text it says again: lines and paragraphs, of Gopher's table A1 (Rae et al. 2021).

What occurs again counts, its first occurrence does not. Shares are of the characters in lines and in paragraphs, spaces
around them left out; datatrove's ``GopherRepetitionFilter`` takes them of the whole text and strips no line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

REPETITION_SIGNALS: dict[str, str] = {
    "duplicate_lines": "Share of lines that stood before in the text, of lines that are not blank.",
    "duplicate_line_chars": "Share of the characters of lines that is in lines that stood before.",
    "duplicate_paragraphs": "Share of paragraphs (parted by blank lines) that stood before in the text.",
    "duplicate_paragraph_chars": "Share of the characters of paragraphs that is in paragraphs that stood before.",
}

_BLANK_LINES = re.compile(r"\n\s*\n")


def repetition(text: str, lines: Sequence[str]) -> tuple[float, ...]:
    """The values of ``REPETITION_SIGNALS``, in order. ``lines`` are stripped, and without blank ones."""
    paragraphs = [paragraph for paragraph in map(str.strip, _BLANK_LINES.split(text)) if paragraph]
    return (*_duplicates(lines), *_duplicates(paragraphs))


def _duplicates(parts: Sequence[str]) -> tuple[float, float]:
    """Share of parts that stood before, and of the characters in them; zeros where there are none."""
    if not parts:
        return 0.0, 0.0
    distinct = set(parts)
    return 1 - len(distinct) / len(parts), 1 - sum(map(len, distinct)) / sum(map(len, parts))

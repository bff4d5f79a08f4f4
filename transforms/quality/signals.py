"""What is measured on a text, by name. A signal knows no threshold.

Values are rounded to four digits and fit a float32 column: what is compared when a document is judged from memory is,
to the bit, what is compared when it is judged from disk. How each is counted is the variant's: ``paper`` goes by the
wording of the papers, ``datatrove`` and ``dclm`` do as those tools do. The names, and so rules, are the same.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gristmill.transforms.quality.ngram_repetition import DUPLICATE_N, TOP_N

SIGNALS: dict[str, str] = {
    "characters": "Code points in the text.",
    "lines": "Lines that are not blank.",
    "words": "Words.",
    "word_length": "Mean length of a word in code points. 0 without words.",
    "hash_ratio": "Number signs (#) for each word, or in all where there is no word.",
    "ellipsis_ratio": "Ellipses (… or ...) for each word, or in all where there is no word.",
    "bullet_lines": "Share of lines that begin with a bullet.",
    "ellipsis_lines": "Share of lines that end with an ellipsis.",
    "alphabetic_words": "Share of tokens between spaces with a letter, of those with a letter or digit. 0 without any.",
    "stop_words": "How many different stop words of the language occur. Not measured (NaN) where it has no list.",
    "duplicate_lines": "Share of lines that stood before in the text.",
    "duplicate_line_chars": "Share of the characters of lines that is in lines that stood before.",
    "duplicate_paragraphs": "Share of paragraphs (parted by blank lines) that stood before in the text.",
    "duplicate_paragraph_chars": "Share of the characters of paragraphs that is in paragraphs that stood before.",
    **{f"top_{n}_gram": f"Share of characters in the most frequent {n}-gram of words, if it repeats." for n in TOP_N},
    **{f"duplicate_{n}_grams": f"Share of characters in {n}-grams of words that repeat." for n in DUPLICATE_N},
    "sentences": "Sentences in the lines that are not cut.",
    "lorem_ipsum": "Occurrences of 'lorem ipsum'.",
    "curly_brackets": "Opening curly brackets.",
    "cut_words": "Share of words in lines that are cut, or of which something is cut that stands there by rote.",
    "line_punctuation": "Share of lines that end with a terminal mark, of those that are not cut.",
    "short_lines": "Share of lines of less than 30 characters (10 where characters are words), of those not cut.",
    "repeated_line_chars": "Share of characters in lines that stood before, of lines that are not cut.",
    "newlines": "Lines that are not cut for each word in them.",
    "long_lines": "Lines of at least 200 characters.",
    "technical_characters": "Share of the characters 0-9{}+/()>.",
}
"""Name of each signal, in the order of the columns, and what it measures in the variant ``paper``."""

DIGITS = 4
"""Signals, scores and thresholds are rounded to this many digits before they are stored or compared."""


def stored(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """``values`` as a float32 column gives them back."""
    return values.round(DIGITS).astype(np.float32)

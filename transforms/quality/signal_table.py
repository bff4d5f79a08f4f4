"""Names and meanings of the signals, in the order of their columns. Signals know no thresholds.

Values are rounded to four digits and stored as float32, so a document judged from memory and one judged from disk are
compared by the same bits. Each variant counts in its own way: ``paper`` follows the wording of the papers,
``datatrove`` and ``dclm`` follow those tools' code. Names, and therefore rules, are the same in all variants.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from gristmill.transforms.quality.common_signals import COMMON_SIGNALS
from gristmill.transforms.quality.repeated_ngrams import DUPLICATE_N, TOP_N

Variant: TypeAlias = Literal["paper", "datatrove", "dclm"]

SIGNALS: dict[str, str] = {
    "characters": "Number of code points in the text.",
    "lines": "Number of lines that are not blank.",
    "words": "Number of words.",
    "word_length": "Mean word length in code points. 0 if there are no words.",
    "hash_ratio": "Number signs (#) per word; their number if there are no words.",
    "ellipsis_ratio": "Ellipses (… or ...) per word; their number if there are no words.",
    "bullet_lines": "Share of lines that start with a bullet.",
    "ellipsis_lines": "Share of lines that end with an ellipsis.",
    "alphabetic_words": "Share of whitespace-separated tokens with a letter, among those with a letter or digit. 0 "
    "if there are none.",
    "stop_words": "Number of different stop words of the language. Not measured (NaN) for languages without a list.",
    "duplicate_lines": "Share of lines that repeat an earlier line of the text.",
    "duplicate_line_chars": "Share of the characters in lines that is in duplicate lines.",
    "duplicate_paragraphs": "Share of paragraphs (separated by blank lines) that repeat an earlier one of the text.",
    "duplicate_paragraph_chars": "Share of the characters in paragraphs that is in duplicate paragraphs.",
    **{f"top_{n}_gram": f"Share of characters in the most frequent {n}-gram of words, if it repeats." for n in TOP_N},
    **{f"duplicate_{n}_grams": f"Share of characters in {n}-grams of words that repeat." for n in DUPLICATE_N},
    "sentences": "Number of sentences in lines that are not cut.",
    "lorem_ipsum": "Number of occurrences of 'lorem ipsum'.",
    "curly_brackets": "Number of opening curly brackets.",
    "cut_words": "Share of words in lines that are cut, or from which boilerplate is cut.",
    "line_punctuation": "Share of lines that end with a terminal punctuation mark, among lines that are not cut.",
    "short_lines": "Share of lines shorter than 30 characters (10 in languages without spaces), among lines that are "
    "not cut.",
    "repeated_line_chars": "Share of characters in duplicate lines, among lines that are not cut.",
    "newlines": "Lines that are not cut, per word in them.",
    **{name: signal.description for name, signal in COMMON_SIGNALS.items()},
}
"""What each signal measures in the variant ``paper``."""

"""datatrove's filters, by rule or family. ``peers/verdicts.py`` and ``peers/filters.py`` run it in its environment.

    python run_filters.py verdicts TEXTS     # JSONL of texts to JSONL of {rule: kept}; null if the filter fails
    python run_filters.py seconds TEXTS      # {family: processor time in seconds}

For the verdict of a rule all other rules of its filter are off. ``fineweb`` is the chain of ``examples/fineweb.py``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

from datatrove.data import Document
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
)

Filter = Any

_QUALITY_OFF: dict[str, Any] = dict.fromkeys(
    (
        "min_doc_words",
        "max_doc_words",
        "min_avg_word_length",
        "max_avg_word_length",
        "max_symbol_word_ratio",
        "max_bullet_lines_ratio",
        "max_ellipsis_lines_ratio",
        "max_non_alpha_words_ratio",
        "min_stop_words",
    )
)
_REPETITION_OFF: dict[str, Any] = {
    **dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac")),
    "top_n_grams": (),
    "dup_n_grams": (),
}
_C4_OFF: dict[str, Any] = {"min_num_sentences": -1, "filter_lorem_ipsum": False, "filter_curly_bracket": False}
_FINEWEB_OFF: dict[str, Any] = {
    "line_punct_thr": 0.0,
    "short_line_thr": 1.0,
    "char_duplicates_ratio": 1.0,
    "new_line_ratio": float("inf"),
}


def rules() -> dict[str, Callable[[str], bool | None]]:
    """Return, by rule, a function that returns whether a text passes."""
    quality: dict[str, dict[str, Any]] = {
        "words_min": {"min_doc_words": 50},
        "words_max": {"max_doc_words": 100000},
        "word_length_min": {"min_avg_word_length": 3},
        "word_length_max": {"max_avg_word_length": 10},
        "bullet_lines": {"max_bullet_lines_ratio": 0.9},
        "ellipsis_lines": {"max_ellipsis_lines_ratio": 0.3},
        "alphabetic_words": {"max_non_alpha_words_ratio": 0.8},
        "stop_words": {"min_stop_words": 2},
    }
    repetition: dict[str, dict[str, Any]] = {
        "duplicate_lines": {"dup_line_frac": 0.3},
        "duplicate_line_chars": {"dup_line_char_frac": 0.2},
        "duplicate_paragraphs": {"dup_para_frac": 0.3},
        "duplicate_paragraph_chars": {"dup_para_char_frac": 0.2},
        **{f"top_{n}_gram": {"top_n_grams": ((n, t),)} for n, t in ((2, 0.2), (3, 0.18), (4, 0.16))},
        **{f"duplicate_{n}_grams": {"dup_n_grams": ((n, (20 - n) / 100),)} for n in range(5, 11)},
    }
    c4: dict[str, dict[str, Any]] = {
        "sentences": {"min_num_sentences": 5},
        "lorem_ipsum": {"filter_lorem_ipsum": True},
        "curly_brackets": {"filter_curly_bracket": True},
    }
    fineweb: dict[str, dict[str, Any]] = {
        "line_punctuation": {"line_punct_thr": 0.12},
        "short_lines": {"short_line_thr": 0.67},
        "repeated_line_chars": {"char_duplicates_ratio": 0.01},
        "newlines": {"new_line_ratio": 0.3},
    }
    symbols = GopherQualityFilter(**_QUALITY_OFF | {"max_symbol_word_ratio": 0.1})
    chain = [filter for family in families().values() for filter in family]
    return {
        **{name: _passes(GopherQualityFilter(**_QUALITY_OFF | one)) for name, one in quality.items()},
        "hashes": lambda text: _symbol(symbols, text, "gopher_too_many_hashes"),
        "ellipses": lambda text: _symbol(symbols, text, "gopher_too_many_ellipsis"),
        **{name: _passes(GopherRepetitionFilter(**_REPETITION_OFF | one)) for name, one in repetition.items()},
        **{name: _passes(C4QualityFilter(**_C4_OFF | one)) for name, one in c4.items()},
        **{name: _passes(FineWebQualityFilter(**_FINEWEB_OFF | one)) for name, one in fineweb.items()},
        "fineweb": lambda text: _chain(chain, text),
    }


def families() -> dict[str, list[Filter]]:
    """Return the filters of FineWeb in its order, by family."""
    return {
        "repetition": [GopherRepetitionFilter()],
        "quality": [GopherQualityFilter()],
        "c4": [C4QualityFilter(filter_no_terminal_punct=False)],
        "fineweb": [FineWebQualityFilter()],
    }


def seconds(texts: Sequence[str]) -> dict[str, float]:
    """Return the time of each family alone, and of all of them (which tokenize each text once), on every text."""
    by_family = {name: _seconds(filters, texts) for name, filters in families().items()}
    return {**by_family, "all": _seconds([filter for filters in families().values() for filter in filters], texts)}


def _seconds(filters: Sequence[Filter], texts: Sequence[str]) -> float:
    from datatrove.utils.text import split_into_parts

    _run(filters, texts[0])
    split_into_parts.cache_clear()
    start = time.process_time()
    for text in texts:
        _run(filters, text)
    return time.process_time() - start


def _run(filters: Sequence[Filter], text: str) -> None:
    for filter in filters:
        with suppress(ZeroDivisionError):  # texts without words
            filter.filter(Document(text=text, id=""))


def _passes(filter: Filter) -> Callable[[str], bool | None]:
    return lambda text: _verdict(filter, Document(text=text, id=""))


def _verdict(filter: Filter, document: Document) -> bool | None:
    try:
        verdict = filter.filter(document)
    except ZeroDivisionError:
        return None
    return verdict if isinstance(verdict, bool) else None if verdict[1] == "empty" else verdict[0]


def _symbol(filter: Filter, text: str, reason: str) -> bool | None:
    """One option of the filter is two rules: the verdict of this one is unknown if the other drops the text first."""
    try:
        verdict = filter.filter(Document(text=text, id=""))
    except ZeroDivisionError:
        return None
    return True if isinstance(verdict, bool) else False if verdict[1] == reason else None


def _chain(filters: Sequence[Filter], text: str) -> bool | None:
    document = Document(text=text, id="")
    try:
        return all(filter.filter(document) is True for filter in filters)
    except ZeroDivisionError:
        return None


def _texts(path: str) -> Iterator[str]:
    with open(path, encoding="utf-8") as file:
        yield from map(json.loads, file)


if __name__ == "__main__":
    task, path = sys.argv[1:]
    if task == "seconds":
        print(json.dumps(seconds(list(_texts(path)))))
    else:
        checks = rules()
        for text in _texts(path):
            print(json.dumps({name: check(text) for name, check in checks.items()}))

"""Measures the signals of texts, and what line rules cut, with the variant and line rules of a recipe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from gristmill.classifiers.score import round_scores
from gristmill.corpus.arrays import Float32s, Float64s
from gristmill.transforms.quality import character_flags, line_rules
from gristmill.transforms.quality.common_signals import TECHNICAL_CHARACTERS
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.line_rules import Cut
from gristmill.transforms.quality.line_rules_section import LINE_RULE_NAMES, LineRuleName, LineRules
from gristmill.transforms.quality.signal_table import SIGNALS, Variant
from gristmill.transforms.quality.text_batch import batch_slices

MeasureBatch: TypeAlias = Callable[[Sequence[str], Sequence[str | None], LineRules], tuple[Mapping[str, Float64s], Cut]]

_MODULES: dict[Variant, str] = {
    "paper": "gristmill.transforms.quality.paper_variant",
    "datatrove": "gristmill.transforms.quality.datatrove_variant",
    "dclm": "gristmill.transforms.quality.dclm_variant",
}


def signal_tables(variant: Variant) -> dict[str, Any]:
    """Return the names, word lists, phrases, patterns and character sets that determine a variant's signals and cuts.

    They are plain JSON, to be part of the key of the stage ``signals``.
    """
    return {
        "signals": SIGNALS,
        "characters": {**character_flags.TABLES, "technical": TECHNICAL_CHARACTERS},
        "line_rules": line_rules.TABLES,
        "variant": import_module(_MODULES[variant]).TABLES,
    }


class TextCut(NamedTuple):
    """The characters from ``start`` to ``end`` (exclusive) of a text, which a line rule cuts."""

    start: int
    end: int
    rule: LineRuleName


class Measurements(NamedTuple):
    """``signals`` by name, float32 [documents], NaN if not measured; ``cuts`` of each document, in order."""

    signals: dict[str, Float32s]
    cuts: list[list[TextCut]]


def measure_texts(
    texts: Sequence[str], langs: Sequence[str | None], sources: Sequence[str], section: JudgeSection
) -> Measurements:
    """Return the signals and cuts of each text, by the variant and the line rules of ``section`` and its overlays.

    Raises ValueError if the lengths differ.
    """
    rows_by_rules: defaultdict[LineRules, list[int]] = defaultdict(list)
    for row, (_, lang, source) in enumerate(zip(texts, langs, sources, strict=True)):
        rows_by_rules[section.line_rules(lang, source)].append(row)
    measure_batch: MeasureBatch = import_module(_MODULES[section.variant]).measure_batch
    signals = {name: np.empty(len(texts), np.float32) for name in SIGNALS}
    cuts: list[list[TextCut]] = [[] for _ in texts]
    for rules, rows in rows_by_rules.items():
        for part in batch_slices(len(texts[row]) for row in rows):
            batch_rows = rows[part]
            values, cut = measure_batch([texts[row] for row in batch_rows], [langs[row] for row in batch_rows], rules)
            for name, column in signals.items():
                column[batch_rows] = round_scores(values[name])
            for index, text_cut in _text_cuts([len(texts[row]) for row in batch_rows], cut):
                cuts[batch_rows[index]].append(text_cut)
    return Measurements(signals, cuts)


def measure_text(
    text: str, lang: str | None, source: str = "", section: JudgeSection | None = None
) -> dict[str, float]:
    """Return every signal of one text as its float32 column stores it, NaN if it is not measured."""
    measurements = measure_texts([text], [lang], [source], section or JudgeSection())
    return {name: float(column[0]) for name, column in measurements.signals.items()}


def _text_cuts(lengths: Sequence[int], cut: Cut) -> list[tuple[int, TextCut]]:
    """Return each span with the index of its document, relative to the document's start. The line feed that a batch
    adds to a text is not part of it.
    """
    offsets = np.concatenate([[0], np.cumsum(np.array(lengths, np.int64) + 1)])
    documents = np.searchsorted(offsets, cut.starts, side="right") - 1
    starts = cut.starts - offsets[documents]
    ends = np.minimum(cut.ends - offsets[documents], np.diff(offsets)[documents] - 1)
    spans = zip(documents.tolist(), starts.tolist(), ends.tolist(), cut.span_rules.tolist(), strict=True)
    return [(document, TextCut(start, end, LINE_RULE_NAMES[rule])) for document, start, end, rule in spans]

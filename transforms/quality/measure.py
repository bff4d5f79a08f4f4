"""Texts to signals and cuts, with the variant and the line rules that a recipe names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gristmill.transforms.quality.judge_section import JudgeSection, LineRules
from gristmill.transforms.quality.line_rules import Cut
from gristmill.transforms.quality.rule_names import LINE_RULE_NAMES, LineRuleName, Variant
from gristmill.transforms.quality.signals import SIGNALS, stored
from gristmill.transforms.quality.text_batch import batches

MeasureBatch: TypeAlias = Callable[
    [Sequence[str], Sequence[str | None], LineRules], tuple[Mapping[str, NDArray[np.float64]], Cut]
]

_MODULES: dict[Variant, str] = {
    name: f"gristmill.transforms.quality.{name}_variant" for name in ("paper", "datatrove", "dclm")
}


class TextCut(NamedTuple):
    """Characters ``start`` to ``end`` (exclusive) of a text are cut by a line rule."""

    start: int
    end: int
    rule: LineRuleName


class Measured(NamedTuple):
    """``signals`` float32 [documents] by name, as their columns hold them; ``cuts`` of each document, in order."""

    signals: dict[str, NDArray[np.float32]]
    cuts: list[list[TextCut]]


def measure_texts(
    texts: Sequence[str], langs: Sequence[str | None], sources: Sequence[str], section: JudgeSection
) -> Measured:
    """Signals and cuts of each text. Of ``section``, the variant and the line rules are asked, overlays included.

    Raises ValueError where the lengths differ.
    """
    by_rules: defaultdict[LineRules, list[int]] = defaultdict(list)
    for row, (_, lang, source) in enumerate(zip(texts, langs, sources, strict=True)):
        by_rules[section.line_rules(lang, source)].append(row)
    measure: MeasureBatch = import_module(_MODULES[section.variant]).measure_batch
    signals = {name: np.empty(len(texts), np.float32) for name in SIGNALS}
    cuts: list[list[TextCut]] = [[] for _ in texts]
    for rules, rows in by_rules.items():
        for part in batches(len(texts[row]) for row in rows):
            members = rows[part]
            values, cut = measure([texts[row] for row in members], [langs[row] for row in members], rules)
            for name, column in signals.items():
                column[members] = stored(values[name])
            for row, found in _by_document([len(texts[row]) for row in members], cut):
                cuts[members[row]].append(found)
    return Measured(signals, cuts)


def signals(text: str, lang: str | None, source: str = "", section: JudgeSection | None = None) -> dict[str, float]:
    """Every signal of one text, as its float32 column holds it; NaN where it is not measured."""
    measured = measure_texts([text], [lang], [source], section or JudgeSection())
    return {name: float(column[0]) for name, column in measured.signals.items()}


def _by_document(lengths: Sequence[int], cut: Cut) -> list[tuple[int, TextCut]]:
    """Each span with its document, from the document's start; a last line's break is not the text's own."""
    edges = np.concatenate([[0], np.cumsum(np.array(lengths, np.int64) + 1)])
    rows = np.searchsorted(edges, cut.starts, side="right") - 1
    starts = cut.starts - edges[rows]
    ends = np.minimum(cut.ends - edges[rows], np.diff(edges)[rows] - 1)
    spans = zip(rows.tolist(), starts.tolist(), ends.tolist(), cut.kinds.tolist(), strict=True)
    return [(row, TextCut(start, end, LINE_RULE_NAMES[kind])) for row, start, end, kind in spans]

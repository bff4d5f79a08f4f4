"""Signals and verdicts as Arrow tables: the sidecars that lie row by row beside the documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.transforms.quality.judge_rules import RULES, Failures, judge
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.measure import measure_texts
from gristmill.transforms.quality.rule_names import RULE_NAMES
from gristmill.transforms.quality.signals import SIGNALS

CUT_TYPE = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("rule", pa.string())])

SIGNALS_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.float32(), metadata={"description": meaning}) for name, meaning in SIGNALS.items()),
        pa.field("cuts", pa.list_(CUT_TYPE), nullable=False),
    ]
)
"""A float32 column for each signal, null where it is not measured; and ``cuts``, what the line rules take out of the
document if it stays: sorted half-open ranges of its characters (code points) that do not overlap."""

FAILURE_TYPE = pa.struct([("rule", pa.string()), ("value", pa.float32()), ("threshold", pa.float32())])

VERDICTS_SCHEMA = pa.schema(
    [
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("reason", pa.dictionary(pa.int8(), pa.string())),
        pa.field("value", pa.float32()),
        pa.field("threshold", pa.float32()),
        pa.field("also", pa.list_(FAILURE_TYPE), nullable=False),
    ]
)
"""``reason`` is the first rule that the document fails, with the ``value`` that it has and the ``threshold`` that it
misses, null for one that is kept; ``also`` the others, in order. The rule ``language`` has no numbers."""


def measure(
    texts: Sequence[str], langs: Sequence[str | None], sources: Sequence[str], section: JudgeSection
) -> pa.RecordBatch:
    """The signals and cuts of each text, with ``SIGNALS_SCHEMA``. Raises ValueError where the lengths differ."""
    measured = measure_texts(texts, langs, sources, section)
    columns = [pa.array(column, pa.float32(), from_pandas=True) for column in measured.signals.values()]
    cuts = [[cut._asdict() for cut in row] for row in measured.cuts]
    return pa.RecordBatch.from_arrays([*columns, pa.array(cuts, pa.list_(CUT_TYPE))], schema=SIGNALS_SCHEMA)


RULE_COLUMNS = tuple(dict.fromkeys(rule.signal for rule in RULES.values() if rule.signal != "lang_score"))
"""The columns of sidecars that rules look at."""


def verdicts(signals: pa.Table, documents: pa.Table, section: JudgeSection) -> pa.Table:
    """One verdict for each row, with ``VERDICTS_SCHEMA``.

    ``signals`` has the columns that rules look at (``RULE_COLUMNS``), of one sidecar or more; of ``documents``, whose
    rows are the same, ``lang``, ``lang_score`` and ``source`` are read.
    Raises ValueError where the numbers of rows differ.
    """
    if len(signals) != len(documents):
        raise ValueError(f"{len(signals)} rows of signals for {len(documents)} documents: measure them again")
    langs, lang_names = _encoded(documents["lang"])
    sources, source_names = _encoded(documents["source"])
    pairs, groups = np.unique(langs * len(source_names) + sources, return_inverse=True)
    policies = [
        section.policy(lang_names[pair // len(source_names)], source_names[pair % len(source_names)])
        for pair in pairs.tolist()
    ]
    columns = {name: floats(signals[name]) for name in RULE_COLUMNS}
    columns["lang_score"] = floats(documents["lang_score"])
    return _table(judge(columns, groups.astype(np.int64), policies), len(documents))


def _table(failures: Failures, rows: int) -> pa.Table:
    counts = np.bincount(failures.documents, minlength=rows)
    firsts = np.cumsum(counts) - counts
    kept = counts == 0
    names = pa.array(RULE_NAMES, pa.string())
    given = failures.rules, _numbers(failures.values), _numbers(failures.thresholds)
    chosen = pa.array(firsts, mask=kept)
    reasons, values, thresholds = (pa.array(column).take(chosen) for column in given)
    others = np.ones(len(failures.rules), bool)
    others[firsts[~kept]] = False
    rules, *numbers = (pa.array(column).filter(pa.array(others)) for column in given)
    also = pa.StructArray.from_arrays([names.take(rules), *numbers], fields=list(FAILURE_TYPE))
    offsets = np.concatenate([[0], np.cumsum(counts - ~kept)])
    columns = [
        pa.array(kept),
        pa.DictionaryArray.from_arrays(reasons, names),
        values,
        thresholds,
        pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), also),
    ]
    return pa.Table.from_arrays(columns, schema=VERDICTS_SCHEMA)


def _numbers(values: NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float32(), from_pandas=True)


def _encoded(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str | None]]:
    """Each row's place in the list of distinct values, null being one of them."""
    plain = column.cast(pa.string()).combine_chunks()
    encoded = plain.dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def floats(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """A float column with NaN for null: float32 [rows]."""
    values: NDArray[np.float32] = column.to_numpy().astype(np.float32, copy=False)
    return values

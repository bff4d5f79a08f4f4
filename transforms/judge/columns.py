"""Signals and verdicts as Arrow tables: the sidecars that lie row by row beside the documents."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gristmill.transforms.judge.rules import Failures, judge
from gristmill.transforms.judge.section import RULE_NAMES, JudgeSection
from gristmill.transforms.judge.signals import SIGNALS, signals

SIGNALS_SCHEMA = pa.schema(
    [pa.field(name, pa.float32(), metadata={"description": meaning}) for name, meaning in SIGNALS.items()]
)
"""A float32 column for each signal; null where it is not measured."""

VERDICTS_SCHEMA = pa.schema(
    [
        pa.field("kept", pa.bool_(), nullable=False),
        pa.field("reason", pa.dictionary(pa.int8(), pa.string())),
        pa.field("also", pa.list_(pa.string()), nullable=False),
    ]
)
"""``reason`` is the first rule that the document fails, null for one that is kept; ``also`` the others, in order."""


def measure(texts: Sequence[str], langs: Sequence[str | None]) -> pa.RecordBatch:
    """The signals of each text, with ``SIGNALS_SCHEMA``. Raises ValueError where the lengths differ."""
    values = np.empty((len(SIGNALS), len(texts)), np.float32)
    for row, (text, lang) in enumerate(zip(texts, langs, strict=True)):
        values[:, row] = list(signals(text, lang).values())
    columns = [pa.array(column, pa.float32(), from_pandas=True) for column in values]
    return pa.RecordBatch.from_arrays(columns, schema=SIGNALS_SCHEMA)


def verdicts(signals: pa.Table, documents: pa.Table, section: JudgeSection) -> pa.Table:
    """One verdict for each row, with ``VERDICTS_SCHEMA``.

    ``signals`` has ``SIGNALS_SCHEMA``; of ``documents``, whose rows are the same, ``lang``, ``lang_score`` and
    ``source`` are read. Raises ValueError where the numbers of rows differ.
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
    columns = {name: _floats(signals[name]) for name in SIGNALS}
    columns["lang_score"] = _floats(documents["lang_score"])
    return _table(judge(columns, groups.astype(np.int64), policies), len(documents))


def _table(failures: Failures, rows: int) -> pa.Table:
    counts = np.bincount(failures.documents, minlength=rows)
    firsts = np.cumsum(counts) - counts
    kept = counts == 0
    reasons = (
        pa.array(failures.rules.take(firsts, mode="clip"), mask=kept)
        if len(failures.rules)
        else pa.nulls(rows, pa.int8())
    )
    others = np.ones(len(failures.rules), bool)
    others[firsts[~kept]] = False
    offsets = np.concatenate([[0], np.cumsum(counts - ~kept)])
    names = pa.array(RULE_NAMES, pa.string())
    also = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), names.take(pa.array(failures.rules[others])))
    reason = pa.DictionaryArray.from_arrays(reasons, names)
    return pa.Table.from_arrays([pa.array(kept), reason, also], schema=VERDICTS_SCHEMA)


def _encoded(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str | None]]:
    """Each row's place in the list of distinct values, null being one of them."""
    plain = column.cast(pa.string()).combine_chunks()
    encoded = plain.dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def _floats(column: pa.ChunkedArray) -> NDArray[np.float32]:
    values: NDArray[np.float32] = column.to_numpy().astype(np.float32, copy=False)
    return values

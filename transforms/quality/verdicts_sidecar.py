"""The sidecar ``verdicts``: an Arrow table with a row per document, computed from stored signals."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Float32s, Float64s, Int64s
from gristmill.transforms.quality.apply_rules import Failures, find_failures
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.rule_table import RULE_NAMES, RULES

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
"""``reason`` is the first rule that the document fails, ``value`` the document's and ``threshold`` the rule's; all
three are null if the document is kept. ``also`` lists the other rules that it fails, in order. ``language`` has no
numbers."""

RULE_COLUMNS = tuple(dict.fromkeys(rule.signal for rule in RULES.values() if rule.signal != "lang_score"))
"""The columns of sidecars that rules compare."""


def judge_table(signals: pa.Table, documents: pa.Table, section: JudgeSection) -> pa.Table:
    """Return a verdict per row, with ``VERDICTS_SCHEMA``.

    ``signals`` has the ``RULE_COLUMNS``, from one or more sidecars. ``documents`` has the same rows; its columns
    ``lang``, ``lang_score`` and ``source`` are read. Raises ValueError if the numbers of rows differ.
    """
    if len(signals) != len(documents):
        raise ValueError(f"{len(signals)} rows of signals, but {len(documents)} documents; measure the signals again")
    langs, lang_names = _encode(documents["lang"])
    sources, source_names = _encode(documents["source"])
    pairs, groups = np.unique(langs * len(source_names) + sources, return_inverse=True)
    policies = [
        section.policy(lang_names[pair // len(source_names)], source_names[pair % len(source_names)])
        for pair in pairs.tolist()
    ]
    columns = {name: float_array(signals[name]) for name in RULE_COLUMNS}
    columns["lang_score"] = float_array(documents["lang_score"])
    return _verdicts(find_failures(columns, groups.astype(np.int64), policies), len(documents))


def _verdicts(failures: Failures, rows: int) -> pa.Table:
    counts = np.bincount(failures.documents, minlength=rows)
    first_failures = np.cumsum(counts) - counts
    kept = counts == 0
    names = pa.array(RULE_NAMES, pa.string())
    columns = failures.rules, _float_column(failures.values), _float_column(failures.thresholds)
    reason_indices = pa.array(first_failures, mask=kept)
    reasons, values, thresholds = (pa.array(column).take(reason_indices) for column in columns)
    is_other = np.ones(len(failures.rules), bool)
    is_other[first_failures[~kept]] = False
    other_rules, *other_numbers = (pa.array(column).filter(pa.array(is_other)) for column in columns)
    also = pa.StructArray.from_arrays([names.take(other_rules), *other_numbers], fields=list(FAILURE_TYPE))
    offsets = np.concatenate([[0], np.cumsum(counts - ~kept)])
    return pa.Table.from_arrays(
        [
            pa.array(kept),
            pa.DictionaryArray.from_arrays(reasons, names),
            values,
            thresholds,
            pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), also),
        ],
        schema=VERDICTS_SCHEMA,
    )


def _float_column(values: Float64s) -> pa.Array:
    return pa.array(values, pa.float32(), from_pandas=True)


def _encode(column: pa.ChunkedArray) -> tuple[Int64s, list[str | None]]:
    """Return the index of each row's value in the list of distinct values, which may include null; and that list."""
    plain = column.cast(pa.string()).combine_chunks()
    encoded = plain.dictionary_encode(null_encoding="encode")
    return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()


def float_array(column: pa.ChunkedArray) -> Float32s:
    """Return a float column as an array, float32 [rows], with NaN for null."""
    values: Float32s = column.to_numpy().astype(np.float32, copy=False)
    return values

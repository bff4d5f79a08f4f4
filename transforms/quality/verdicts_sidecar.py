"""The sidecar ``verdicts``: an Arrow table with a row per document, computed from signals, metadata and scores."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gristmill.corpus.arrays import Float32s, Float64s, Int64s
from gristmill.transforms.quality.apply_rules import Failures, find_failures
from gristmill.transforms.quality.judge_section import JudgeSection, Policy
from gristmill.transforms.quality.meta_rules import meta_failures, meta_reason
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
three are null if the document is kept. ``also`` lists the other rules that it fails, in order. ``language``
and rules on strings or missing metadata have no numbers."""

RULE_COLUMNS = tuple(dict.fromkeys(rule.signal for rule in RULES.values() if rule.signal != "lang_score"))
"""The columns of sidecars that rules compare."""


def judge_table(signals: pa.Table, documents: pa.Table, section: JudgeSection) -> pa.Table:
    """Return a verdict per row on signals and metadata, with ``VERDICTS_SCHEMA``.

    ``signals`` has the ``RULE_COLUMNS``, from one or more sidecars. ``documents`` has the same rows; its columns
    ``document_columns(section)`` are read. Raises ValueError if the numbers of rows differ.
    """
    if len(signals) != len(documents):
        raise ValueError(f"{len(signals)} rows of signals, but {len(documents)} documents; measure the signals again")
    groups, policies = policy_groups(documents, section)
    columns = {name: float_array(signals[name]) for name in RULE_COLUMNS}
    columns["lang_score"] = float_array(documents["lang_score"])
    verdicts = _verdicts(find_failures(columns, groups, policies), len(documents))
    if not any(policy.meta for policy in policies):
        return verdicts
    failures = list(meta_failures(documents["meta"], groups, [policy.meta for policy in policies]))
    rows = np.array([row for row, _, _ in failures], np.int64)
    names = pa.array([meta_reason(column) for _, column, _ in failures], pa.string())
    values, thresholds = (pa.array([failure[n] for *_, failure in failures], pa.float32()) for n in range(2))
    return add_failures(
        verdicts, rows, pa.StructArray.from_arrays([names, values, thresholds], fields=list(FAILURE_TYPE))
    )


def document_columns(section: JudgeSection) -> tuple[str, ...]:
    """Return the columns of documents that rules need, beside those of sidecars."""
    return (*POLICY_COLUMNS, "lang_score", *(["meta"] if section.uses_meta else []))


POLICY_COLUMNS = ("source", "lang")
"""The columns of documents that determine which policy applies."""


def policy_groups(documents: pa.Table, section: JudgeSection) -> tuple[Int64s, list[Policy]]:
    """Return the index of each document's policy, and the policies. The ``POLICY_COLUMNS`` are read."""
    langs, lang_names = _encode(documents["lang"])
    sources, source_names = _encode(documents["source"])
    pairs, groups = np.unique(langs * len(source_names) + sources, return_inverse=True)
    policies = [
        section.policy(lang_names[pair // len(source_names)], source_names[pair % len(source_names)])
        for pair in pairs.tolist()
    ]
    return groups.astype(np.int64), policies


def add_failures(verdicts: pa.Table, rows: Int64s, failures: pa.StructArray) -> pa.Table:
    """Return ``verdicts`` updated with ``failures`` (``FAILURE_TYPE``) of the documents ``rows``, which are sorted.

    A document that was kept so far is dropped by the first of its failures. All others are appended to ``also``.
    """
    kept = verdicts["kept"].to_numpy()
    is_reason = kept[rows] & np.append(True, rows[1:] != rows[:-1])[: len(rows)]
    changed = np.zeros(len(kept), bool)
    changed[rows[is_reason]] = True
    reasons = failures.filter(pa.array(is_reason))

    def replaced(name: str, values: pa.Array) -> pa.Array:
        plain = verdicts[name].combine_chunks()
        return pc.replace_with_mask(plain.cast(values.type), pa.array(changed), values)

    return pa.Table.from_arrays(
        [
            pa.array(kept & ~changed),
            replaced("reason", reasons.field("rule")).dictionary_encode().cast(VERDICTS_SCHEMA.field("reason").type),
            replaced("value", reasons.field("value")),
            replaced("threshold", reasons.field("threshold")),
            _append(verdicts["also"].combine_chunks(), failures.filter(pa.array(~is_reason)), rows[~is_reason]),
        ],
        schema=VERDICTS_SCHEMA,
    )


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


def _append(lists: pa.ListArray, items: pa.StructArray, rows: Int64s) -> pa.ListArray:
    """Return ``lists`` with each of ``items`` appended to the list of its row."""
    list_rows = np.concatenate([pc.list_parent_indices(lists).to_numpy(), rows])
    order = np.argsort(list_rows, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(list_rows, minlength=len(lists)))])
    values = pa.concat_arrays([lists.flatten(), items]).take(pa.array(order))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)


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

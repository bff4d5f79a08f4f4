"""The sidecar ``signals``: an Arrow table with a row per document."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.measure_signals import measure_texts
from gristmill.transforms.quality.signal_table import SIGNALS

CUT_TYPE = pa.struct([("start", pa.int64()), ("end", pa.int64()), ("rule", pa.string())])

SIGNALS_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.float32(), metadata={"description": meaning}) for name, meaning in SIGNALS.items()),
        pa.field("cuts", pa.list_(CUT_TYPE), nullable=False),
    ]
)
"""A float32 column per signal, null if it is not measured; and ``cuts``, what the line rules cut out of the document if
it is kept: sorted, disjoint, half-open ranges of its characters (code points)."""


def measure_table(
    texts: Sequence[str], langs: Sequence[str | None], sources: Sequence[str], section: JudgeSection
) -> pa.RecordBatch:
    """Return the signals and cuts of each text, with ``SIGNALS_SCHEMA``. Raises ValueError if the lengths differ."""
    measurements = measure_texts(texts, langs, sources, section)
    columns = [pa.array(column, pa.float32(), from_pandas=True) for column in measurements.signals.values()]
    cuts = [[cut._asdict() for cut in row] for row in measurements.cuts]
    return pa.RecordBatch.from_arrays([*columns, pa.array(cuts, pa.list_(CUT_TYPE))], schema=SIGNALS_SCHEMA)

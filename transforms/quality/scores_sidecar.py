"""The sidecar ``scores``: a float32 column per scorer, written with the scorers' keys so that later runs can reuse it.

A score that an earlier run computed for the same document with an equal scorer is read instead of computed, but only
for documents that this run scores, too. So after a cheap rule is loosened, an expensive scorer sees only the new
documents, and the file is the one that a fresh run would write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gristmill.corpus.arrays import Float32s
from gristmill.corpus.record import UnitSummary
from gristmill.errors import RunError
from gristmill.store.attempts import Attempt
from gristmill.store.counts import RecordCounts
from gristmill.store.stage_directory import open_table
from gristmill.transforms.core.row_blocks import AlignedFiles, FileColumns, SidecarWriter, read_blocks, set_columns
from gristmill.transforms.quality.score_blocks import EARLIER_PREFIX
from gristmill.transforms.quality.verdicts_sidecar import float_array

SCORER_KEYS = "scorers"
"""Name of the summary in receipts that holds the key of each column's scorer."""


class ScoreWork(NamedTuple):
    """A document file to score.

    Attributes:
        aligned: The file and its sidecars.
        earlier: Columns of score files for the same documents by earlier runs, with their scorers' keys.
    """

    aligned: AlignedFiles
    earlier: tuple[tuple[FileColumns, str], ...]


def read_score_blocks(work: ScoreWork) -> Iterator[pa.Table | UnitSummary]:
    """Yield the blocks of a document file, with the scores of earlier runs in a column per scorer key, then a
    ``UnitSummary``.

    Raises RunError if the files are not aligned.
    """
    opened = [(open_table(columns.url), columns.names[0], key) for columns, key in work.earlier]
    try:
        for group, block in enumerate(read_blocks(work.aligned)):
            if isinstance(block, UnitSummary):
                yield block
                return
            earlier: dict[str, Float32s] = {}
            for file, name, key in opened:
                scores = float_array(file.read_row_group(group, [name])[name])
                if len(scores) != len(block):
                    raise RunError(
                        f"the scores of an earlier run are not row-aligned with the documents in row group {group}; "
                        "delete that run's scores"
                    )
                known = earlier.get(EARLIER_PREFIX + key, scores)
                earlier[EARLIER_PREFIX + key] = np.where(np.isnan(known), scores, known)
            yield set_columns(block, earlier)
    finally:
        for file, _, _ in opened:
            file.close(force=True)


class ScoresWriter(SidecarWriter):
    """Writes scores, and each column's scorer key into the receipt.

    Attributes:
        keys: Each column's scorer key.
    """

    def __init__(self, keys: Mapping[str, str], attempt: Attempt) -> None:
        super().__init__("scores", pa.schema([pa.field(name, pa.float32()) for name in keys]), attempt)
        self.keys = keys

    def finish(self, end: UnitSummary) -> tuple[RecordCounts, Mapping[str, Any]]:
        counts, _ = super().finish(end)
        return counts, {SCORER_KEYS: dict(self.keys)}

"""Initial weights from a counter-based generator, so that each process draws only the rows that it holds.

A row depends on the seed, the parameter's name and the row's index only: every layout starts from the same model.
"""

from __future__ import annotations

from hashlib import sha256

import numpy as np

from gristmill.corpus.arrays import Float32s
from gristmill.training.llama_decoder import INIT_STD

_WRITES_TO_RESIDUAL = ("o_proj.weight", "down_proj.weight")


def initial_rows(name: str, seed: int, layers: int, first_row: int, rows: int, width: int) -> Float32s:
    """Return the rows ``first_row`` to ``first_row + rows`` of the matrix ``name``, shape (rows, width).

    Values are normal with standard deviation 0.02. Matrices that write to the residual stream are scaled by
    1 / √(2 × layers), so that the variance of the stream does not grow with depth (GPT-2, Radford et al. 2019).
    """
    deviation = INIT_STD / ((2 * layers) ** 0.5 if name.endswith(_WRITES_TO_RESIDUAL) else 1)
    key = int.from_bytes(sha256(f"{seed}/{name}".encode()).digest()[:16], "little")
    values = np.empty((rows, width), np.float32)
    for row in range(rows):
        generator = np.random.Generator(np.random.Philox(key=key, counter=(first_row + row) << 128))
        generator.standard_normal(out=values[row], dtype=np.float32)
    values *= np.float32(deviation)
    return values

"""Other trainers' own packages read exports bit for bit."""

from __future__ import annotations

from argparse import Namespace

import pytest

from benchmarks.robustness.foreign_readers import VOCABULARIES, measure
from gristmill.mixing.export.format_table import FORMATS


@pytest.mark.slow
def test_no_export_is_read_differently() -> None:
    pairs = len(FORMATS) * len(VOCABULARIES)
    assert measure(Namespace(quick=True)) == {
        "formats": len(FORMATS),
        "exports": pairs - 1,
        "differing": 0,
        "refused": 1,  # Megatron has no type for ids of 2^31 and above
    }

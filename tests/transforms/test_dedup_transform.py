"""Signing blocks: what goes into the exchange."""

from __future__ import annotations

import pyarrow as pa

from gristmill.transforms.dedup.section import DedupSection
from gristmill.transforms.dedup.transform import SignDocuments

IDS = [bytes([number] * 16) for number in range(4)]


def test_documents_without_words_and_those_that_were_dropped_meet_nobody() -> None:
    block = pa.table(
        {
            "id": pa.array(IDS, pa.binary(16)),
            "source": ["code"] * 4,
            "date": pa.array([None] * 4, pa.string()),
            "text": ["!!!", "a text of some words", "???", "a text of some words"],
            "kept": [True, True, True, False],
        }
    )
    section = DedupSection()
    signed = SignDocuments(section).load()(block)
    assert signed.fingerprints["id"].to_pylist() == IDS[:3]
    assert signed.fingerprints["sketch"].to_pylist() == [0, 0, 1]
    assert signed.rows.tolist() == [1]
    assert signed.bands.shape == (1, section.banding[0])
    assert len(signed.sketches) == 1
    assert signed.block_rows == 4

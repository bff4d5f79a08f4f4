"""Signing blocks of documents."""

from __future__ import annotations

import pyarrow as pa

from gristmill.transforms.dedup.dedup_beam import SignDocuments
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.minhash import BAND_MASK, URL_BAND
from gristmill.transforms.dedup.signature_file import FINGERPRINT_SCHEMA

IDS = [bytes([number] * 16) for number in range(4)]


def _block(urls: list[str | None]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array(IDS, pa.binary(16)),
            "source": ["code"] * 4,
            "date": pa.array([None] * 4, pa.string()),
            "text": ["!!!", "a text of some words", "???", "a text of some words"],
            "url": pa.array(urls, pa.string()),
            "kept": [True, True, True, False],
        }
    )


def test_documents_without_words_and_dropped_documents_are_in_no_bucket() -> None:
    section = DedupSection()
    signed = SignDocuments(section).load()(_block([None] * 4))
    assert signed.fingerprints.schema == FINGERPRINT_SCHEMA
    assert signed.fingerprints["id"].to_pylist() == IDS[:3]
    assert signed.fingerprints["sketch"].to_pylist() == [0, 0, 1]
    assert signed.rows.tolist() == [1] * section.banding[0]
    assert signed.bands.shape == signed.rows.shape
    assert len(signed.sketches) == 1
    assert signed.block_rows == 4


def test_documents_with_one_url_share_a_bucket_of_their_own() -> None:
    urls = ["http://www.example.org/", "https://example.org", "ftp://example.org", "https://example.org"]
    plain = SignDocuments(DedupSection()).load()(_block([*urls]))
    signed = SignDocuments(DedupSection(urls=True)).load()(_block([*urls]))
    hashes = signed.fingerprints["url_hash"].to_pylist()
    assert hashes[0] is not None
    assert hashes[0] == hashes[1]
    assert hashes[2] is None
    assert signed.fingerprints.drop_columns(["url_hash"]).equals(plain.fingerprints)
    assert signed.rows.tolist() == [*plain.rows.tolist(), 0, 1]
    assert signed.bands[:-2].tolist() == plain.bands.tolist()
    assert signed.bands[-2] == signed.bands[-1]
    assert (signed.bands & BAND_MASK == URL_BAND).tolist() == [False] * len(plain.bands) + [True, True]

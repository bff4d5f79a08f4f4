"""Validation of the ``dedup`` section, and the bands that it computes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gristmill.transforms.dedup.dedup_section import DedupSection, SimHashSection, optimal_banding


def test_default_banding_is_that_of_fineweb() -> None:
    assert DedupSection().banding == (14, 8)


@pytest.mark.parametrize(
    ("threshold", "permutations", "expected"), [(0.9, 128, (5, 25)), (0.8, 128, (9, 13)), (0.5, 128, (25, 5))]
)
def test_null_bands_are_computed_for_the_threshold(
    threshold: float, permutations: int, expected: tuple[int, int]
) -> None:
    """The values for 0.9 are in the documentation of datasketch; the others are results of its search."""
    section = DedupSection(bands=None, rows=None, threshold=threshold, permutations=permutations)
    assert section.banding == expected == optimal_banding(threshold, permutations)
    assert expected[0] * expected[1] <= permutations


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"bands": None}, "both"),
        ({"rows": None}, "both"),
        ({"partitions": 48}, "power of two"),
        ({"partitions": 0}, "greater than or equal to 1"),
        ({"threshold": 0}, "greater than 0"),
        ({"threshold": 1.01}, "less than or equal to 1"),
        ({"priority": ("crawl", "crawl")}, "twice"),
        ({"ngram": 0}, "greater than or equal to 1"),
        ({"bands": 4096, "rows": 1}, "less than or equal to 4095"),
        ({"verify": "text"}, "'exact', 'estimate' or 'none'"),
        ({"scope": "index"}, "name at least one under `index`"),
        ({"simhash": {"distance": 7}}, "less than or equal to 6"),
        ({"simhash": {"bits": 3}}, "Extra inputs"),
        ({"scope": "b"}, "'all' or 'index'"),
        ({"jaccard": 0.7}, "Extra inputs"),
    ],
)
def test_invalid_values_are_rejected(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        DedupSection(**fields)


@pytest.mark.parametrize("partitions", [1, 2, 64, 65536])
def test_powers_of_two_are_valid_partitions(partitions: int) -> None:
    assert DedupSection(partitions=partitions).partitions == partitions


def test_number_of_buckets_of_a_document() -> None:
    assert DedupSection().buckets == DedupSection().tables == 14
    simhash = DedupSection(simhash=SimHashSection(), urls=True, verify="none")
    assert (simhash.tables, simhash.buckets, simhash.comparison) == (20, 21, "hamming")
    assert DedupSection(verify="none").comparison == "none"


def test_scope_index_with_an_index_is_valid() -> None:
    assert DedupSection(scope="index", index=("earlier",)).scope == "index"

"""The ``dedup`` section: what it accepts, and the bands it computes."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gristmill.transforms.dedup.dedup_section import DedupSection, SimHashSection, optimal_banding


def test_default_banding_is_fineweb() -> None:
    assert DedupSection().banding == (14, 8)


@pytest.mark.parametrize(
    ("threshold", "permutations", "expected"), [(0.9, 128, (5, 25)), (0.8, 128, (9, 13)), (0.5, 128, (25, 5))]
)
def test_null_bands_are_optimal_for_the_threshold(
    threshold: float, permutations: int, expected: tuple[int, int]
) -> None:
    """The figures are those that datasketch documents for 0.9, and its search gives for the others."""
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
        ({"scope": "index"}, "name one under `index`"),
        ({"simhash": {"distance": 7}}, "less than or equal to 6"),
        ({"simhash": {"bits": 3}}, "Extra inputs"),
        ({"scope": "b"}, "'all' or 'index'"),
        ({"jaccard": 0.7}, "Extra inputs"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint):
        DedupSection(**fields)


@pytest.mark.parametrize("partitions", [1, 2, 64, 65536])
def test_powers_of_two_are_partitions(partitions: int) -> None:
    assert DedupSection(partitions=partitions).partitions == partitions


def test_how_many_buckets_a_document_is_in() -> None:
    assert DedupSection().buckets == DedupSection().tables == 14
    simhash = DedupSection(simhash=SimHashSection(), urls=True, verify="none")
    assert (simhash.tables, simhash.buckets, simhash.comparison) == (20, 21, "hamming")
    assert DedupSection(verify="none").comparison == "none"


def test_the_scope_of_an_index_needs_one() -> None:
    assert DedupSection(scope="index", index=("earlier",)).scope == "index"

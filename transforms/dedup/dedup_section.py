"""The ``dedup`` section of a recipe."""

from __future__ import annotations

from functools import lru_cache
from math import comb
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import Self

from gristmill.corpus.recipe_section import Location, RuntimeMark, Section

Verify: TypeAlias = Literal["exact", "estimate", "none"]
Shingle: TypeAlias = Literal["words", "characters"]
Scope: TypeAlias = Literal["all", "index"]
Comparison: TypeAlias = Verify | Literal["hamming"]


class SimHashSection(Section):
    """Near-duplicates by SimHash (Charikar 2002) of the set of shingles, in the place of MinHash.

    Every pair within the distance is found, and a document keeps 8 bytes instead of 4 a shingle. But the distance is an
    angle, and 3 bits of 64, where Manku, Jain and Das Sarma 2007 draw the line on web pages, are a narrow one: one word
    changed on a page of 460 makes 3 bits in the mean, on a page of 120 5.6. Of 4,000 templated reference pages (Win32
    documentation) a distance of 3 removes 671, one of 6 1,250, and MinHash at its default 1,427.
    """

    distance: int = Field(
        3,
        ge=0,
        le=6,
        description="Bits of 64 in which fingerprints of near-duplicates differ at most. A document is in 1, 4, 10, "
        "20, 35, 56 or 84 tables for 0 to 6, each 12 bytes of the exchange.",
    )

    @property
    def tables(self) -> int:
        """Choices of three of ``distance`` + 3 blocks."""
        return comb(self.distance + 3, 3)


class DedupSection(Section):
    """Near-duplicate removal by MinHash and LSH, each candidate verified (``verify``) before it can go.

    A pair of similarity s shares a band with probability 1 - (1 - s^rows)^bands (Leskovec, Rajaraman and Ullman,
    *Mining of Massive Datasets*, 3.4). The default of 14 bands of 8 rows over word 5-grams is FineWeb's (Penedo et al.
    2024); it finds 65 % of the pairs at 0.72, 77 % at 0.75, 92 % at 0.80, 98.8 % at 0.85 and 99.96 % at 0.90.
    What that loses in the end, measured on 4,000 templated reference pages (Win32 documentation): the greedy pass over
    all pairs removes 1,445 at 0.72 and this one 1,429, which is 1.1 % fewer; at 0.80 they remove 1,328 and 1,326.
    """

    shingle: Shingle = Field(
        "words",
        description="What a shingle is made of: words, as all of the mill counts them (in writing without spaces a "
        "character each), or characters of the normalised text, which forgive other word bounds and spelling, at five "
        "times the cost of signing.",
    )
    ngram: int = Field(
        5, ge=1, description="Words, or characters, in a shingle. Of characters some 9 to 25 are usual, not 5."
    )
    threshold: float = Field(
        0.72,
        gt=0,
        le=1,
        description="Jaccard similarity of the shingle sets from which two documents count as near-duplicates. The "
        "default is where the S-curve of 14 bands of 8 rows is steepest, (1/14)^(1/8).",
    )
    verify: Verify = Field(
        "exact",
        description="What decides on documents that share a band: the true Jaccard similarity (`exact`, from sets of "
        "4 bytes a shingle), the share of equal signature values (`estimate`, 4 bytes a value), or nothing (`none`).",
    )
    bands: int | None = Field(
        14,
        ge=1,
        le=4095,
        description="Bands of the LSH. Null, with `rows` null: the best for `threshold` and `permutations`.",
    )
    rows: int | None = Field(8, ge=1, description="Signature values in a band. Null together with `bands`.")
    permutations: int = Field(
        128, ge=1, le=4095, description="Upper limit of bands x rows when both are null; otherwise not looked at."
    )
    seed: int = Field(1, ge=0, lt=2**64, description="Chooses the permutations. Signatures of one seed compare.")
    partitions: int = Field(
        64,
        ge=1,
        le=2**16,
        description="Parts of the exchange, a power of two. One holds documents x bands / partitions rows of 16 bytes "
        "in memory: 64 serve 70 million documents with 256 MB each.",
    )
    simhash: SimHashSection | None = Field(
        None,
        description="Near-duplicates by SimHash. `threshold`, `verify`, `bands`, `rows`, `permutations` and `seed`, "
        "which are MinHash's, are then not looked at, and `removals` have no similarity of near-duplicates.",
    )
    urls: bool = Field(
        False,
        description="Whether documents of one canonical URL are duplicates too, whatever their text: http and https, "
        "`www.`, the default port, user, fragment, session ids, tracking parameters such as `utm_source`, the order of "
        "the query and a slash at the end make no difference.",
    )
    priority: tuple[str, ...] = Field(
        (), description="Names of sources, best first: their documents are kept before others'. The rest rank last."
    )
    quality: str | None = Field(
        None,
        description="A signal; of two documents of equal priority the one that has more of it is kept. After it come "
        "length, date (earliest first) and id.",
    )
    index: Annotated[tuple[Location, ...], RuntimeMark()] = Field(
        (),
        description="Earlier runs, earliest first, whose documents rank before all of this one's and stay: work "
        "directories (what their `dedup` kept), or `signatures-…` folders of such (all that was signed).",
    )

    scope: Scope = Field(
        "all",
        description="For whom a document of this run can go: for any document ranked before it (`all`), or only for "
        "those of the index (`index`); then this run's never remove each other, not even exact copies.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.bands is None) != (self.rows is None):
            raise ValueError("give both `bands` and `rows`, or null for both")
        if self.partitions & (self.partitions - 1):
            raise ValueError(f"`partitions` must be a power of two, not {self.partitions}")
        if len(set(self.priority)) < len(self.priority):
            raise ValueError("`priority` names a source twice")
        if self.scope == "index" and not self.index:
            raise ValueError("`scope: index` removes what an index has: name one under `index`, or say `scope: all`")
        return self

    @property
    def banding(self) -> tuple[int, int]:
        """(bands, rows of a band): as given, or the best for the threshold."""
        if self.bands is None or self.rows is None:
            return optimal_banding(self.threshold, self.permutations)
        return self.bands, self.rows

    @property
    def buckets(self) -> int:
        """Buckets that a document is in, at most."""
        return self.tables + self.urls

    @property
    def tables(self) -> int:
        """Buckets that the shingles of a document put it in."""
        return self.banding[0] if self.simhash is None else self.simhash.tables

    @property
    def comparison(self) -> Comparison:
        """How documents of a bucket are compared."""
        return self.verify if self.simhash is None else "hamming"


@lru_cache
def optimal_banding(threshold: float, permutations: int) -> tuple[int, int]:
    """(bands, rows) with the least area of the S-curve on the wrong side of ``threshold``, within ``permutations``.

    Zhu et al. 2016 (LSH Ensemble), as computed by datasketch with equal weights for both sides.
    """
    from datasketch import MinHashLSH  # half a second to import, and seldom needed

    index = MinHashLSH(threshold=threshold, num_perm=permutations)
    return index.b, index.r

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
    """Near-duplicates by SimHash (Charikar 2002) of the shingle set, instead of MinHash.

    Every pair within the distance is found, and a document takes 8 bytes instead of 4 bytes a shingle. But the distance
    measures an angle, and 3 bits of 64, the threshold of Manku, Jain and Das Sarma 2007 for web pages, are a small one:
    changing one word changes 3 bits on average on a page of 460 words, and 5.6 on a page of 120. Of 4,000 templated
    reference pages (Win32 documentation), a distance of 3 removes 671, a distance of 6 removes 1,250, and MinHash with
    its defaults 1,427.
    """

    distance: int = Field(
        3,
        ge=0,
        le=6,
        description="Maximum Hamming distance of the 64-bit fingerprints of near-duplicates. For a distance of 0 to 6, "
        "a document is in 1, 4, 10, 20, 35, 56 or 84 tables, each of which takes 12 bytes in the exchange.",
    )

    @property
    def tables(self) -> int:
        """Number of tables: the choices of three of ``distance`` + 3 blocks."""
        return comb(self.distance + 3, 3)


class DedupSection(Section):
    """Near-duplicate removal by MinHash and LSH; every candidate is verified (``verify``) before it can be removed.

    A pair of similarity s shares a band with probability 1 - (1 - s^rows)^bands (Leskovec, Rajaraman and Ullman,
    *Mining of Massive Datasets*, 3.4). The default of 14 bands of 8 rows over word 5-grams is FineWeb's (Penedo et al.
    2024). It finds 65 % of the pairs with similarity 0.72, 77 % at 0.75, 92 % at 0.80, 98.8 % at 0.85 and 99.96 % at
    0.90. The loss that remains, measured on 4,000 templated reference pages (Win32 documentation): comparing all pairs
    removes 1,445 documents at 0.72 and LSH 1,429, which is 1.1 % fewer; at 0.80 they remove 1,328 and 1,326.
    """

    shingle: Shingle = Field(
        "words",
        description="What shingles consist of: `words` (in scripts without spaces, every character is a word), or "
        "`characters` of the normalized text, which tolerate differences in word boundaries and spelling and make "
        "signing five times as expensive.",
    )
    ngram: int = Field(
        5, ge=1, description="Number of words, or characters, in a shingle. For characters, 9 to 25 are usual, not 5."
    )
    threshold: float = Field(
        0.72,
        gt=0,
        le=1,
        description="Minimum Jaccard similarity of the shingle sets of near-duplicates. The default is where the "
        "S-curve of 14 bands of 8 rows is steepest, (1/14)^(1/8).",
    )
    verify: Verify = Field(
        "exact",
        description="How documents that share a band are compared: by their true Jaccard similarity (`exact`, which "
        "stores 4 bytes a shingle), by the share of equal signature values (`estimate`, 4 bytes a value), or not at "
        "all (`none`: all of them are duplicates).",
    )
    bands: int | None = Field(
        14,
        ge=1,
        le=4095,
        description="Number of LSH bands. If `bands` and `rows` are both null, the best values for `threshold` and "
        "`permutations` are computed.",
    )
    rows: int | None = Field(
        8, ge=1, description="Number of signature values in a band. Null if and only if `bands` is null."
    )
    permutations: int = Field(
        128, ge=1, le=4095, description="Maximum of bands x rows if both are null; ignored otherwise."
    )
    seed: int = Field(
        1, ge=0, lt=2**64, description="Seed of the permutations. Only signatures with the same seed can be compared."
    )
    partitions: int = Field(
        64,
        ge=1,
        le=2**16,
        description="Number of partitions of the exchange, a power of two. Each takes documents x bands / partitions "
        "rows of 16 bytes in memory: for 70 million documents, 64 partitions take 256 MB each.",
    )
    simhash: SimHashSection | None = Field(
        None,
        description="Find near-duplicates by SimHash. The settings of MinHash (`threshold`, `verify`, `bands`, `rows`, "
        "`permutations`, `seed`) are then ignored, and `removals` do not hold the similarity of near-duplicates.",
    )
    urls: bool = Field(
        False,
        description="Whether documents with the same canonical URL are duplicates too, whatever their text. Canonical "
        "URLs ignore the difference of http and https, `www.`, the default port, user, fragment, session ids, tracking "
        "parameters such as `utm_source`, the order of the query and a trailing slash.",
    )
    priority: tuple[str, ...] = Field(
        (),
        description="Sources in order of preference, best first. Of duplicates, the document of the better source "
        "is kept. Sources that are not named rank last.",
    )
    quality: str | None = Field(
        None,
        description="Name of a signal, `score:<name>` for a score, or `meta.<column>` for a column that sources keep "
        "(`keep_columns`). Of duplicates of equal priority, the document with the higher value is kept, and one "
        "without a number last; ties are broken by length (longest first), date (earliest first) and id.",
    )
    index: Annotated[tuple[Location, ...], RuntimeMark()] = Field(
        (),
        description="Earlier runs, earliest first, to deduplicate against. Their documents rank before all documents "
        "of this run and are always kept. Each is a work directory (the documents that its `dedup` kept) or a "
        "`signatures-…` folder in one (all documents that were signed).",
    )
    scope: Scope = Field(
        "all",
        description="Which documents can remove a document of this run: all that are ranked before it (`all`), or "
        "only those of the index (`index`). With `index`, documents of this run never remove each other, not even "
        "exact copies.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.bands is None) != (self.rows is None):
            raise ValueError("set both `bands` and `rows`, or set both to null")
        if self.partitions & (self.partitions - 1):
            raise ValueError(f"`partitions` must be a power of two, not {self.partitions}")
        if len(set(self.priority)) < len(self.priority):
            raise ValueError("`priority` names a source twice")
        if self.scope == "index" and not self.index:
            raise ValueError("`scope: index` needs an index: name at least one under `index`, or set `scope: all`")
        return self

    @property
    def banding(self) -> tuple[int, int]:
        """(number of bands, rows of a band): as set, or the best for the threshold."""
        if self.bands is None or self.rows is None:
            return optimal_banding(self.threshold, self.permutations)
        return self.bands, self.rows

    @property
    def buckets(self) -> int:
        """Maximum number of buckets that a document is in."""
        return self.tables + self.urls

    @property
    def tables(self) -> int:
        """Number of buckets that a document is in because of its shingles."""
        return self.banding[0] if self.simhash is None else self.simhash.tables

    @property
    def comparison(self) -> Comparison:
        """How documents that share a bucket are compared."""
        return self.verify if self.simhash is None else "hamming"


@lru_cache
def optimal_banding(threshold: float, permutations: int) -> tuple[int, int]:
    """(bands, rows) that minimize the area of the S-curve on the wrong side of ``threshold``, within ``permutations``.

    Zhu et al. 2016 (LSH Ensemble), as datasketch computes it with equal weights for both sides.
    """
    from datasketch import MinHashLSH  # takes half a second to import, and is rarely needed

    index = MinHashLSH(threshold=threshold, num_perm=permutations)
    return index.b, index.r

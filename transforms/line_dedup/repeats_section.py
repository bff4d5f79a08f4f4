"""The ``repeats`` section of a recipe."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import Self

from gristmill.corpus.recipe_section import ByteSize, Section

Keep: TypeAlias = Literal["first", "none"]


class PassageRule(Section):
    """Lines or paragraphs that occur several times in the corpus, compared by their normalized words, in order.

    CCNet (Wenzek et al. 2020, 3.2) drops all copies of a paragraph, which there is a line, but the first of a shard;
    Dolma (Soldaini et al. 2024) does so over a whole source. FineWeb (Penedo et al. 2024) tried it after MinHash
    deduplication of whole documents, among other variants with lines of at least ten words, and models trained on the
    result were worse: check what is removed.
    """

    min_words: int = Field(
        10,
        ge=1,
        description="Minimum number of words. Shorter ones, such as `}`, `Yes.` or headings, are kept however often "
        "they occur. FineWeb experimented with ten. In scripts without spaces, such as Chinese, every character counts "
        "as a word.",
    )
    min_count: int = Field(
        2, ge=2, description="Minimum number of copies in the corpus, including the first, for copies to be cut."
    )
    keep: Keep = Field(
        "first",
        description="`first` keeps the first copy. `none` keeps no copy, to remove boilerplate; set a `min_count` that "
        "only boilerplate reaches, such as 10.",
    )


class SpanRule(Section):
    """Long runs of the same bytes, wherever in a text they begin; one copy in each group of units is kept.

    The rule is that of Lee et al. 2022 (4.1), there with 50 tokens, and of RefinedWeb (Penedo et al. 2023).
    """

    min_bytes: int = Field(200, ge=32, description="Minimum length in bytes. English has about four bytes a token.")
    group_bytes: ByteSize = Field(
        64 * 2**20,
        ge=2**20,
        description="Amount of text that is searched for copies at once: consecutive units, by source and name, or a "
        "part of a larger unit. A worker needs 20 to 35 times as much memory.",
    )


class RepeatsSection(Section):
    """Removal of lines, paragraphs and spans that are repeated across the documents that `dedup` kept."""

    lines: PassageRule | None = Field(None, description="Rule for lines; null to keep repeated lines.")
    paragraphs: PassageRule | None = Field(
        None, description="Rule for paragraphs, which blank lines separate; null to keep repeated paragraphs."
    )
    spans: SpanRule | None = Field(
        None, description="Rule for long runs of the same bytes; null to keep repeated runs."
    )
    exclude_sources: tuple[str, ...] = Field(
        (), description="Sources that are left unchanged and whose text does not count as a copy, such as code."
    )
    partitions: int = Field(
        64,
        ge=1,
        le=2**16,
        description="Number of partitions of the exchange of lines and paragraphs, a power of two. Each takes about "
        "100 bytes of memory for each of its lines and paragraphs: for 300 million of them, 64 partitions take 500 MB "
        "each.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.lines or self.paragraphs or self.spans):
            raise ValueError(
                "`repeats` has no rule: set at least one of `lines`, `paragraphs` and `spans`, or remove the section"
            )
        if self.partitions & (self.partitions - 1):
            raise ValueError(f"`partitions` must be a power of two, not {self.partitions}")
        return self

    @property
    def passage_rules(self) -> dict[int, PassageRule]:
        """The rule of each kind of passage (``LINE``, ``PARAGRAPH`` of ``passage_hashes``) that has one."""
        return {kind: rule for kind, rule in enumerate((self.lines, self.paragraphs)) if rule}

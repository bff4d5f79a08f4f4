"""The ``repeats`` section of a recipe."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field, model_validator
from typing_extensions import Self

from gristmill.corpus.recipe_section import ByteSize, Section

Keep: TypeAlias = Literal["first", "none"]


class PassageRule(Section):
    """Lines or paragraphs that several places of the corpus have, compared by their normalised words, in order.

    CCNet (Wenzek et al. 2020, 3.2) drops every copy of a paragraph, which is a line there, but the first of a shard;
    Dolma (Soldaini et al. 2024) does so over a whole source. FineWeb (Penedo et al. 2024) tried it on top of MinHash
    over whole documents, lines of ten words and more among others, and trained worse for it: so look at what goes.
    """

    min_words: int = Field(
        10,
        ge=1,
        description="Shorter ones stay, however often they come: `}`, `Yes.`, headings. Ten were FineWeb's in trying. "
        "Where no spaces are between words, as in Chinese, every character counts as one.",
    )
    min_count: int = Field(
        2, ge=2, description="Copies in the corpus, the first among them, from which on they are cut."
    )
    keep: Keep = Field(
        "first",
        description="`first` leaves the first copy. `none` leaves no copy: boilerplate goes; give a `min_count` that "
        "only boilerplate has, such as 10.",
    )


class SpanRule(Section):
    """Long runs of the same bytes, wherever in the text they begin; of each, one copy in its group of units stays.

    The rule is that of Lee et al. 2022 (4.1), there of 50 tokens; so in RefinedWeb (Penedo et al. 2023).
    """

    min_bytes: int = Field(200, ge=32, description="Bytes of the shortest run. English has about four in a token.")
    group_bytes: ByteSize = Field(
        64 * 2**20,
        ge=2**20,
        description="Text in which copies are looked for at once: neighbouring units, by source and name, or a part of "
        "one that has more. A worker takes 20 to 35 times as much memory.",
    )


class RepeatsSection(Section):
    """Repeated lines, paragraphs and spans, cut out of the documents that deduplication left."""

    lines: PassageRule | None = Field(None, description="Lines, each up to its line feed. Null: not looked at.")
    paragraphs: PassageRule | None = Field(
        None, description="Paragraphs, each up to a line of white space alone. Null: not looked at."
    )
    spans: SpanRule | None = Field(None, description="Long runs of the same bytes. Null: not looked at.")
    exclude_sources: tuple[str, ...] = Field(
        (), description="Names of sources that are left as they are, and count for nothing: code, say."
    )
    partitions: int = Field(
        64,
        ge=1,
        le=2**16,
        description="Parts of the exchange of lines and paragraphs, a power of two. One takes about 100 bytes for "
        "each of its lines and paragraphs in memory: 64 serve 300 million of them with 500 MB each.",
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not (self.lines or self.paragraphs or self.spans):
            raise ValueError("`repeats` names neither `lines`, `paragraphs` nor `spans`: name one, or leave it out")
        if self.partitions & (self.partitions - 1):
            raise ValueError(f"`partitions` must be a power of two, not {self.partitions}")
        return self

    @property
    def passage_rules(self) -> dict[int, PassageRule]:
        """The rule of each kind of passage (``passages.LINE``, ``passages.PARAGRAPH``) that is asked for."""
        return {kind: rule for kind, rule in enumerate((self.lines, self.paragraphs)) if rule}

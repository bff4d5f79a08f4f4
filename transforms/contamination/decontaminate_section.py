"""The recipe section ``refine.decontaminate``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from gristmill.corpus.recipe_section import Asset, Section
from gristmill.transforms.contamination.benchmark_layouts import LAYOUTS

Action = Literal["drop", "cut", "label"]
"""What happens to a document that contains a test item."""


class BenchmarkSection(Section):
    """A test set whose items must not occur in the corpus."""

    name: str = Field(min_length=1, description="Short name. Items are reported as `name:number`.")
    paths: list[Asset] = Field(
        min_length=1,
        description="Files or glob patterns (.jsonl, .json, .csv, .parquet; also with .gz), read in sorted order. "
        "Items are numbered from 0 across all files.",
    )
    layout: str | None = Field(
        default=None,
        examples=sorted(LAYOUTS),
        description="The published test set whose fields these files have. It determines which fields are the "
        "question, the choices and the answer. A CSV file may then have a header or none.",
    )
    fields: list[str] | None = Field(
        default=None,
        min_length=1,
        description="The fields that make up the text of an item, if no `layout` fits; dotted if nested "
        "(`question.stem`). CSV files then need a header. Without `layout` and `fields`, an item is every string in "
        "it, at any depth, and every cell of a CSV file without a header.",
    )

    @field_validator("layout")
    @classmethod
    def _layout_is_known(cls, layout: str | None) -> str | None:
        if layout is not None and layout not in LAYOUTS:
            raise ValueError(f"unknown layout {layout}; use one of {', '.join(sorted(LAYOUTS))}, or set `fields`")
        return layout

    @model_validator(mode="after")
    def _layout_excludes_fields(self) -> BenchmarkSection:
        if self.layout and self.fields:
            raise ValueError(f"benchmark {self.name} has both layout and fields; remove one of them")
        return self


class DecontaminateSection(Section):
    """Finds documents that share word n-grams with a test set (GPT-3, Brown et al. 2020, appendix C)."""

    benchmarks: list[BenchmarkSection] = Field(min_length=1, description="The test sets to search for.")
    n: int = Field(default=13, ge=4, le=64, description="Number of words in an n-gram.")
    min_words: int = Field(
        default=6,
        ge=3,
        description="Minimum number of words of a question or an item that is shorter than an n-gram; it must match "
        "as a whole. Shorter ones cannot be found; the report counts them.",
    )
    min_ngrams: int = Field(
        default=1,
        ge=1,
        description="Minimum number of n-grams shared with one item for a hit. An item that occurs as a whole is "
        "always a hit.",
    )
    min_share: float = Field(
        default=0,
        ge=0,
        le=1,
        description="Minimum share of the n-grams of an item, or of its question, for a hit. PaLM (Chowdhery et al. "
        "2022, section 8) used 0.7 of 8-grams.",
    )
    max_items: int = Field(
        default=10,
        ge=1,
        description="Maximum number of items that may share an n-gram. N-grams in more items, such as question "
        "templates and license texts, are ignored.",
    )
    excused: list[Asset] = Field(
        default=[],
        description="Text files (also with .gz) of passages that many documents contain, such as licenses and famous "
        "quotations. Their n-grams are ignored.",
    )
    action: Action = Field(
        default="drop",
        description="What happens to a document with a hit: `drop` the document, `cut` the shared passages, or only "
        "`label` it. The sidecar `edits` records benchmark, item and position of every hit in all three cases.",
    )
    margin: int = Field(
        default=200,
        ge=0,
        description="Number of characters to cut on each side of a passage, extended to the end of a word. GPT-3 cut "
        "200.",
    )
    max_cuts: int = Field(
        default=10,
        ge=1,
        description="Maximum number of passages to cut from a document. With more, it is dropped, as in GPT-3.",
    )

    @field_validator("benchmarks")
    @classmethod
    def _names_differ(cls, benchmarks: list[BenchmarkSection]) -> list[BenchmarkSection]:
        names = [benchmark.name for benchmark in benchmarks]
        if len(set(names)) < len(names):
            raise ValueError(f"benchmark names must be unique, not {names}")
        return benchmarks

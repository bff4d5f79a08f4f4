"""The recipe's section for ``refine``: what is taken out of the documents that stay, and which of them leave."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from gristmill.corpus.recipe_section import Asset, Section
from gristmill.transforms.contamination.benchmark_layouts import LAYOUTS

Entity = Literal["EMAIL_ADDRESS", "IP_ADDRESS", "PHONE_NUMBER"]
"""What can be redacted, by Presidio's names."""

Leniency = Literal["possible", "valid", "strict_grouping", "exact_grouping"]
"""The levels of libphonenumber, loosest first."""

Action = Literal["drop", "cut", "label"]
"""What becomes of a document that holds a test item."""


class BenchmarkSection(Section):
    """A test set whose items must not be found in the corpus."""

    name: str = Field(min_length=1, description="Short name; an item is named by it and its number, as `name:item`.")
    paths: list[Asset] = Field(
        min_length=1,
        description="Files or glob patterns (.jsonl, .json, .csv, .parquet; .gz too), read in sorted order; "
        "items are numbered from 0 through all of them.",
    )
    layout: str | None = Field(
        default=None,
        examples=sorted(LAYOUTS),
        description="The well-known test set whose fields these files have; says which are the question, the choices "
        "and the answer. A CSV may then have its header or none.",
    )
    fields: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Fields that make up an item's text where no `layout` fits, dotted for nested ones "
        "(`question.stem`). A CSV then has a header. Without either: every string in the item, at any depth; every "
        "cell of a CSV without a header.",
    )

    @field_validator("layout")
    @classmethod
    def _layout_is_known(cls, layout: str | None) -> str | None:
        if layout is not None and layout not in LAYOUTS:
            raise ValueError(f"no layout {layout}: there are {', '.join(sorted(LAYOUTS))}; or name `fields`")
        return layout

    @model_validator(mode="after")
    def _one_of_both(self) -> BenchmarkSection:
        if self.layout and self.fields:
            raise ValueError(f"benchmark {self.name} has both layout and fields: name one of them")
        return self


class DecontaminateSection(Section):
    """Documents that share word n-grams with a test set (GPT-3, Brown et al. 2020, appendix C)."""

    benchmarks: list[BenchmarkSection] = Field(min_length=1, description="The test sets to protect.")
    n: int = Field(default=13, ge=4, le=64, description="Words in an n-gram.")
    min_words: int = Field(
        default=6,
        ge=3,
        description="A question, or an item, of fewer words than an n-gram is looked for as a whole if it has as many "
        "as this. Shorter ones cannot be found and are counted.",
    )
    min_ngrams: int = Field(
        default=1, ge=1, description="N-grams shared with one item that make a hit, unless all of the item is there."
    )
    min_share: float = Field(
        default=0,
        ge=0,
        le=1,
        description="Least share of n-grams, of an item or of its question, that makes a hit. PaLM (Chowdhery et al. "
        "2022, section 8) took 0.7 of 8-grams.",
    )
    max_items: int = Field(
        default=10,
        ge=1,
        description="An n-gram in more items than this is a question frame or a licence line, and is excused.",
    )
    excused: list[Asset] = Field(
        default=[],
        description="Text files (.gz too) of passages that many documents have, such as licences and famous "
        "quotations: n-grams in them are excused.",
    )
    action: Action = Field(
        default="drop",
        description="What becomes of a document with a hit: `drop` it; `cut` the passages out; or only `label` it. "
        "The sidecar `edits` names benchmark, item and place of every hit in any case.",
    )
    margin: int = Field(
        default=200,
        ge=0,
        description="Characters cut on either side of a passage, to the end of a word. GPT-3 cut 200.",
    )
    max_cuts: int = Field(
        default=10, ge=1, description="A document with more passages than this to cut is dropped, as by GPT-3."
    )

    @field_validator("benchmarks")
    @classmethod
    def _names_differ(cls, benchmarks: list[BenchmarkSection]) -> list[BenchmarkSection]:
        names = [benchmark.name for benchmark in benchmarks]
        if len(set(names)) < len(names):
            raise ValueError(f"two benchmarks have the same name in {names}: give each its own")
        return benchmarks


class RedactSection(Section):
    """Personal data is replaced by tokens."""

    entities: list[Entity] = Field(
        default=["EMAIL_ADDRESS", "IP_ADDRESS", "PHONE_NUMBER"], min_length=1, description="What is looked for."
    )
    replacements: dict[Entity, str] = Field(
        default={"EMAIL_ADDRESS": "<EMAIL_ADDRESS>", "IP_ADDRESS": "<IP_ADDRESS>", "PHONE_NUMBER": "<PHONE_NUMBER>"},
        description="What stands in the text instead; an entity not named here gets its name in angle brackets.",
    )
    thresholds: dict[Entity, float] = Field(
        default={},
        description="Least score that counts, per entity; 0 where not named. E-mail addresses score 1.0, IP addresses "
        "0.6, phone numbers 0.4; a word such as 'phone' or 'IP' shortly before adds 0.35.",
    )
    phone_regions: list[str] = Field(
        default=["US", "GB", "DE", "FR", "ES", "IT", "IN", "BR"],
        min_length=1,
        description="ISO 3166 codes of the countries whose national notation is known. Numbers that start with + "
        "are found for every country. Each region costs time and some precision.",
    )
    phone_leniency: Leniency = Field(
        default="valid",
        description="How strictly libphonenumber checks a number that no '+' and no word before it announces.",
    )
    exclude_sources: list[str] = Field(default=[], description="Names of sources that are left as they are.")

    @field_validator("phone_regions")
    @classmethod
    def _regions_exist(cls, regions: list[str]) -> list[str]:
        from phonenumbers import SUPPORTED_REGIONS

        if unknown := sorted(set(regions) - set(SUPPORTED_REGIONS)):
            raise ValueError(f"no such phone regions: {', '.join(unknown)} (write ISO 3166 codes such as US, GB)")
        return regions


class RefineSection(Section):
    """Decontamination and redaction; a part that is left out is not done."""

    decontaminate: DecontaminateSection | None = Field(default=None, description="Find documents that hold test items.")
    redact: RedactSection | None = Field(
        default=RedactSection(), description="Replace personal data; null to leave it."
    )

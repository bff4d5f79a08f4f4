"""The recipe's section for ``refine``: what is taken out of the documents that stay, and which of them leave."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from gristmill.corpus.section import Asset, Section

Entity = Literal["EMAIL_ADDRESS", "IP_ADDRESS", "PHONE_NUMBER"]
"""What can be redacted, by Presidio's names."""

Leniency = Literal["possible", "valid", "strict_grouping", "exact_grouping"]
"""The levels of libphonenumber, loosest first."""


class BenchmarkSection(Section):
    """A test set whose items must not be found in the corpus."""

    name: str = Field(min_length=1, description="Short name; a contaminated document is recorded as `name:item`.")
    paths: list[Asset] = Field(
        min_length=1,
        description="Files or glob patterns (.jsonl, .json, .csv, .parquet; .gz too), read in sorted order; "
        "items are numbered from 0 through all of them.",
    )
    fields: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Fields that make up an item's text, dotted for nested ones (`question.stem`). A CSV then has a "
        "header. Default: every string in the item, at any depth; every cell of a CSV without a header.",
    )


class DecontaminateSection(Section):
    """Documents that share word n-grams with a test set are dropped (GPT-3, Brown et al. 2020, appendix C)."""

    benchmarks: list[BenchmarkSection] = Field(min_length=1, description="The test sets to protect.")
    n: int = Field(
        default=13, ge=4, le=64, description="Words in an n-gram. Shorter items cannot be found and are counted."
    )
    min_ngrams: int = Field(
        default=1, ge=1, description="N-grams shared with one item that make a document contaminated."
    )
    max_items: int = Field(
        default=10,
        ge=1,
        description="An n-gram in more items than this is a question frame or a licence line, and is ignored.",
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

    decontaminate: DecontaminateSection | None = Field(default=None, description="Drop documents that hold test items.")
    redact: RedactSection | None = Field(
        default=RedactSection(), description="Replace personal data; null to leave it."
    )

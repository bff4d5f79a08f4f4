"""The ``sources`` of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from gristmill.corpus.recipe_section import Location, Section
from gristmill.transforms.read.code_files import CODE_EXTENSIONS
from gristmill.transforms.read.crawl_listing import COMMON_CRAWL
from gristmill.transforms.read.format_table import FORMATS, formats_with_key
from gristmill.transforms.read.row_items import Fields

if TYPE_CHECKING:
    FormatName = str
else:
    FormatName = Literal[tuple(FORMATS)]

_ALL_FILES = ("**/*",)


def _formats_with(key: str) -> str:
    *others, last = formats_with_key(key)
    return f"{', '.join(others)} or {last}" if others else last


class SourceSection(Section):
    """A source of documents: files of one format below one root, or the files of a Common Crawl crawl."""

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", description="Name of the source; part of the ids of its documents."
    )
    format: FormatName = Field(
        description=f"{'; '.join(f'{format.name} ({format.description})' for format in FORMATS.values())}."
    )
    root: Location = Field(
        default=COMMON_CRAWL,
        description="Folder or URL of the files. Document ids depend on paths below the root, not on the root itself."
        " With `crawl`, it may be omitted or name a copy of the archive (s3://commoncrawl/).",
    )
    paths: tuple[str, ...] = Field(
        default=_ALL_FILES, min_length=1, description="Glob patterns of the files below `root`."
    )
    crawl: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_/-]*$",
        description="Common Crawl crawl to read, such as CC-MAIN-2024-10, instead of `paths`. `format` must be"
        f" {_formats_with('crawl')}.",
    )
    sample: int | None = Field(
        default=None,
        gt=0,
        description="Number of files to sample from the crawl; null reads all. A smaller sample is a subset of a larger"
        " one, and WET samples match WARC samples.",
    )
    sample_seed: int = Field(default=0, ge=0, lt=2**63, description="Seed of the sample of the crawl's files.")
    fields: Fields = Field(default=Fields(), description=f"Columns of a row, if `format` is {_formats_with('fields')}.")
    extensions: tuple[str, ...] = Field(
        default=CODE_EXTENSIONS,
        description=f"Extensions of the files to read, if `format` is {_formats_with('extensions')}.",
    )

    max_failed: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Maximum share of the source's records that may fail. If more do, the run stops after `extract`;"
        " a larger value resumes it. A source of fewer than 1,000 records may have as many failures as one of 1,000,"
        " up to half of its records.",
    )

    @model_validator(mode="after")
    def _has_files_or_crawl(self) -> SourceSection:
        if self.crawl is None:
            if "root" not in self.model_fields_set:
                raise ValueError("root is missing")
            if self.sample is not None:
                raise ValueError("`sample` selects files of a `crawl`: name a crawl, or remove `sample`")
        elif "crawl" not in FORMATS[self.format].keys:
            raise ValueError(f"a crawl has no {self.format} files: `format` must be {_formats_with('crawl')}")
        elif self.paths != _ALL_FILES:
            raise ValueError("`crawl` determines the files: remove `paths`")
        return self


def crawl_source(crawl: str, sample: int | None) -> dict[str, Any]:
    """Return the source section for the options ``--crawl`` and ``--sample``. Its name is that of the crawl."""
    return {"name": crawl.replace("/", "-"), "format": "warc", "crawl": crawl, "sample": sample}

"""The ``sources`` of a recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from gristmill.corpus.recipe_section import Location, Section
from gristmill.corpus.source_kind import SourceKind
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
    kind: SourceKind = Field(
        default="web",
        description="Kind of text, which selects the rules that documents are judged by (`judge.kind_overlays`): web"
        " pages, books, source code, reference works and documentation, or dialogue such as forums, chats and"
        " subtitles. The default is `code` if `format` is code, else `web`. The rows and text files of a source of the"
        " kind code are read as source code: no language is identified, and white space is kept.",
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
    keep_columns: tuple[str, ...] = Field(
        default=(),
        description="Columns of a row that documents keep in their column `meta`, as one JSON object with sorted keys,"
        f" if `format` is {_formats_with('keep_columns')}; a.b names the field b of the column a. A document whose"
        " `meta` is longer than 64 KiB is dropped.",
    )
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

    @model_validator(mode="before")
    @classmethod
    def _default_kind(cls, data: Any) -> Any:
        return {"kind": "code", **data} if isinstance(data, dict) and data.get("format") == "code" else data

    @property
    def text_media_type(self) -> str:
        """The media type of texts that are read from files or rows, which have none of their own."""
        return "text/x-code" if self.kind == "code" else "text/plain"

    @model_validator(mode="after")
    def _has_no_key_of_another_format(self) -> SourceSection:
        used = FORMATS[self.format].keys
        for key in sorted(set().union(*(format.keys for format in FORMATS.values())) - used - {"crawl"}):
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(
                    f"`{key}` has no effect on {self.format} files: remove it, or set `format` to {_formats_with(key)}"
                )
        return self

    @model_validator(mode="after")
    def _has_consistent_columns(self) -> SourceSection:
        if self.kind == "code" and self.fields.lang is not None:
            raise ValueError("source code has no language: remove `fields.lang`, or name the column in `keep_columns`")
        if self.fields.text in self.keep_columns:
            raise ValueError(f"{self.fields.text!r} is the column of the text: remove it from `keep_columns`")
        return self

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

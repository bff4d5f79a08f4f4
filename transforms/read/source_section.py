"""The ``sources`` of a recipe."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from gristmill.corpus.recipe_section import Location, Section
from gristmill.transforms.read.crawl_listing import COMMON_CRAWL

Format = Literal["warc", "wet", "jsonl", "parquet", "text", "code"]

_CODE = """
asm bash bat c cc clj cmake cpp cs css cu cuh cxx d dart el erl ex exs f f90 f95 for fs fsx glsl go gradle groovy h hh
hpp hrl hs html hxx java jl js jsx kt kts less lisp lua m mjs ml mli mm nim pas php pl pm proto ps1 py pyi pyx r rb rkt
rs s sass scala scm scss sh sol sql sv swift tcl tex tf ts tsx v vb vhd vhdl vim vue wat xsl zig zsh
"""
CODE_EXTENSIONS = tuple(f".{name}" for name in _CODE.split())
"""File endings of source code, lower-case."""


class Fields(Section):
    """Which column of a JSONL or Parquet source holds what."""

    text: str = Field(default="text", description="Column of the text.")
    id: str | None = Field(
        default=None, description="Column of an id, unique in the source; null: file and place name it."
    )
    url: str | None = Field(default=None, description="Column of the URL.")
    date: str | None = Field(default=None, description="Column of the date: ISO 8601 or 14 digits, else left out.")

    def columns(self) -> list[str]:
        """The columns that are read, each once."""
        return sorted({name for name in (self.text, self.id, self.url, self.date) if name is not None})


_EVERYTHING = ("**/*",)


class SourceSection(Section):
    """A source of documents: files of one format below one root, or those of a Common Crawl crawl."""

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", description="Name of the source; part of its documents' ids."
    )
    format: Format = Field(
        description="warc (also ARC; plain, gzip, zstd or lz4), wet, jsonl (plain, gzip, zstd, xz or bzip2; one record"
        " a line), parquet, text (one document a file) or code (one document a file)."
    )
    root: Location = Field(
        default=COMMON_CRAWL,
        description="Folder or URL; what lies below it names the documents, where it lies does not. With `crawl` it may"
        " be left out, or be a copy of the archive (s3://commoncrawl/).",
    )
    paths: tuple[str, ...] = Field(default=_EVERYTHING, min_length=1, description="Glob patterns below `root`.")
    crawl: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_/-]*$",
        description="A crawl of Common Crawl (CC-MAIN-2024-10) in place of `paths`: its files of `format` warc or wet.",
    )
    sample: int | None = Field(
        default=None,
        gt=0,
        description="How many files of the crawl; null: all. Fewer are part of more, WET as WARC.",
    )
    sample_seed: int = Field(default=0, ge=0, lt=2**63, description="Another seed chooses other files of the crawl.")
    fields: Fields = Field(default=Fields(), description="Columns of jsonl and parquet.")
    extensions: tuple[str, ...] = Field(default=CODE_EXTENSIONS, description="File endings that count as code.")

    @model_validator(mode="after")
    def _files_or_crawl(self) -> SourceSection:
        if self.crawl is None:
            if "root" not in self.model_fields_set:
                raise ValueError("root is missing")
            if self.sample is not None:
                raise ValueError("sample is of the files of a `crawl`: name one, or leave `sample` out")
        elif self.format not in ("warc", "wet"):
            raise ValueError(f"a crawl has no {self.format} files: `format` must be warc or wet")
        elif self.paths != _EVERYTHING:
            raise ValueError("a `crawl` lists its own files: leave `paths` out")
        return self


def crawl_source(crawl: str, sample: int | None) -> dict[str, Any]:
    """The source that ``--crawl`` and ``--sample`` are short for: it has the name of the crawl."""
    return {"name": crawl.replace("/", "-"), "format": "warc", "crawl": crawl, "sample": sample}

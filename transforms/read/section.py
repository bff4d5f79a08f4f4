"""The ``sources`` of a recipe."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gristmill.corpus.section import Location, Section

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


class SourceSection(Section):
    """A source of documents: files of one format below one root."""

    name: str = Field(
        pattern=r"^[A-Za-z][A-Za-z0-9_-]*$", description="Name of the source; part of its documents' ids."
    )
    format: Format = Field(
        description="warc (also ARC; plain, gzip, zstd or lz4), wet, jsonl (plain, gzip, zstd, xz or bzip2; one record"
        " a line), parquet, text (one document a file) or code (one document a file)."
    )
    root: Location = Field(description="Folder or URL; what lies below it names the documents, where it lies does not.")
    paths: tuple[str, ...] = Field(default=("**/*",), min_length=1, description="Glob patterns below `root`.")
    fields: Fields = Field(default=Fields(), description="Columns of jsonl and parquet.")
    extensions: tuple[str, ...] = Field(default=CODE_EXTENSIONS, description="File endings that count as code.")

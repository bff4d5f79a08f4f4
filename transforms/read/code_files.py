"""The format ``code``: source code, one document per file."""

from __future__ import annotations

from gristmill.transforms.read.source_format import SourceFormat
from gristmill.transforms.read.text_files import read_text_files
from gristmill.transforms.read.unit_division import group_small_files

_EXTENSIONS = """
asm bash bat c cc clj cmake cpp cs css cu cuh cxx d dart el erl ex exs f f90 f95 for fs fsx glsl go gradle groovy h hh
hpp hrl hs html hxx java jl js jsx kt kts less lisp lua m mjs ml mli mm nim pas php pl pm proto ps1 py pyi pyx r rb rkt
rs s sass scala scm scss sh sol sql sv swift tcl tex tf ts tsx v vb vhd vhdl vim vue wat xsl zig zsh
"""
CODE_EXTENSIONS = tuple(f".{name}" for name in _EXTENSIONS.split())
"""Lower-case file extensions of source code."""

CODE = SourceFormat(
    name="code",
    description="source code, one document per file",
    plan=group_small_files,
    read=read_text_files,
    keys=frozenset({"extensions"}),
    core_megabytes_per_second=2.0,
)

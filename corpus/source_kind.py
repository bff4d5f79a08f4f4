"""The kinds of text that a source may hold. A kind selects the rules that its documents are judged by."""

from __future__ import annotations

from typing import Literal, TypeAlias

SourceKind: TypeAlias = Literal["web", "book", "code", "reference", "dialogue"]

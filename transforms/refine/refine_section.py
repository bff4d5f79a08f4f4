"""The recipe section ``refine``: what is removed from the documents that remain, and which documents are dropped."""

from __future__ import annotations

from pydantic import Field

from gristmill.corpus.recipe_section import Section
from gristmill.transforms.contamination.decontaminate_section import DecontaminateSection
from gristmill.transforms.redaction.redact_section import RedactSection


class RefineSection(Section):
    """Decontamination and redaction; each is skipped if it is null."""

    decontaminate: DecontaminateSection | None = Field(
        default=None, description="Find documents that contain items of test sets; null to skip."
    )
    redact: RedactSection | None = Field(default=RedactSection(), description="Replace personal data; null to skip.")

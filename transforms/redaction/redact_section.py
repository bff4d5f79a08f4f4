"""The recipe section ``refine.redact``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from gristmill.corpus.recipe_section import Section
from gristmill.transforms.redaction.cue_words import CUE_BONUS
from gristmill.transforms.redaction.pii_entities import PII_ENTITIES, EntityName

Leniency = Literal["possible", "valid", "strict_grouping", "exact_grouping"]
"""The levels of libphonenumber, most lenient first."""

_BY_DEFAULT = [entity for entity in PII_ENTITIES.values() if entity.by_default]
_EXAMPLES = ", ".join(f"{entity.name} (such as {entity.example})" for entity in PII_ENTITIES.values())
_SCORES = ", ".join(f"{entity.name} {entity.score}" for entity in PII_ENTITIES.values())


class RedactSection(Section):
    """Replaces personal data by tokens."""

    entities: list[EntityName] = Field(
        default=[entity.name for entity in _BY_DEFAULT],
        min_length=1,
        description=f"Entities to redact: {_EXAMPLES}.",
    )
    replacements: dict[EntityName, str] = Field(
        default={entity.name: entity.replacement for entity in _BY_DEFAULT},
        description="Replacement text per entity. An entity not listed is replaced by its name in angle brackets.",
    )
    thresholds: dict[EntityName, float] = Field(
        default={},
        description=f"Minimum score of a match per entity; 0 for entities not listed. Scores are {_SCORES}; a cue word "
        f"such as 'phone' or 'IP' shortly before a match adds {CUE_BONUS}.",
    )
    phone_regions: list[str] = Field(
        default=["US", "GB", "DE", "FR", "ES", "IT", "IN", "BR"],
        min_length=1,
        description="ISO 3166 codes of the countries whose national phone number formats are recognized. Numbers that "
        "start with + are found for every country. Each region costs time and some precision.",
    )
    phone_leniency: Leniency = Field(
        default="valid",
        description="How strictly libphonenumber checks a number without a leading + or a cue word before it.",
    )
    exclude_sources: list[str] = Field(default=[], description="Names of sources that are not redacted.")

    @field_validator("phone_regions")
    @classmethod
    def _regions_exist(cls, regions: list[str]) -> list[str]:
        from phonenumbers import SUPPORTED_REGIONS

        if unknown := sorted(set(regions) - set(SUPPORTED_REGIONS)):
            raise ValueError(f"unknown phone regions: {', '.join(unknown)}; use ISO 3166 codes such as US or GB")
        return regions

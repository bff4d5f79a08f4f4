"""What every runner profile has in common: one runner's options, and how that runner is opened.

No option of a profile changes a byte of the output, so profiles are not part of a recipe or of a stage's key.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

from pydantic import Field

from gristmill.corpus.recipe_section import Section
from gristmill.runners.stage_runner import StageRunner

Endpoint = Annotated[str, Field(pattern=r"^[^\s:/]+:\d+$")]
"""``host:port``."""


class RunnerProfile(Section):
    """Base of the profiles. A subclass declares ``runner: Literal["name"] = "name"``, the value of ``--runner``.

    Only the options that matter to users are fields; the runner sets all others itself.
    """

    runner: str

    @abstractmethod
    def open_runner(self, work: str, workers: int | None = None) -> StageRunner:
        """Return the runner for the work directory ``work``; ``workers=None`` uses all available slots.

        Modules that import Beam's runners are imported here, not at the top of the profile's module, so that the
        command line starts quickly.
        """

    @classmethod
    def name(cls) -> str:
        """The value of ``--runner`` that selects this profile."""
        return str(cls.model_fields["runner"].default)

"""All stages of the pipeline, in order.

``signals`` and ``signatures`` measure what ``judge`` and ``dedup`` decide on. They are stages of their own, so that a
changed threshold measures nothing again.
"""

from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import Stage
from gristmill.pipelines.stages.dedup import Dedup
from gristmill.pipelines.stages.extract import Extract
from gristmill.pipelines.stages.groups import Groups
from gristmill.pipelines.stages.judge import Judge
from gristmill.pipelines.stages.mix import Mix
from gristmill.pipelines.stages.passages import Passages
from gristmill.pipelines.stages.refine import Refine
from gristmill.pipelines.stages.repeats import Repeats
from gristmill.pipelines.stages.scores import Scores
from gristmill.pipelines.stages.signals import Signals
from gristmill.pipelines.stages.signatures import Signatures
from gristmill.pipelines.stages.tokenize import Tokenize
from gristmill.pipelines.stages.tokenizer import Tokenizer
from gristmill.pipelines.stages.train import Train

STAGES: tuple[Stage, ...] = (
    Extract(),
    Signals(),
    Scores(),
    Judge(),
    Signatures(),
    Dedup(),
    Passages(),
    Repeats(),
    Refine(),
    Tokenizer(),
    Tokenize(),
    Groups(),
    Mix(),
    Train(),
)


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages that a recipe asks for, in order."""
    return tuple(stage for stage in STAGES if stage.is_enabled(recipe))

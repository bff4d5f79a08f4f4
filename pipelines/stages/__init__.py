"""The stages of the mill, in order. ``signals`` and ``signatures`` are the measuring halves of ``judge`` and ``dedup``,
kept under keys of their own, so that a changed threshold measures nothing again."""

from gristmill.pipelines.recipe import Recipe
from gristmill.pipelines.stage import Stage
from gristmill.pipelines.stages.dedup import Dedup
from gristmill.pipelines.stages.extract import Extract
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
    Judge(),
    Signatures(),
    Dedup(),
    Refine(),
    Tokenizer(),
    Tokenize(),
    Mix(),
    Train(),
)


def stages_of(recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a recipe: ``STAGES``, and those that only some recipes ask for, each before the one it serves."""
    asked: dict[str, list[Stage]] = {Judge.name: [], Refine.name: []}
    if recipe.scores:
        asked[Judge.name].append(Scores())
    if recipe.repeats:
        asked[Refine.name] += [Passages(), Repeats()] if recipe.repeats.passage_rules else [Repeats()]
    return tuple(one for stage in STAGES for one in (*asked.get(stage.name, ()), stage))

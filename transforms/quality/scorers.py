"""The kinds of scorers: how each is opened, what its numbers hang on, and whether it is dear."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from gristmill.classifiers import QUALITY_MODEL
from gristmill.classifiers.score import Scorer
from gristmill.corpus.recipe_section import key_config
from gristmill.corpus.words import UNICODE_VERSION
from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.keys import asset_hash, key_of, library_versions
from gristmill.transforms.quality.score_section import AnyScorer, FastText, Kenlm, Transformer, WordLists


class Kind(NamedTuple):
    """``version`` is raised whenever the same text and model would get another score."""

    version: int
    libraries: tuple[str, ...]
    module: str | None = None
    """A module of an optional extra, and the extra's name."""
    dear: bool = False


KINDS = {
    "fasttext": Kind(1, ("fasttext-community",)),
    "kenlm": Kind(1, ("kenlm",), "kenlm"),
    "words": Kind(1, ()),
    "transformer": Kind(1, ("torch", "transformers", "tokenizers"), "transformers", dear=True),
}
"""By the name that a recipe gives as ``kind``."""


def kind_of(scorer: AnyScorer) -> Kind:
    return KINDS[scorer.kind]


def cheap(scorers: Sequence[AnyScorer]) -> list[AnyScorer]:
    """The scorers that see every document, in the recipe's order."""
    return [one for one in scorers if not kind_of(one).dear]


def dear(scorers: Sequence[AnyScorer]) -> list[AnyScorer]:
    """The scorers that see what all before them let through, in the recipe's order."""
    return [one for one in scorers if kind_of(one).dear]


def scorer_key(scorer: AnyScorer) -> str:
    """What a text's score hangs on beside the text: equal keys, equal scores.

    Neither the scorer's name is in it, nor which documents it sees, nor what is decided by the score.
    """
    kind = kind_of(scorer)
    told = {name: value for name, value in key_config(scorer).items() if name not in _NO_MATTER_OF_THE_SCORE}
    if isinstance(scorer, FastText):
        told["model"] = asset_hash(model_url(scorer))
    if isinstance(scorer, Transformer):
        told["model"] = asset_hash(storage.join(scorer.model, "*"))
    return key_of(kind.version, library_versions(kind.libraries), UNICODE_VERSION, told)


_NO_MATTER_OF_THE_SCORE = {"name", "languages", "min", "max", "keep"}


def model_url(scorer: FastText | Kenlm) -> str:
    """Where the scorer's model is: the one that the recipe names, or the one that ships."""
    return scorer.model or str(QUALITY_MODEL)


def require(scorer: AnyScorer) -> None:
    """Raises InputError where the scorer's package is missing, or its model is wrong as far as a look can tell."""
    module = kind_of(scorer).module
    if module is not None and find_spec(module) is None:
        remedy = f"pip install 'gristmill[{module}]'"
        raise InputError(f"scores: {scorer.name} needs the package {module}, which is not installed; {remedy}")
    if isinstance(scorer, FastText | WordLists):
        open_scorer(scorer)
    if isinstance(scorer, Transformer):
        from gristmill.classifiers.transformer import require_label

        require_label(scorer.model, scorer.label)


def open_scorer(scorer: AnyScorer) -> Scorer:
    """The scorer, its model loaded. Raises InputError where that cannot be."""
    match scorer:
        case FastText():
            from gristmill.classifiers.text_model import TextClassifier

            return TextClassifier.load(model_url(scorer), scorer.label)
        case Kenlm():
            from gristmill.classifiers.perplexity import PerplexityScorer

            return PerplexityScorer.load(scorer.model)
        case WordLists():
            from gristmill.classifiers.word_list import WordListScorer

            return WordListScorer.load(scorer.lists)
        case Transformer():
            from gristmill.classifiers.transformer import TransformerScorer

            return TransformerScorer.load(scorer.model, scorer.label, scorer.max_tokens)


def slice_of(scorers: Sequence[AnyScorer]) -> list[Any]:
    """The scorers as the key of their stage holds them: which scores, of which documents, under which names."""
    return [[one.column, scorer_key(one), one.languages] for one in scorers]

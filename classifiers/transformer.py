"""Scores by a transformer: any Hugging Face sequence classification model in a local or remote folder.

Such models predict educational value, quality or toxicity better than fastText at about a thousand times the cost, so
the pipeline runs them last. Nothing is downloaded from a hub: the folder holds ``config.json``, weights and a
tokenizer, as written by ``save_pretrained``. Texts are scored one by one: in a batch the last digits of a text's score
depend on the other texts, and a score must be a function of its text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gristmill.classifiers.model_trials import open_transformer
from gristmill.classifiers.score import Scores, round_scores
from gristmill.errors import InputError
from gristmill.store import storage
from gristmill.store.keys import asset_hash
from gristmill.store.trial_open import Trial, require_opens

_OFFLINE = {"local_files_only": True, "trust_remote_code": False}
"""Options of every ``from_pretrained``: nothing is downloaded, no code of the folder is run, and nobody is asked."""

_TRIAL = Trial(open_transformer, ("torch", "transformers", "tokenizers"), memory=3 << 30, seconds=120)
_REMEDY = "give a folder with config.json, model.safetensors and a tokenizer"


class TransformerScorer:
    """A sequence classifier. The score is the probability of a label, or the value of the model's only output."""

    def __init__(self, model: Any, tokenizer: Any, label: str | None, max_tokens: int) -> None:
        """Raises InputError if the model has no such label, or has several and none is given."""
        self._model = model
        self._tokenizer = tokenizer
        self._label = _label_index(model.config, label)
        self._max_tokens = max_tokens

    @classmethod
    def load(cls, folder: str, label: str | None = None, max_tokens: int = 512) -> TransformerScorer:
        """Load the model in ``folder``. Raises InputError if it or the required packages are missing.

        The model is first opened in a child process (``gristmill.store.trial_open``).
        """
        try:
            import torch
            import transformers  # noqa: F401
        except ImportError:
            raise InputError(
                "transformer scores require more packages: run `pip install 'gristmill[transformers]'`"
            ) from None
        with ExitStack() as files:
            local = _local_folder(folder, files)
            identity = None if storage.is_local(folder) else asset_hash(storage.join(folder, "*"))
            if not Path(local, "config.json").is_file():
                raise InputError(f"cannot load the transformer in {folder}: it has no config.json; {_REMEDY}")
            try:
                require_opens(_TRIAL, local, f"the transformer in {folder}", _REMEDY, identity)
                model, tokenizer = load_transformer(local)
            except InputError:
                raise
            except Exception as error:  # the library raises any exception for a damaged file
                raise _load_error(folder, error) from error
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model.to(device), tokenizer, label, max_tokens)

    def scores(self, texts: Sequence[str], langs: Sequence[str | None] = ()) -> Scores:
        """The score of each text, to four decimal places: float32 [texts]; NaN for a text without tokens.

        Only the first ``max_tokens`` tokens of a text are read. ``langs`` is ignored.
        """
        return round_scores([self._score(text) for text in texts])

    def _score(self, text: str) -> float:
        import torch

        tokens = self._tokenizer(text, truncation=True, max_length=self._max_tokens, return_tensors="pt")
        if not tokens["input_ids"].shape[1]:
            return float("nan")
        with torch.inference_mode():
            logits = self._model(**tokens.to(self._model.device)).logits[0].double()
        if len(logits) == 1:
            return float(logits[0])
        multi_label = self._model.config.problem_type == "multi_label_classification"
        probabilities = logits.sigmoid() if multi_label else logits.softmax(0)
        return float(np.clip(float(probabilities[self._label]), 0, 1))


def require_label(folder: str, label: str | None) -> None:
    """Raise InputError if the model in ``folder`` has no such label; only its configuration is read."""
    from transformers import AutoConfig

    with ExitStack() as files:
        local = _local_folder(folder, files, "config.json")
        try:
            config = AutoConfig.from_pretrained(local, **_OFFLINE)
        except Exception as error:  # the library raises any exception for a damaged file
            raise _load_error(folder, error) from error
    _label_index(config, label)


def _load_error(folder: str, error: Exception) -> InputError:
    reason = str(error).split("\n")[0] or type(error).__name__
    return InputError(f"cannot load the transformer in {folder}: {reason}; {_REMEDY}")


def load_transformer(folder: str) -> tuple[Any, Any]:
    """The model and the tokenizer in a local folder."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    torch.set_num_threads(1)  # each core has a worker, and the order of sums must not depend on the number of cores
    tokenizer = AutoTokenizer.from_pretrained(folder, **_OFFLINE)
    model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True, **_OFFLINE)
    return model.eval(), tokenizer


def _label_index(config: Any, label: str | None) -> int:
    names = {str(name): int(index) for index, name in config.id2label.items()}
    if len(names) == 1:
        return 0
    if label not in names:
        raise InputError(f"the transformer's labels are {', '.join(names)}: set `label` to one of them, not {label!r}")
    return names[label]


def _local_folder(folder: str, files: ExitStack, pattern: str = "*") -> str:
    """``folder`` as a local path; a remote folder is copied and the copy deleted when ``files`` closes."""
    if storage.is_local(folder):
        return folder.removeprefix("file://")
    copy = Path(files.enter_context(TemporaryDirectory()))
    for name, _ in storage.glob(folder, pattern):
        (copy / name).write_bytes(storage.read_bytes(storage.join(folder, name)))
    return str(copy)

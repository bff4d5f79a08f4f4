"""Scores of a transformer: any Hugging Face model for sequence classification, by the path of its folder.

Such models tell educational value, quality or toxicity better than fastText, at some thousand times the cost; so the
mill asks them last. Nothing is downloaded: the folder holds ``config.json``, weights and a tokenizer, as
``save_pretrained`` leaves them. Texts go through the model one by one: in a batch, a text's last digits hang on what
stands beside it, and a score would not be a function of the text alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from gristmill.classifiers.score import Scores, rounded
from gristmill.errors import InputError
from gristmill.store import storage


class TransformerScorer:
    """A sequence classifier and the label whose probability, or the only output whose value, is the score."""

    def __init__(self, model: Any, tokenizer: Any, label: str | None, max_tokens: int) -> None:
        """Raises InputError where the model has no such label, or several and none is named."""
        self._model = model
        self._tokenizer = tokenizer
        self._label = _place(model.config, label)
        self._max_tokens = max_tokens

    @classmethod
    def load(cls, folder: str, label: str | None = None, max_tokens: int = 512) -> TransformerScorer:
        """The model in ``folder``. Raises InputError where it or the packages are missing."""
        try:
            import torch
            from transformers import AutoModelForSequenceClassification, AutoTokenizer
            from transformers.utils.logging import disable_progress_bar
        except ImportError:
            raise InputError("transformer scores need their packages: pip install 'gristmill[transformers]'") from None
        disable_progress_bar()
        torch.set_num_threads(1)  # a worker a core; and sums in the same order however many cores there are
        with ExitStack() as files:
            local = _local_folder(folder, files)
            try:
                tokenizer = AutoTokenizer.from_pretrained(local, local_files_only=True)
                model = AutoModelForSequenceClassification.from_pretrained(local, local_files_only=True)
            except (OSError, ValueError) as error:
                raise _no_model(folder, error) from error
        device = "cuda" if torch.cuda.is_available() else "cpu"
        return cls(model.eval().to(device), tokenizer, label, max_tokens)

    def scores(self, texts: Sequence[str], langs: Sequence[str | None] = ()) -> Scores:
        """float32 [texts], four digits: a probability, or the value itself where the model has one output; NaN of no
        token at all.

        Of a text only the first ``max_tokens`` tokens are read. ``langs`` plays no part.
        """
        return rounded([self._score(text) for text in texts])

    def _score(self, text: str) -> float:
        import torch

        given = self._tokenizer(text, truncation=True, max_length=self._max_tokens, return_tensors="pt")
        if not given["input_ids"].shape[1]:
            return float("nan")
        with torch.inference_mode():
            logits = self._model(**given.to(self._model.device)).logits[0].double()
        if len(logits) == 1:
            return float(logits[0])
        several = self._model.config.problem_type == "multi_label_classification"
        shares = logits.sigmoid() if several else logits.softmax(0)
        return float(np.clip(float(shares[self._label]), 0, 1))


def require_label(folder: str, label: str | None) -> None:
    """Raises InputError where the model in ``folder`` has no such label; only its configuration is read."""
    from transformers import AutoConfig

    with ExitStack() as files:
        local = _local_folder(folder, files, "config.json")
        try:
            config = AutoConfig.from_pretrained(local, local_files_only=True)
        except (OSError, ValueError) as error:
            raise _no_model(folder, error) from error
    _place(config, label)


def _no_model(folder: str, error: Exception) -> InputError:
    sentence = str(error).split("\n")[0]
    return InputError(f"cannot load the transformer in {folder}: {sentence}")


def _place(config: Any, label: str | None) -> int:
    names = {str(name): int(place) for place, name in config.id2label.items()}
    if len(names) == 1:
        return 0
    if label not in names:
        raise InputError(f"the transformer's labels are {', '.join(names)}: name one of them as `label`, not {label!r}")
    return names[label]


def _local_folder(folder: str, files: ExitStack, pattern: str = "*") -> str:
    """``folder`` as a path on this machine; what lies elsewhere is copied until ``files`` closes."""
    if storage.is_local(folder):
        return folder.removeprefix("file://")
    copy = Path(files.enter_context(TemporaryDirectory()))
    for name, _ in storage.glob(folder, pattern):
        (copy / name).write_bytes(storage.read_bytes(storage.join(folder, name)))
    return str(copy)

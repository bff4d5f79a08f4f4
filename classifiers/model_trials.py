"""How models are opened in a child process before this process opens them; see ``gristmill.store.trial_open``.

The child imports only this module and what a model needs, so that it starts quickly.
"""

from __future__ import annotations

import os
import random

TEXTS = ("", "the boat crosses the river to the town", "0 \U0001f600 \u78e8\u574a")

_WORD_BYTES = 2**16
_WORDS = 2000
_SENTENCES = 5000  # 0.1 s
_SENTENCE = 12  # words


def open_fasttext(path: str) -> None:
    """Load a fastText classifier and predict. Raises ValueError if its parts do not agree."""
    from gristmill.classifiers.fasttext_layout import check_layout

    check_layout(path)
    import fasttext  # slow, and not needed for a file that is refused

    model = fasttext.load_model(path)
    model.predict(list(TEXTS), k=len(model.get_labels()))


def open_kenlm(path: str) -> None:
    """Load an ARPA file or a KenLM binary and score, with words of its own: a binary's tables are not checked."""
    import kenlm

    model = kenlm.Model(path, silent_kenlm())
    words = [*_last_words(path), *TEXTS[1].split()]
    choose = random.Random(0).choices
    for text in (*TEXTS, *words, *(" ".join(choose(words, k=_SENTENCE)) for _ in range(_SENTENCES))):
        model.score(text)


def _last_words(path: str) -> list[str]:
    """The words at the end of a file, where a KenLM binary has its vocabulary."""
    with open(path, "rb") as file:
        file.seek(-min(_WORD_BYTES, os.path.getsize(path)), os.SEEK_END)
        words = file.read().replace(b"\0", b" ").decode(errors="ignore").split()
    return words[-_WORDS:]


def silent_kenlm() -> object:
    """The configuration with which KenLM prints nothing."""
    import kenlm

    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    return config


def open_transformer(folder: str) -> None:
    """Load a sequence classifier and classify a text."""
    import torch

    from gristmill.classifiers.transformer import load_transformer

    model, tokenizer = load_transformer(folder)
    tokens = tokenizer(TEXTS[1], truncation=True, max_length=16, return_tensors="pt")
    if tokens["input_ids"].shape[1]:
        with torch.inference_mode():
            model(**tokens)

"""How models are opened in a child process before this process opens them; see ``gristmill.store.trial_open``.

The child imports only this module and what a model needs, so that it starts quickly.
"""

from __future__ import annotations

TEXTS = ("", "the boat crosses the river to the town", "0 \U0001f600 \u78e8\u574a")


def open_fasttext(path: str) -> None:
    """Load a fastText classifier and predict. Raises ValueError if its parts do not agree."""
    from gristmill.classifiers.fasttext_layout import check_layout

    check_layout(path)
    import fasttext  # slow, and not needed for a file that is refused

    model = fasttext.load_model(path)
    model.predict(list(TEXTS), k=len(model.get_labels()))


def open_kenlm(path: str) -> None:
    """Load an ARPA file or a KenLM binary and score."""
    import kenlm

    model = kenlm.Model(path, silent_kenlm())
    for text in TEXTS:
        model.score(text)


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

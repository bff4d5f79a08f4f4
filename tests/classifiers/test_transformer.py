"""Scores by transformers, with a tiny random model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from gristmill.classifiers import transformer as module
from gristmill.classifiers.transformer import TransformerScorer, load_transformer, require_label
from gristmill.errors import InputError
from tests.classifiers.tiny_models import text, transformer

pytest.importorskip("transformers")

TEXTS = [text(n % 2 == 0, n, 30) for n in range(6)]


@pytest.fixture(autouse=True)
def no_trial(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not start a child process, which imports transformers, except in a slow test."""
    if not request.node.get_closest_marker("slow"):
        monkeypatch.setattr(module, "require_opens", lambda *_: None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return transformer(tmp_path_factory.mktemp("tiny"))


def test_scores_are_probabilities_of_the_label(folder: str) -> None:
    high, low = (TransformerScorer.load(folder, label).scores(TEXTS) for label in ("high", "low"))
    assert len(set(high.tolist())) > 1
    assert high + low == pytest.approx(np.ones(6), abs=2e-4)


def test_a_score_depends_on_its_text_alone(folder: str) -> None:
    scorer = TransformerScorer.load(folder, "high")
    assert scorer.scores(TEXTS).tolist() == [scorer.scores([one])[0] for one in TEXTS]


def test_only_the_first_tokens_are_read(folder: str) -> None:
    scorer = TransformerScorer.load(folder, "high", max_tokens=10)
    first = " ".join(TEXTS[0].split()[:10])
    assert scorer.scores([TEXTS[0], first, f"{first} mill1 mill2"]).tolist() == scorer.scores([first] * 3).tolist()


def test_a_text_without_tokens_has_no_score(folder: str) -> None:
    assert np.isnan(TransformerScorer.load(folder, "high").scores(["", " \n "])).all()


def test_the_value_of_a_single_output_is_the_score(tmp_path: Path) -> None:
    found = TransformerScorer.load(transformer(tmp_path, ("value",))).scores(TEXTS)
    assert not np.isnan(found).any()
    assert found.min() < 0 or found.max() > 1 or len(set(found.tolist())) > 1


@pytest.mark.parametrize("label", [None, "middle"])
def test_a_label_is_required(folder: str, label: str | None) -> None:
    with pytest.raises(InputError, match="labels are low, high"):
        TransformerScorer.load(folder, label)


def test_the_error_for_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot load the transformer"):
        TransformerScorer.load(str(tmp_path), "high")


def test_neither_code_nor_a_pickle_of_the_folder_is_loaded(folder: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"model\.safetensors"):
        load_transformer(str(copy))
    config = json.loads((copy / "config.json").read_text())
    names = {"AutoConfig": "own.Config", "AutoModelForSequenceClassification": "own.Model"}
    (copy / "config.json").write_text(json.dumps({**config, "model_type": "own", "auto_map": names}))
    (copy / "own.py").write_text("open('ran', 'w').close()")
    with pytest.raises(InputError, match="cannot load the transformer"):
        require_label(str(copy), "high")
    assert not Path("ran").exists()


@pytest.mark.parametrize("config", ["{", "[" * 100_000, "[]", '{"model_type": 1}', '{"id2label": 1}'])
def test_the_error_for_a_damaged_configuration(tmp_path: Path, config: str) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(InputError, match=rf"cannot load the transformer in {tmp_path}: .*; give a folder"):
        require_label(str(tmp_path), "high")


@pytest.mark.slow
def test_a_model_is_first_opened_in_a_child_process(folder: str, tmp_path: Path) -> None:
    assert TransformerScorer.load(folder, "high").scores(TEXTS).min() >= 0
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "vocab_size": 10**10}))
    with pytest.raises(InputError, match=rf"cannot load the transformer in {copy}: "):
        TransformerScorer.load(str(copy), "high")

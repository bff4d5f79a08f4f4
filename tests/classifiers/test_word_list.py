"""Word lists match whole words and phrases in any case and width, in scripts with and without spaces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.classifiers.word_list import WordList, WordListScorer
from gristmill.corpus.words import word_hashes
from gristmill.errors import InputError

LIST = WordList(["damn", "snow ball", "hot snow ball", "🖕", "泥棒", "l'enfer", "c++"])


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Damn the mill", [0]),
        ("the DAMN, mill", [1]),
        ("ｄａｍｎ wide", [0]),
        ("damnation and goddamn", []),  # parts of words do not match
        ("Scunthorpe, Dickens and Essex", []),
        ("a snow-ball", [1]),
        ("a snow\nball", [1]),
        ("a snowball, a snow", []),
        ("a hot snow ball", [1, 2]),
        ("ball snow ball snow", [1]),
        ("彼は泥棒です", [2]),
        ("泥と棒", []),
        ("dans l’enfer", [1]),
        ("🖕 🖕", []),
        ("c, c and C#", [0, 1, 3]),  # symbols are not part of words
        ("", []),
        ("damn", [0]),
    ],
)
def test_hits(text: str, places: list[int]) -> None:
    assert LIST.hits(text).tolist() == places


def test_parts_of_words_never_match() -> None:
    entries = ["cunt", "dick", "sex", "ass", "tit", "cum", "hell"]
    innocent = "Scunthorpe Dickens Essex assassin class title document shell Middlesex cucumber circumstances titan"
    assert WordList(entries).hits(innocent).tolist() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("damn " + "mill " * 999, 1.0), ("damn damn mill mill", 500.0), ("mill", 0.0), ("", 0.0), ("…", 0.0)],
)
def test_per_thousand_words(text: str, expected: float) -> None:
    assert LIST.per_thousand(text) == expected


@given(st.text(), st.text(), st.sampled_from(["damn", "snow ball"]))
def test_an_entry_between_other_words_matches_at_its_position(before: str, after: str, entry: str) -> None:
    text = f"{before}\n{entry}\n{after}"
    assert len(word_hashes(before)) in LIST.hits(text).tolist()


def test_a_language_without_a_list_has_no_score() -> None:
    scorer = WordListScorer({"en": LIST})
    found = scorer.scores(["damn it", "damn it", "damn it", "good"], ["en", "de", None, "en"])
    assert found[[0, 3]].tolist() == [500.0, 0.0]
    assert np.isnan(found[1:3]).all()


def test_lists_are_loaded(tmp_path: Path) -> None:
    (tmp_path / "en.txt").write_text("damn\n\nsnow ball\n")
    assert WordListScorer.load({"en": str(tmp_path / "en.txt")}).scores(["a snow ball"], ["en"])[0] == pytest.approx(
        333.3333
    )


@pytest.mark.parametrize(
    ("content", "fault"), [(None, "no word list"), (b"\n!?\n", "no entry"), (b"\xff\xfe\xff", "UTF-8")]
)
def test_the_error_for_a_file_that_is_not_a_list(tmp_path: Path, content: bytes | None, fault: str) -> None:
    if content is not None:
        (tmp_path / "list.txt").write_bytes(content)
    with pytest.raises(InputError, match=fault):
        WordList.load(str(tmp_path / "list.txt"))


def test_real_lists_load_and_do_not_match_place_names(shared_data: Path) -> None:
    lists = [path for path in sorted((shared_data / "lists" / "ldnoobw").iterdir()) if path.name != "LICENSE"]
    assert len(lists) == 28
    for path in lists:
        assert WordList.load(str(path)).hits("Scunthorpe Penistone Cockburn Essex 12").tolist() == []

"""Gold pages, their split, and the F1 of a text."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.harness.gold_pages import gold_pages, host_of, is_held_out, word_counts, word_f1


@pytest.mark.parametrize("url", ["https://example.org/a", "http://www.example.org:8080/b?c", "HTTPS://WWW.Example.ORG"])
def test_all_pages_of_a_site_are_on_the_same_side(url: str) -> None:
    assert host_of(url) == "example.org"
    assert is_held_out(url) == is_held_out("https://example.org/")


def test_the_split_is_stable() -> None:
    sites = [f"https://site-{number}.example/" for number in range(40)]
    assert [number for number, site in enumerate(sites) if is_held_out(site)] == [
        0,
        4,
        5,
        12,
        13,
        15,
        18,
        22,
        34,
        37,
    ]


@pytest.mark.parametrize("url", ["", "not a url", "http://[broken"])
def test_the_id_decides_for_a_page_without_a_host(url: str) -> None:
    assert host_of(url) == ""
    assert {is_held_out(url, f"page-{number}") for number in range(30)} == {True, False}


@pytest.mark.parametrize(
    ("text", "gold", "score"),
    [
        ("The same words.", "the SAME, words!", 1.0),
        ("one two three four", "one two", 2 / 3),
        ("a a a", "a", 0.5),
        ("", "text", 0.0),
        ("text", "", 0.0),
        ("", "", 1.0),
    ],
)
def test_f1_compares_multisets_of_words(text: str, gold: str, score: float) -> None:
    assert word_f1(text, word_counts(gold)) == pytest.approx(score)


def test_gold_pages_and_their_split(shared_data: Path) -> None:
    pages = gold_pages()
    assert {page.set for page in pages} == {"warc", "more", "news"}
    assert len(pages) == 633 + 845 + 380
    assert all(page.html and page.text and page.lang and page.page_type for page in pages)
    assert 0.15 < sum(page.held_out for page in pages) / len(pages) < 0.25
    hosts = [{host_of(page.url) for page in pages if page.held_out is side} - {""} for side in (True, False)]
    assert not hosts[0] & hosts[1]

"""The network's input: features of blocks, tags, and words from the markup."""

from __future__ import annotations

import re
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gristmill.extraction.learned.block_features import LEVELS, NUMBERS, log_step, ratio_32
from gristmill.extraction.learned.html_blocks import BREAK
from gristmill.extraction.learned.html_tags import TAGS
from gristmill.extraction.learned.markup_words import element_words, page_words, url_words
from gristmill.extraction.learned.text_scan import (
    KINDS,
    LEAD_CHARACTERS,
    LEAD_WORDS,
    LONG,
    MAX_IDENTIFIER_WORDS,
    count_characters,
    identifier_words,
    is_kind,
    lead_words,
)
from tests.extraction.learned_pages import features_of, parse_page

_PIECES = (
    *(f"<{tag}>" for tag in ("div", "p", "ul", "li", "table", "td", "pre", "a", "b", "h1", "section")),
    *(f"</{tag}>" for tag in ("div", "p", "ul", "li", "table", "td", "pre", "a", "b", "h1", "section")),
    *(
        "<br>",
        "<title>A title</title>",
        " ",
        "Word, word. ",
        "© 2024 | 5·6:",
        "日本語、",
        "😀𠀀",
        "_x_1 ",
        "é́ ",
        "y" * 90,
    ),
)
_MARKUP = st.lists(st.sampled_from(_PIECES), max_size=60).map("".join)


@given(_MARKUP)
@settings(max_examples=300)
def test_features_are_small_integers_and_reproducible(html: str) -> None:
    page = parse_page(html)
    if not page.texts:
        return
    numbers, tags, context = features_of(page)
    n = len(page.texts)
    assert numbers.dtype == np.float32
    assert numbers.shape == (n, NUMBERS)
    assert tags.shape == context.ancestors.shape == (n, LEVELS)
    assert (numbers == np.rint(numbers)).all()
    assert numbers.min() >= 0
    assert numbers.max() <= 64
    again_numbers, again_tags, again_context = features_of(parse_page(html))
    assert (numbers == again_numbers).all()
    assert (tags == again_tags).all()
    assert all((one == other).all() for one, other in zip(context, again_context, strict=True))


@given(_MARKUP)
@settings(max_examples=200)
def test_ancestors_of_a_block_match_a_naive_climb(html: str) -> None:
    page = parse_page(html)
    if not page.texts:
        return
    _, tags, context = features_of(page)
    for block, element in enumerate(page.element):
        for level in range(LEVELS):
            assert context.ancestors[block, level] == element
            assert tags[block, level] == (page.tags[element] if element >= 0 else 0)
            element = page.parents[element] if element >= 0 else -1


@given(st.lists(st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=40), max_size=5))
@settings(max_examples=300)
def test_words_are_runs_of_word_characters(texts: list[str]) -> None:
    page = parse_page("".join(f"<p>{text.replace('&', '&amp;').replace('<', '&lt;')}</p>" for text in texts))
    if page.texts:
        assert features_of(page)[2].words.tolist() == [len(re.findall(r"\w+", text)) for text in page.texts]


@pytest.mark.parametrize(
    ("text", "words"), [("one two", 2), ("_a_ 1", 2), ("𠀀𠀁 x", 2), ("😀", 1), ("…", 0), ("don’t", 2), ("中文", 1)]
)
def test_words_of_a_block(text: str, words: int) -> None:
    """Every character beyond the Basic Multilingual Plane counts as a letter."""
    assert features_of(parse_page(f"<p>{text}</p><p>-</p>"))[2].words.tolist() == [words, 0]


@pytest.mark.parametrize("character", ["x", "5", "A", "-", "中", ",", ".", "|", "©", "😀"])
def test_features_of_very_long_blocks_stay_within_bounds(character: str) -> None:
    numbers, _, _ = features_of(parse_page(f"<p>{character * (2**21 + 5)}</p><p>x</p>"))
    assert numbers.min() >= 0
    assert numbers.max() <= 64


def test_log_step_rises_at_each_half_octave() -> None:
    steps = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
    assert log_step(0) == 0
    assert [log_step(step) for step in steps] == list(range(1, 13))
    assert [log_step(step - 1) for step in steps[1:]] == list(range(1, 12))
    assert [log_step(value) for value in (4095, 4096, 6143, 6144)] == [23, 24, 24, 25]
    assert log_step(2**40) == log_step(2**22) < 64


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(0, 5, 0), (1, 33, 0), (1, 32, 1), (1, 2, 16), (31, 32, 31), (63, 64, 31), (7, 7, 32), (0, 0, 0), (2, 0, 64)],
)
def test_ratio_in_thirty_seconds(part: int, whole: int, expected: int) -> None:
    assert ratio_32(part, whole) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("… »", []),
        ("Read More »", ["read", "more"]),
        ("don’t e-mail _x_1", ["don", "t", "e", "mail", "_x_1"]),
        ("a 中文。é́ 𠀀", ["a", "中文", "é", "𠀀"]),
        (" ".join("abcdefghijklm"), list("abcdefghijkl")),
        ("x" * (LONG - 2) + " y", ["x" * 78, "y"]),
        ("x" * (LONG - 1) + " Y", ["x" * 79, "y", "$y"]),
        ("x" * (LONG - 4) + " End.", ["x" * 76, "end", "$end."]),
        ("x" * LEAD_CHARACTERS + "y z", ["x" * LEAD_CHARACTERS, "$z"]),
        ("x" * (LEAD_CHARACTERS - 2) + " yy", ["x" * (LEAD_CHARACTERS - 2), "y", "$yy"]),
        ("x" * LEAD_CHARACTERS, ["x" * LEAD_CHARACTERS, "$" + "x" * 24]),
    ],
)
def test_lead_words(text: str, words: list[str]) -> None:
    assert lead_words(text) == words


_BASIC = st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]) | st.sampled_from("ab_ 1A.,:|©中·–" + BREAK)


@given(st.text(_BASIC, max_size=140))
@settings(max_examples=300)
def test_lead_words_are_runs_of_word_characters(text: str) -> None:
    words = [word for word in lead_words(text) if not word.startswith("$")]
    assert words == [word.lower() for word in re.findall(r"\w+", text[:LEAD_CHARACTERS])[:LEAD_WORDS]]


@given(st.text(_BASIC | st.sampled_from("😀𠀀"), max_size=60))
@settings(max_examples=300)
def test_characters_are_counted_by_kind(text: str) -> None:
    counts = array("i", range(len(KINDS)))  # earlier values are overwritten
    words = count_characters(text, counts)
    basic = [character for character in text if character < "\U00010000"]
    assert words == len(re.findall(r"\w+", re.sub("[😀𠀀]", "x", text)))
    assert dict(zip(KINDS, counts, strict=True)) == {
        "letter": 0,
        "digit": sum(map(str.isdigit, basic)),
        "upper": sum(map(str.isupper, basic)),
        "comma": sum(map(text.count, ",，、;；،")),
        "stop": sum(map(text.count, ".!?。！？…؟")),
        "colon": sum(map(text.count, ":：")),
        "mark": sum(not character.isalnum() and not character.isspace() for character in basic),
        "divider": sum(map(text.count, "|›»•·/>")),
        "ideograph": len(re.findall("[\u2e80-\u9ffe\uac00-\ud7ae]", text)),
        "sign": sum(map(text.count, "©®™")),
        "break": text.count(BREAK),
    }
    for character in basic:
        assert is_kind(character, KINDS.index("digit")) == character.isdigit()
        assert is_kind(character, KINDS.index("letter")) == (re.match(r"\w", character) is not None)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", []),
        ("post-body postBody POST_body", ["post", "body"]),
        ("HTMLText", ["html", "text"]),
        ("ABc", ["bc"]),
        ("ABCd", ["ab", "cd"]),
        ("A b C1 dd2EE", ["b", "dd", "ee"]),
        ("main-2 été Über", ["main", "t", "ber"]),
        (
            " ".join(f"word{chr(97 + i)}" for i in range(26)),
            [f"word{chr(97 + i)}" for i in range(MAX_IDENTIFIER_WORDS)],
        ),
        ("same " * 100 + "other", ["same", "other"]),
    ],
)
def test_identifier_words(value: str, words: list[str]) -> None:
    assert identifier_words(value) == words


@given(st.text("abAB-_ 1é", max_size=30))
@settings(max_examples=300)
def test_identifier_words_match_a_regular_expression(value: str) -> None:
    found = re.findall("[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+", value)
    assert identifier_words(value) == list(dict.fromkeys(map(str.lower, found)))[:MAX_IDENTIFIER_WORDS]


STEPS = {2**k for k in range(23)} | {3 * 2**k for k in range(21)}


def naive_log(value: int) -> int:
    return sum(value >= step for step in STEPS)


@given(_MARKUP)
@settings(max_examples=200)
def test_position_and_element_features_match_naive_counts(html: str) -> None:
    page = parse_page(html)
    if not page.texts:
        return
    numbers, _, context = features_of(page)
    n = len(page.texts)
    length = [len(text) for text in page.texts]
    linked = [min(size, link) for size, link in zip(length, page.linked, strict=True)]
    prose = [size * (page.tags[element] == TAGS["p"]) for size, element in zip(length, page.element, strict=True)]
    longs = [size - link > LONG for size, link in zip(length, linked, strict=True)]
    total, all_longs, m = sum(length), sum(longs), len(page.parents)
    for block, element in enumerate(page.element):
        wanted = [
            *(ratio_32(block, n), ratio_32(sum(length[:block]), total), ratio_32(sum(longs[:block]), all_longs)),
            *(
                min(page.depths[element], 40),
                naive_log(total),
                ratio_32(sum(linked), total),
                ratio_32(sum(prose), total),
            ),
            *(naive_log(n), naive_log(all_longs), ratio_32(all_longs, n), naive_log(m)),
        ]
        for _ in range(LEVELS):
            if element < 0:
                wanted += [0] * 9
                continue
            held = [at for at in range(n) if element <= page.element[at] < page.ends[element]]
            inside = sum(length[at] for at in held)
            family = (page.parents[element], page.tags[element])
            siblings = list(zip(page.parents, page.tags, strict=True)).count(family)
            assert held == list(range(context.first[element], context.last[element]))
            wanted += [
                *(naive_log(inside), ratio_32(sum(linked[at] for at in held), inside)),
                *(ratio_32(sum(prose[at] for at in held), inside), naive_log(len(held)), ratio_32(inside, total)),
                *(naive_log(sum(longs[at] for at in held)), ratio_32(sum(longs[at] for at in held), len(held))),
                *(naive_log(siblings), ratio_32(held.index(block), len(held))),
            ]
            element = page.parents[element]
        assert numbers[block, 19:].tolist() == wanted


@pytest.mark.parametrize(
    ("html", "column", "value"),
    [
        ("<p>x", 0, 1),  # length
        ("<p>aa bb", 1, 2),  # words
        ("<p>a<a>b</a>", 2, 16),  # linked
        ("<p><a>&nbsp;&nbsp;b</a>", 2, 32),
        ("<p>abc<b>d</b>", 3, 8),  # bold
        ("<p>1a2b", 4, 16),  # digits
        ("<p>Abcd", 5, 8),  # capitals
        ("<p>a.-b", 6, 16),  # marks
        ("<p>中a", 7, 16),  # ideographs
        ("<p>a,b，c", 8, 2),  # commas
        ("<p>a. b? c", 9, 2),  # stops
        ("<p>a | b", 10, 1),  # dividers
        ("<p>a<br>b<br>c", 11, 2),  # breaks
        *(("<p>a.", 12, 8), ("<p>a. b", 12, 0), ("<p>a:", 13, 8), ("<p>a", 13, 0), ("<p>Ab", 14, 8), ("<p>aB", 14, 0)),
        *(("<p>a ©", 15, 8), ("<p>a c", 15, 0)),  # signs
        *(("<p>abcdef gh", 16, 4), (f"<p>{'x' * 80}", 16, 32), ("<p>–––", 16, 3)),  # characters a word
        *(("<title>A fox</title><p>the fox", 17, 16), ("<p>the fox", 17, 0), ("<title>A</title><p>–", 17, 0)),
        *(("<p>x<p>x", 18, 8), ("<p>x<p>y", 18, 0)),  # repeated texts
    ],
)
def test_text_features(html: str, column: int, value: int) -> None:
    assert features_of(parse_page(html))[0][0, column] == value


def test_a_repeated_block_has_other_features() -> None:
    repeated, other = (
        features_of(parse_page("<p>same</p><p>same</p>"))[0],
        features_of(parse_page("<p>same</p><p>main</p>"))[0],
    )
    assert (repeated != other).any(axis=1).all()


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ("div", []),
        ("div class='postBody post-body HTMLText'", ["post", "body", "html", "text"]),
        ("div class=''", []),
        ("div class", []),
        ("div id=main-2 class='a b'", ["a", "b", "main"]),
        ("div role=navigation hidden aria-hidden=false", ["role:navigation", "hidden:"]),
        ("div aria-hidden=true style='display: none'", ["hidden:", "style:none"]),
        ("div style='color: red' onclick=x() title=a", []),
        ("div itemprop=name data-type='big one'", ["prop:name", "data:big", "data:one"]),
        (
            "div itemtype='https://schema.org/NewsArticle'",
            ["type:https", "type:schema", "type:org", "type:news", "type:article"],
        ),
    ],
)
def test_words_of_an_element(tag: str, words: list[str]) -> None:
    found = element_words(parse_page(f"<{tag}>x</div>").attributes, [True, True])
    assert found.words[found.group[0]] == []
    assert found.words[found.group[1]] == words


def test_elements_with_equal_attributes_share_a_group_and_those_without_text_have_no_words() -> None:
    attributes = ["", " class=a", " class=b", " class=a", " class=c", " class=b", " class=c"]
    found = element_words(attributes, [True, True, True, True, False, True, False])
    assert found.words == [[], ["a"], ["b"]]
    assert found.group == [0, 1, 2, 1, 0, 2, 0]


@pytest.mark.parametrize("key", ["class", "id", "role"])
def test_long_attribute_values_are_truncated_to_their_first_words(key: str) -> None:
    marks = {"class": "", "id": "", "role": "role:"}
    long = " ".join(f"{'-' * 40}word{chr(97 + i)}" for i in range(26))
    found = element_words([f' {key}="{long}" title=""'], [True])
    assert found.words[found.group[0]] == [f"{marks[key]}word{chr(97 + i)}" for i in range(MAX_IDENTIFIER_WORDS)]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", []),
        ("no url", []),
        ("http://[broken", []),
        ("https://www.example.com", ["u:.com", "u:depth0"]),
        (
            "https://Blog.example.co.uk/2024/05/a-long-slug-of-words.html?id=7",
            ["u:.uk", "u:blog.", "u:depth3", "u:#", "u:a", "u:slug", "u:words", "u:html", "u:?id", "u:?7"],
        ),
    ],
)
def test_words_of_a_url(url: str, words: list[str]) -> None:
    assert set(words) <= set(url_words(url))
    assert bool(words) == bool(url_words(url))


def test_words_of_a_page() -> None:
    html = (
        "<head><title>A fox A den</title><meta property=og:type content=Article></head><body class=single>"
        '<script type="application/ld+json">[{"@type": "Person"}, {"@type" :\n["NewsArticle"]}, {"@type": 5}]</script>'
    )
    assert page_words(parse_page(html), html, None) == (
        ["@Person", "@NewsArticle", "og:type:article", "t:a", "t:fox", "t:den", "b:single"]
    )


def test_white_space_after_a_schema_type_takes_linear_time() -> None:
    """A pattern that can split white space in two ways would take hours."""
    html = '<script>"@type":' + " " * 1_000_000 + "</script>"
    assert page_words(parse_page(html), html, None) == []


@pytest.mark.parametrize(
    ("metas", "count"),
    [
        ("<meta property=og:type content='Article x'><meta name=generator content='WordPress 6.1'>", 2),
        ("<meta name=generator content='WordPress 6.1'><meta name=generator><meta name=author content=me>", 0),
        ("<meta name=GENERATOR content=x><meta property='' name='og:type' content='article'>", 1),
        ("<meta property=og:type><meta name=generator content=' '><meta>", 0),
        ("<svg></svg><p>x<meta content=article property='og:type'>", 1),
    ],
)
def test_words_of_meta_tags(metas: str, count: int) -> None:
    """The last tag of a name counts."""
    found = page_words(parse_page(metas), metas, None)
    assert found == ["og:type:article", "generator:wordpress"][:count]

"""Decontamination: items found in documents, their position and share, and the actions on documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gristmill.corpus.document import DOCUMENT_SCHEMA
from gristmill.errors import InputError
from gristmill.transforms.contamination.benchmark_items import BenchmarkItem as Item
from gristmill.transforms.contamination.build_ngram_index import NgramSettings, build_ngram_index, index_items
from gristmill.transforms.contamination.decontaminate_section import BenchmarkSection, DecontaminateSection
from gristmill.transforms.contamination.decontaminator import Decontaminator, Hit, largest_hit, passages_to_cut
from gristmill.transforms.contamination.ngram_index import NgramIndex
from gristmill.transforms.core.edits import EDITS_SCHEMA, Span, remove_spans
from gristmill.transforms.refine.refine_section import RefineSection
from gristmill.transforms.refine.refiner import Refiner

WORDS = [
    *("alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"),
    *("india", "juliet", "kilo", "lima", "mike", "november", "oscar", "papa"),
]
WHOLE = " ".join(WORDS)
LONG = " ".join(f"{word}{number}" for number in range(4) for word in WORDS)


def section(**more: Any) -> DecontaminateSection:
    return DecontaminateSection(benchmarks=[BenchmarkSection(name="set", paths=["unread"])], **more)


def decontaminator(*items: str | Item, **more: Any) -> Decontaminator:
    read = [item if isinstance(item, Item) else Item(item) for item in items]
    return Decontaminator(section(**more), index_items({"set": read}, NgramSettings()))


def hits(finder: Decontaminator, text: str) -> list[Hit]:
    return finder.hits([text])[0]


def test_a_hit_names_benchmark_item_share_and_place() -> None:
    text = "Before. “" + ", ".join(WORDS[:14]).upper() + "!” After."
    (hit,) = hits(decontaminator("other words", WHOLE), text)
    assert hit == Hit("set", 1, ngrams=2, share=0.5, places=[(9, 9 + len(", ".join(WORDS[:14])))])
    assert hit.detail == "set:1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<p>{}</p>", [(3, 3 + len(WHOLE))]),
        ("½ ﬁ <b>{}</b>", [(7, 7 + len(WHOLE))]),
        ("日本{}", [(2, 2 + len(WHOLE))]),
        ("{0} and {0}", [(0, len(WHOLE)), (len(WHOLE) + 5, 2 * len(WHOLE) + 5)]),
    ],
)
def test_places_are_offsets_into_the_given_text(text: str, expected: list[tuple[int, int]]) -> None:
    (hit,) = hits(decontaminator(WHOLE), text.format(WHOLE))
    assert hit.places == expected


def test_places_include_markup_inside_a_passage() -> None:
    marked = WHOLE.replace("echo", "e<b>ch</b>o").replace(" golf", "&nbsp;<i>golf</i>")
    (hit,) = hits(decontaminator(WHOLE), f"<td>{marked}</td>")
    assert hit.places == [(4, 4 + len(marked))]
    assert hit.share == 1.0


def test_a_question_without_its_answer_has_share_one() -> None:
    item = Item(WHOLE, (LONG,))
    (hit,) = hits(decontaminator(item), WHOLE)
    assert (hit.ngrams, hit.share) == (4, 1.0)
    (hit,) = hits(decontaminator(item), " ".join(LONG.split()[:23]))
    assert (hit.ngrams, hit.share) == (11, round(11 / 68, 4))
    (hit,) = hits(decontaminator(Item(" ".join(WORDS[:6]), (LONG,))), " ".join(WORDS[:6]))
    assert (hit.ngrams, hit.share) == (1, 1.0)


def test_ngrams_do_not_span_two_passages() -> None:
    (hit,) = hits(decontaminator(LONG), " ".join([*LONG.split()[:20], "and", *LONG.split()[20:40]]))
    assert (hit.ngrams, hit.share) == (16, round(16 / 52, 4))
    (hit,) = hits(decontaminator(LONG), " ".join([*LONG.split()[:20], "and", *LONG.split()[10:40]]))
    assert hit.ngrams == 28 - 2, "n-grams of both passages count once, and two span them"


@pytest.mark.parametrize(
    ("thresholds", "words", "found"),
    [
        ({"min_ngrams": 4}, 15, False),
        ({"min_ngrams": 4}, 16, True),
        ({"min_share": 0.75}, 14, False),
        ({"min_share": 0.75}, 15, True),
        ({"min_ngrams": 9}, 15, False),
        ({"min_ngrams": 9}, 16, True),  # the whole item occurs
    ],
)
def test_thresholds(thresholds: dict[str, Any], words: int, found: bool) -> None:
    assert bool(hits(decontaminator(WHOLE, **thresholds), " ".join(WORDS[:words]))) == found


def test_the_largest_hit_has_the_most_ngrams_and_is_the_first_of_equals() -> None:
    finder = decontaminator(" ".join(WORDS[:13]), " ".join(reversed(WORDS[:14])), " ".join(reversed(WORDS[:14])))
    result = hits(finder, " ".join([*WORDS[:13], "and", *reversed(WORDS[:14])]))
    assert [hit.item for hit in result] == [0, 1, 2]
    assert largest_hit(result).detail == "set:1"


@pytest.mark.parametrize(
    ("margin", "expected"),
    [
        (0, [(8, 13), (20, 25)]),
        (1, [(7, 14), (19, 26)]),
        (2, [(4, 31)]),  # one character into the words on both sides, so the two ranges merge
        (5, [(3, 31)]),
        (6, [(0, 31)]),
        (99, [(0, 33)]),
    ],
)
def test_passages_to_cut_have_a_margin_and_end_at_word_boundaries(margin: int, expected: list[tuple[int, int]]) -> None:
    hits = [Hit("set", 0, 1, 1.0, [(8, 13)]), Hit("set", 1, 1, 1.0, [(20, 25)])]
    assert passages_to_cut(hits, "one two three four, fives sixes s", margin) == expected


def test_text_without_spaces_is_cut_at_characters() -> None:
    assert passages_to_cut([Hit("set", 0, 1, 1.0, [(5, 7)])], "日本語の長い文章です", 2) == [(3, 9)]


@pytest.mark.parametrize(
    ("action", "text", "expected"),
    [
        ("drop", f"one {WHOLE} two", None),
        ("label", f"one {WHOLE} two", []),
        ("cut", f"one {WHOLE} two", [Span(4, 4 + len(WHOLE), "contaminated", 1.0)]),
        ("cut", " one ".join([WHOLE] * 3), None),
    ],
)
def test_actions(action: str, text: str, expected: list[Span] | None) -> None:
    finder = decontaminator(WHOLE, action=action, margin=0, max_cuts=2)
    assert finder.cuts(text, hits(finder, text)) == expected


def refiner(tmp_path: Path, **more: Any) -> Refiner:
    """Return a refiner for one test set with one item, ``WHOLE``."""
    (tmp_path / "set.json").write_text(json.dumps([WHOLE]))
    section = DecontaminateSection(
        benchmarks=[BenchmarkSection(name="set", paths=[str(tmp_path / "set.json")])], **more
    )
    (tmp_path / "index.arrow").write_bytes(build_ngram_index(section).to_bytes())
    return Refiner(RefineSection(decontaminate=section), str(tmp_path / "index.arrow"))


def test_text_cut_by_rules_is_not_searched(tmp_path: Path) -> None:
    half = " ".join(WORDS[:8])
    text = f"{half} Menu {' '.join(WORDS[8:])} end. Mail: me@example.org"
    cut = {"start": len(half) + 1, "end": len(half) + 6, "rule": "one_word"}
    dropped = refiner(tmp_path).refine(text, "web", [cut])
    assert (dropped.text, dropped.reason, dropped.detail, dropped.spans) == (None, "contaminated", "set:0", [])
    (hit,) = dropped.hits
    assert hit.places == [(0, text.index(" end"))], "offsets into the extracted text, including the cut"
    assert refiner(tmp_path).refine(text, "web").hits == []


def test_cut_passages_and_redaction_are_edits_of_the_extracted_text(tmp_path: Path) -> None:
    text = f"Mail: one@example.org. Menu {WHOLE} end. Mail: two@example.org."
    cuts = [{"start": 23, "end": 28, "rule": "one_word"}]
    refined = refiner(tmp_path, action="cut", margin=1).refine(text, "web", cuts)
    assert refined.text == "Mail: <EMAIL_ADDRESS>.end. Mail: <EMAIL_ADDRESS>."
    assert [span.entity for span in refined.spans] == ["EMAIL_ADDRESS", "contaminated", "EMAIL_ADDRESS"]
    names = dict.fromkeys(("EMAIL_ADDRESS",), "<EMAIL_ADDRESS>")
    assert [text[span.start : span.end] for span in refined.spans if span.entity in names] == [
        "one@example.org",
        "two@example.org",
    ]
    (hit,) = refined.hits
    assert [text[start:end] for start, end in hit.places] == [WHOLE]


def test_a_document_without_remaining_text_is_contaminated(tmp_path: Path) -> None:
    refined = refiner(tmp_path, action="cut").refine(f"\n{WHOLE}!\n", "web")
    assert (refined.text, refined.reason, refined.detail, refined.spans) == (None, "contaminated", "set:0", [])


@settings(max_examples=100)
@given(
    st.lists(st.sampled_from([WHOLE, "one two", "three.", "<b>four</b>", "日本", "½"]), max_size=8), st.integers(0, 9)
)
def test_cut_text_has_no_hits(pieces: list[str], margin: int) -> None:
    text = "\n".join(pieces)
    finder = decontaminator(WHOLE, action="cut", margin=margin, max_cuts=9)
    cuts = finder.cuts(text, hits(finder, text))
    assert cuts is not None
    assert hits(finder, remove_spans(text, cuts)) == []
    assert bool(cuts) == (WHOLE in pieces)


def block(*texts: str) -> pa.Table:
    """Return a block of kept documents with the columns of ``judge`` and ``dedup``."""
    rows = len(texts)
    columns = {field.name: pa.nulls(rows, field.type) for field in DOCUMENT_SCHEMA}
    columns |= {"source": pa.array(["web"] * rows), "text": pa.array(texts, pa.large_string())}
    decisions = {"kept": [True] * rows, "removed": [False] * rows, "cuts": [[] for _ in texts]}
    return pa.table({**columns, **{name: pa.array(values) for name, values in decisions.items()}})


def test_the_sidecar_has_hits_if_documents_are_decontaminated(tmp_path: Path) -> None:
    texts = ["clean", f"one {WHOLE}"]
    label = refiner(tmp_path, action="label")(block(*texts))
    assert label.documents["text"].to_pylist() == texts
    assert label.edits.to_pylist() == [
        {"kept": True, "reason": None, "detail": None, "edits": [], "hits": []},
        {
            "kept": True,
            "reason": None,
            "detail": None,
            "edits": [],
            "hits": [
                {
                    "benchmark": "set",
                    "item": 0,
                    "ngrams": 4,
                    "share": 1.0,
                    "places": [{"start": 4, "end": 4 + len(WHOLE)}],
                }
            ],
        },
    ]
    assert Refiner(RefineSection(), None)(block(*texts)).edits.schema == EDITS_SCHEMA


@pytest.mark.parametrize("more", [{"n": 3}, {"min_share": 1.1}, {"action": "keep"}, {"margin": -1}, {"max_cuts": 0}])
def test_settings_have_bounds(more: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        section(**more)


def test_excused_passages_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "set.json").write_text(json.dumps([WHOLE]))
    (tmp_path / "famous.txt").write_text(", ".join(WORDS))
    benchmarks = [BenchmarkSection(name="set", paths=[str(tmp_path / "set.json")])]
    excused = DecontaminateSection(benchmarks=benchmarks, excused=[str(tmp_path / "*.txt")])
    assert build_ngram_index(excused).search([WHOLE]) == [[]]
    assert build_ngram_index(excused).counts[0].frames_only == 1
    (tmp_path / "famous.txt").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"famous.txt cannot be read: .*; excused passages must be UTF-8 text"):
        build_ngram_index(excused)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("8 + 8 ÷ 2 + 2 =\n4\n8\n10\n14", True),
        ("He asks: 8+8 ÷ 2 +\n2 = 4 8 10 14 and goes on.", True),
        ("<p>8 &#43; 8 &divide; 2 <b>+</b> 2 =</p><p>4</p><p>8</p><p>10</p><p>14</p>", True),
        ("8 8 2 2 4 8 10 14", False),  # a row of a table
        ("8 - 8 ÷ 2 + 2 = 4 8 10 14", False),
        ("8 + 8 ÷ 2 + 2 = 4 8 10", False),
    ],
)
def test_a_formula_matches_character_by_character(tmp_path: Path, text: str, found: bool) -> None:
    (tmp_path / "set.json").write_text(json.dumps(["8 + 8 ÷ 2 + 2 =\n4\n8\n10\n14"]))
    section = DecontaminateSection(benchmarks=[BenchmarkSection(name="set", paths=[str(tmp_path / "set.json")])])
    index = NgramIndex.from_table(build_ngram_index(section).to_table())
    assert bool(Decontaminator(section, index).hits([f"Before. {text}"])[0]) == found


def test_real_items_are_found_in_a_page(shared_data: Path) -> None:
    path = str(shared_data / "bench" / "gsm8k_test.jsonl")
    section = DecontaminateSection(benchmarks=[BenchmarkSection(name="gsm8k", paths=[path], layout="gsm8k")])
    question = json.loads(Path(path).read_text().splitlines()[17])["question"]
    text = f"A page about something else. {question.upper()} And so on."
    (hit,) = Decontaminator(section, build_ngram_index(section)).hits([text])[0]
    assert (hit.detail, hit.share) == ("gsm8k:17", 1.0)
    assert [text[start:end] for start, end in hit.places] == [question.upper().rstrip("?.")]

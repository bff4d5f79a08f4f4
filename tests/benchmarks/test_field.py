"""What counts as right in the benchmark of field cases."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.robustness import field

CELLS = "<table><tr><th>Tree</th><th>May</th><th>June</th></tr><tr><td>Ash</td><td></td><td>4</td></tr></table>"
ROWS = [(1, "if a:"), (2, "  b")]
GUTTER = "".join(f"<tr><td>{number}</td><td class='blob-code'>{line}</td></tr>" for number, line in ROWS)
MONOSPACE = "<div style='font: monospace'>if a:<br>&nbsp; b</div>"
ANNOTATED = (
    "<p>So <math><semantics><mi>a</mi><annotation>\\frac{a}{b}</annotation></semantics></math>"
    "<span aria-hidden='true'>ab</span> holds.</p>"
)
SCRIPTS = "<p>In CO<sub>2</sub>, 10<sup>6</sup> times.</p>"
NUMBERED = "<ol><li>Wash it.</li><li>Dry it.</li></ol>"
NESTED = "<ul><li>Tree<ul><li>Ash</li></ul></li><li>Bush</li></ul>"
TERMS = "<dl><dt>Ash</dt><dd>A tall tree.</dd></dl>"
COMMENT = "<p>Before.</p><!-- hidden --!><p>After.</p>"


@pytest.mark.parametrize(
    ("check", "html", "right", "wrong"),
    [
        (field.has_prose, COMMENT, ["Before.\nAfter."], ["Before.\nhidden\nAfter.", "Before. | After."]),
        (
            field.has_columns,
            CELLS,
            ["Tree | May | June\nAsh | | 4", "| Tree | May | June |\n|---|:-:|---|\n| Ash |  | 4 |"],
            ["Tree | May | June\nAsh | 4", "Tree | May | June\nAsh | 4 |", "Tree May June\nAsh 4", ""],
        ),
        (
            field.has_code,
            f"<table>{GUTTER}</table>",
            ["x\nif a:\n  b\ny", "    if a:\n      b"],
            ["if a:\nb", "1 if a:\n2   b", "if a:\n\n  b"],
        ),
        (field.has_code, MONOSPACE, ["if a:\n  b", "if a:\n\N{NO-BREAK SPACE} b"], ["if a:\n b", "if a: b"]),
        (field.has_code, "<pre>a   1\nbb 22\n</pre>", ["a   1\nbb 22"], ["a 1\nbb 22", "a   1 bb 22"]),
        (
            field.has_formulas,
            ANNOTATED,
            [r"So \frac{a}{b} holds.", r"So $\frac{a}{b}$ holds.", r"So \(\frac{a}{b}\) holds."],
            ["So holds.", "So ab holds.", r"So a\frac{a}{b} holds.", r"So \frac{a}{b} holds. \frac{a}{b}"],
        ),
        (
            field.has_formulas,
            SCRIPTS,
            ["In CO2, 10^6 times.", "In CO₂, 10⁶ times.", "In $CO_{2}$, $10^{6}$ times."],
            ["In CO2, 106 times.", "In CO2, 10 6 times.", "In CO, 10^6 times."],
        ),
        (
            field.has_numbers,
            NUMBERED,
            ["1. Wash it.\n2. Dry it.", "1) Wash it.\n2) Dry it."],
            ["- Wash it.\n- Dry it.", "1. Wash it.\n1. Dry it.", "1. Wash it."],
        ),
        (
            field.has_nesting,
            NESTED,
            ["- Tree\n  - Ash\n- Bush", "Tree\n\tAsh\nBush"],
            ["- Tree\n- Ash\n- Bush", "Tree\n  Ash\n  Bush", "- Tree\n  - Ash", "Tree Ash Bush"],
        ),
        (
            field.has_terms,
            TERMS,
            ["Ash\nA tall tree.", "Ash: A tall tree.", "**Ash**\n: A tall tree."],
            ["Ash A tall tree.", "AshA tall tree.", "A tall tree.", "Ash: A tall"],
        ),
    ],
)
def test_checks_of_pages(check: Callable[[str, str], bool], html: str, right: list[str], wrong: list[str]) -> None:
    page = f"<html><body>{html}</body></html>"
    assert [check(page, text) for text in right] == [True] * len(right)
    assert [check(page, text) for text in wrong] == [False] * len(wrong)


def test_the_paragraphs_of_a_page_are_its_long_runs_of_text() -> None:
    sentence = "Oats &amp; barley are dried before they are milled. " * 4
    assert (
        field.paragraphs(f"<p>Short.</p><p>{sentence}</p><br>{sentence}<br>")
        == [sentence.replace("&amp;", "&").strip()] * 2
    )


@pytest.mark.parametrize(
    ("text", "wanted", "right"), [("Write to bob@example.com.", 1, True), ("Write to bob.", 1, False), ("@", 0, True)]
)
def test_findings_are_counted(text: str, wanted: int, right: bool) -> None:
    assert field.judge_line({"text": text, "want": wanted})[0] is right


@pytest.mark.parametrize(
    ("texts", "wanted", "right"),
    [
        (["An ash is a tree.", "An  ash is a tree."], True, True),
        (["An ash is a tree.", "An  ash is a tree."], False, False),
        (["An ash is a tree.", "An oak is a tree."], True, False),
        (["An ash is a tree.", "An oak is a tree."], False, True),
    ],
)
def test_pairs_are_compared(texts: list[str], wanted: bool, right: bool) -> None:
    assert field.judge_pair(texts, "text/plain", wanted)[0] is right


def test_a_case_that_raises_is_wrong() -> None:
    def judge() -> field.Answer:
        raise ValueError("no text")

    assert field.answer(judge) == (False, "ValueError: no text")


def test_missing_data_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(field, "FIELD", tmp_path / "field")
    with pytest.raises(SystemExit, match=r"REAL DATA MISSING: no folder .*field; set GRISTMILL_DATA"):
        field.measure(Namespace(quick=True))


def test_figures() -> None:
    figures = field.figures(Counter({("pages", True): 2, ("pages", False): 1, ("pii", True): 4}))
    assert {name: value for name, value in figures.items() if value} == {
        "right_pages": 2,
        "wrong_pages": 1,
        "right_pii": 4,
        "right": 6,
        "wrong": 1,
        "cases": 7,
    }
    assert set(figures) == {"right", "wrong", "cases"} | {f"{a}_{g}" for a in ("right", "wrong") for g in field.GROUPS}

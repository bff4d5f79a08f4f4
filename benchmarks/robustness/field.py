"""Which inputs like those of public bug reports are handled right: a table of case → answer, and what was seen.

The inputs are those of ``GRISTMILL_DATA/field``, whose README says what is right for each group of cases. Archives and
tables are read, pages and texts extracted, with default settings; a page is right if its paragraphs are lines of their
own and the check in ``PAGE_CHECKS`` passes. Texts are judged by the default rules with ``words_min: 30``, duplicates by
the hash by which exact ones are found, personal data by the number of findings, and the tokenizer by whether training
and encoding end within a minute. A case that raises an exception is wrong.

The last line is one JSON object: ``right_<group>`` and ``wrong_<group>`` for each group, and ``right``, ``wrong`` and
``cases`` in total.
"""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
import time
import unicodedata
from argparse import Namespace
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import cache, partial
from html import unescape
from itertools import pairwise
from textwrap import dedent
from typing import Any

import pyarrow as pa
from lxml.html import document_fromstring  # type: ignore[import-untyped]
from rich.markup import escape

from benchmarks.harness.benchmark_main import benchmark_main
from benchmarks.harness.real_data import DATA, REPOSITORY, read_items
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.corpus.document import Document, Origin
from gristmill.corpus.record import Dropped, Raw, UnitSummary
from gristmill.errors import InputError
from gristmill.extraction.extract_record import CODE, PLAIN, ExtractionTools, extract_html, extract_records, outcome_row
from gristmill.extraction.extract_section import ExtractSection
from gristmill.tokenization.token_encoder import open_encoder
from gristmill.tokenization.tokenizer_section import TokenizerSection
from gristmill.tokenization.train_bpe import train_bpe
from gristmill.transforms.dedup.dedup_section import DedupSection
from gristmill.transforms.dedup.sign import create_hasher, sign_texts
from gristmill.transforms.quality.apply_rules import explain
from gristmill.transforms.quality.judge_section import JudgeSection
from gristmill.transforms.quality.measure_signals import measure_text
from gristmill.transforms.read.source_section import SourceSection
from gristmill.transforms.read.unit_planning import plan_units
from gristmill.transforms.read.unit_reader import ReadLimits, read_unit
from gristmill.transforms.redaction.pii_entities import PII_ENTITIES
from gristmill.transforms.redaction.redact_section import RedactSection
from gristmill.transforms.redaction.redactor import Redactor

FIELD = DATA / "field"
GROUPS = ("archive", "table", "pages", "texts", "duplicates", "pii", "tokenizer")
COLUMNS = ("group", "case", "answer", "seen")
EXTRACT = ExtractSection()
JUDGE = JudgeSection.model_validate({"thresholds": {"words_min": 30}})
SAME_TEXT = ["plain", "gzip-declared", "gzip-undeclared", "double-gzip-two-declared", "chunked-te-gzip"]
SAME_TEXT += ["encoding-none", "http2", "lf-only-http"]
BINARIES = {"pdf-as-html": "pdf", "png-as-html": "png"}
LANGUAGES = {"ko-report": {"ko"}, "ta-news": {"ta"}, "th": {"th"}, "zh-no-punct": {"zh"}}
LANGUAGES |= {"sr_lat": {"sr", "sh", "hr", "bs"}, "caps-en": {"en"}, "fullwidth": {"en"}, "poem": {"en"}}
LANGUAGE_ONLY = ("caps-en", "fullwidth")  # the rules may drop these texts
PAIRS = {("nfc", "nfd"): True, ("zh1", "zh2"): True, ("code+", "code-"): False, ("neg1", "neg2"): False}
"""Whether two texts are exact duplicates."""
TOKENIZER_SECONDS = 60
_NBSP = "\N{NO-BREAK SPACE}"
_SHOWN = 95  # characters of what was seen

Answer = tuple[bool, str]
"""Whether what Gristmill does is right, and what it does."""

Judge = Callable[[], Answer]


def main() -> None:
    quick = "the same: it takes seconds, and a minute more if the tokenizer is too slow"
    benchmark_main(measure, description=__doc__, quick=quick, needs_data=False)


def measure(options: Namespace) -> dict[str, float]:
    if not FIELD.is_dir():
        raise SystemExit(f"REAL DATA MISSING: no folder {FIELD}; set GRISTMILL_DATA")
    table = result_table("field cases", COLUMNS, left=COLUMNS)
    counts: Counter[tuple[str, bool]] = Counter()
    for group, name, judge in judges():
        right, seen = answer(judge)
        counts[group, right] += 1
        line = " ⏎ ".join(filter(None, seen.splitlines()))
        shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
        table.add_row(group, name, "right" if right else "[red]wrong[/]", escape(shown))
    CONSOLE.print(table)
    return figures(counts)


def figures(counts: Counter[tuple[str, bool]]) -> dict[str, float]:
    """Return the figures of the last line, given the number of cases by group and whether they are right."""
    words = {"right": True, "wrong": False}
    by_group = {f"{word}_{group}": counts[group, right] for group in GROUPS for word, right in words.items()}
    totals = {word: sum(counts[group, right] for group in GROUPS) for word, right in words.items()}
    return {**by_group, **totals, "cases": counts.total()}


def answer(judge: Judge) -> Answer:
    """Return the answer of a judge; an exception is a wrong one."""
    try:
        return judge()
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"


def judges() -> Iterator[tuple[str, str, Judge]]:
    """Yield the group, the name and the judge of each case."""
    for name in (*SAME_TEXT, *BINARIES):
        yield "archive", name, partial(judge_record, name)
    yield "table", "one-bad-row", judge_bad_row
    for name in ("text-is-int", "text-is-list"):
        yield "table", name, partial(judge_wrong_type, name)
    for group, judge in (("pages", judge_page), ("texts", judge_text), ("pii", judge_line)):
        for row in _rows(group):
            yield group, row["name"], partial(judge, row)
    texts = {row["id"]: row["text"] for row in _rows("same-or-not")}
    for pair, is_same in PAIRS.items():
        media_type = CODE if pair[0].startswith("code") else PLAIN
        yield "duplicates", "/".join(pair), partial(judge_pair, [texts[name] for name in pair], media_type, is_same)
    yield "tokenizer", "long-run", judge_training


def _rows(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FIELD / f"{name}.jsonl").open(encoding="utf-8")]


@cache
def _tools() -> ExtractionTools:
    return ExtractionTools.load(EXTRACT)


def judge_record(name: str) -> Answer:
    """There is one record of this name, and its outcome is right."""
    records = _outcomes()
    if len(records[name]) != 1:
        return False, f"{len(records[name])} records in the output"
    (outcome,) = records[name]
    if name in BINARIES:
        is_named = isinstance(outcome, Dropped) and BINARIES[name] in f"{outcome.reason} {outcome.detail}".casefold()
        return is_named, str(outcome_row(outcome))
    text, plain = (getattr(record, "text", "") for record in (outcome, *records["plain"]))
    return text == plain and set(_stored_paragraphs()) <= set(text.splitlines()), text or str(outcome_row(outcome))


@cache
def _outcomes() -> defaultdict[str, list[Any]]:
    """Return the outcomes of the archive's records by the last part of their URLs."""
    outcomes = defaultdict(list)
    records = [item for item in read_items(FIELD / "http.warc.gz") if not isinstance(item, UnitSummary)]
    for outcome in extract_records(records, EXTRACT, _tools()):
        outcomes[(outcome.origin.url or "").rpartition("/")[2]].append(outcome)
    return outcomes


def _stored_paragraphs() -> list[str]:
    """Return the paragraphs of the first page of the archive, which is stored plainly."""
    page = gzip.decompress((FIELD / "http.warc.gz").read_bytes()).partition(b"<!doctype")[2].partition(b"</html>")[0]
    return paragraphs(page.decode())


def judge_bad_row() -> Answer:
    """One row fails, and all others are read."""
    *items, summary = _read_parquet("one-bad-row")
    kinds = Counter(type(item).__name__ for item in items)
    seen = f"{summary.records} in, {kinds['Raw']} kept, {kinds['Failed']} failed"
    return summary == UnitSummary(10_000, 10_000, 10_000) and kinds == {"Raw": 9_999, "Failed": 1}, seen


def judge_wrong_type(name: str) -> Answer:
    """The file is refused before its first row, in one sentence."""
    try:
        return False, f"not refused: {next(_read_parquet(name))}"
    except InputError as error:  # ends a run with exit status 2
        return "\n" not in str(error), str(error)


def _read_parquet(name: str) -> Iterator[Any]:
    source = SourceSection(name="table", format="parquet", root=str(FIELD), paths=(f"{name}.parquet",))
    for unit in plan_units(source, 1 << 30):
        yield from read_unit(unit, source, ReadLimits())


def judge_page(row: dict[str, Any]) -> Answer:
    """Every paragraph is a line of its own, and the check of the case passes."""
    result = extract_html(row["html"], row["url"], EXTRACT, _tools())
    if "text" not in result:
        return False, str(result)
    wanted, lines = paragraphs(row["html"]), result["text"].splitlines()
    others = "\n".join(line for line in lines if line not in wanted)
    if lost := Counter(wanted) - Counter(lines):
        return False, f"{lost.total()} of {len(wanted)} paragraphs are not on lines of their own: {others}"
    return PAGE_CHECKS[row["name"]](row["html"], result["text"]), others


def paragraphs(html: str) -> list[str]:
    """Return the long runs of text between two tags."""
    return [unescape(run).strip() for run in re.findall(r">([^<]{150,})<", html)]


def has_prose(html: str, text: str) -> bool:
    """Neither comments nor rows of tables are part of the text."""
    comments = re.findall(r"<!--(.*?)--!?>", html, re.DOTALL)
    return "|" not in text and not any(comment.strip() in text for comment in comments)


def has_columns(html: str, text: str) -> bool:
    """Rows have the cells of the page's table, empty ones included, between vertical bars."""
    wanted = [[cell.text_content().strip() for cell in row] for row in document_fromstring(html).iter("tr")]
    lines = [line.strip() for line in text.splitlines() if "|" in line]
    rows = [[cell.strip() for cell in line.removeprefix("|").removesuffix("|").split("|")] for line in lines]
    return [row for row in rows if not all(re.fullmatch(":?-+:?", cell) for cell in row)] == wanted


def has_code(html: str, text: str) -> bool:
    """The lines of code follow each other, whatever indentation they have in common, with nothing beside them."""
    page = document_fromstring(html)
    wanted = [cell.text_content() for cell in page.xpath("//td[contains(@class, 'blob-code')]")]
    for block in page.xpath("//div[contains(@style, 'monospace')]"):
        wanted += [block.text, *(line_break.tail for line_break in block.iter("br"))]
    for block in page.iter("pre"):
        wanted += block.text_content().splitlines()
    code, lines = "\n".join(wanted).replace(_NBSP, " "), text.replace(_NBSP, " ").splitlines()
    return dedent(code) in (dedent("\n".join(lines[start : start + len(wanted)])) for start in range(len(lines)))


def has_formulas(html: str, text: str) -> bool:
    """Sentences have each formula once, as LaTeX, and mark superscripts by ``^`` or by superscript characters."""
    page = document_fromstring(html)
    for other in page.xpath("//*[@aria-hidden='true'] | //semantics/*[not(self::annotation)]"):
        other.drop_tree()
    for superscript in page.iter("sup"):
        superscript.text = f"^{superscript.text}"
    sentences = [sentence.text_content() for sentence in page.xpath("//p[.//math or .//sup or .//sub]")]
    formulas = [_compact(annotation.text) for annotation in page.iter("annotation")]
    seen = _compact(text)
    return all(_compact(sentence) in seen for sentence in sentences) and all(seen.count(f) == 1 for f in formulas)


def _compact(text: str) -> str:
    """Remove spaces, delimiters of formulas, braces and marks of subscripts; mark superscript characters by ``^``."""
    marked = re.sub("[⁰¹²³⁴-⁹]+", r"^\g<0>", text)
    return re.sub(r"[\s$_{}]|\\[()\[\]]", "", unicodedata.normalize("NFKC", marked))


def has_numbers(html: str, text: str) -> bool:
    """The items of an ordered list are numbered."""
    items = [item.text_content() for item in document_fromstring(html).xpath("//ol/li")]
    seen = re.findall(r"^\s*(\d+)[.)]\s+(.+)$", text, re.MULTILINE)
    return seen == [(str(number), item) for number, item in enumerate(items, 1)]


def has_nesting(html: str, text: str) -> bool:
    """The items of an inner list are indented more than those of the outer one."""
    wanted = [(item.text, len(item.xpath("ancestor::ul"))) for item in document_fromstring(html).iter("li")]
    lines = re.findall(r"^([ \t]*)(?:[-*+•◦] +)?(.+)$", text, re.MULTILINE)
    seen = [(item, len(indent.expandtabs(4))) for indent, item in lines if item in dict(wanted)]
    steps = [[(b > a) - (b < a) for (_, a), (_, b) in pairwise(items)] for items in (wanted, seen)]
    return list(dict(seen)) == list(dict(wanted)) and steps[0] == steps[1]


def has_terms(html: str, text: str) -> bool:
    """A colon or a line break separates a term from its definition."""
    terms = [(term.text_content(), term.getnext().text_content()) for term in document_fromstring(html).iter("dt")]
    patterns = [rf"^\W*{re.escape(term)}\W*?[:\n]\W*{re.escape(definition)}$" for term, definition in terms]
    return all(re.search(pattern, text, re.MULTILINE) for pattern in patterns)


PAGE_CHECKS: dict[str, Callable[[str, str], bool]] = {
    "empty-cells": has_columns,
    "ol-numbers": has_numbers,
    "nested-list": has_nesting,
    "dl": has_terms,
    **dict.fromkeys(("bang-comment", "td-layout", "br-paras"), has_prose),
    **dict.fromkeys(("blog-code-nbsp", "code-github", "data-table-pre"), has_code),
    **dict.fromkeys(("mathml", "katex", "sub-sup"), has_formulas),
}
"""By case: what must hold for a page and its text."""


def judge_text(row: dict[str, Any]) -> Answer:
    """The language is right, and the rules keep the text."""
    _, text, lang, score = _document(row["text"], PLAIN)
    checks = explain(measure_text(text, lang, "field", JUDGE) | {"lang_score": score or 0.0}, lang, "field", JUDGE)
    failed = [f"{check.rule} {check.value} (limit {check.threshold})" for check in checks if not check.passed]
    is_kept = not failed or row["name"] in LANGUAGE_ONLY
    return lang in LANGUAGES[row["name"]] and is_kept, f"{lang} {score}: {', '.join(failed) or 'kept'}"


def _document(text: str, media_type: str) -> Document:
    (outcome,) = extract_records([Raw(Origin("field", "-", 0, len(text)), media_type, text)], EXTRACT, _tools())
    assert isinstance(outcome, Document), outcome
    return outcome


def judge_pair(texts: list[str], media_type: str, wanted: bool) -> Answer:
    """The hashes of two documents are equal if they should be, and only then."""
    documents = pa.chunked_array([[_document(text, media_type).text for text in texts]])
    section = DedupSection()
    signed = sign_texts(documents, create_hasher(section), section.ngram, section.comparison, section.shingle)
    is_same = signed.text_hash[0] == signed.text_hash[1]
    return is_same is wanted, "the same" if is_same else "not the same"


def judge_line(row: dict[str, Any]) -> Answer:
    """The redactor finds as many entities as there are."""
    text, wanted = row["text"], row["want"]
    spans = _redactor().find(text)
    found = ", ".join(f"{span.entity} {text[span.start : span.end]!r}" for span in spans) or f"nothing in {text!r}"
    return len(spans) == wanted, f"{len(spans)} of {wanted}: {found}"


@cache
def _redactor() -> Redactor:
    return Redactor(RedactSection(entities=list(PII_ENTITIES)))


def judge_training() -> Answer:
    """A child process trains the tokenizer and encodes in time."""
    command = [sys.executable, "-c", "from benchmarks.robustness.field import train_and_encode as f; f()"]
    start = time.monotonic()
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=TOKENIZER_SECONDS)
    except subprocess.TimeoutExpired:
        return False, f"not done after {TOKENIZER_SECONDS} s"
    return done.returncode == 0, done.stderr.strip()[-_SHOWN:] or f"done after {time.monotonic() - start:.0f} s"


def train_and_encode() -> None:
    """Train a tokenizer and encode the texts it is trained on. Raises ValueError if decoding changes one."""
    texts = [row["text"] for row in _rows("long-run")]
    section = TokenizerSection()
    encoder = open_encoder(train_bpe(texts, section), section)
    if any(encoder.decode(encoder.encode(text)) != text for text in texts):
        raise ValueError("decoding changes a text")


if __name__ == "__main__":
    main()

"""The outcome of a record: document, dropped or failed, and the reason."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.document import Document, Origin
from gristmill.corpus.record import Dropped, Failed, Raw, Record
from gristmill.errors import RunError
from gristmill.extraction.engines.extraction_engine import ExtractionEngine, PageRefused
from gristmill.extraction.engines.open_engine import InProcessEngine, engine_loader
from gristmill.extraction.extract_record import ExtractionTools, extract_html, extract_record, extract_records
from gristmill.extraction.extract_section import ExtractSection
from gristmill.extraction.quarantine import QuarantineEntry
from gristmill.extraction.text_cleanup import clean_text
from gristmill.extraction.url_lists import UrlFilter, hash_entries

SENTENCE = "The quick brown fox jumps over the lazy dog, and then it runs back to its den in the wood. "
ARTICLE = f"<html><body><article><h1>About a fox</h1><p>{SENTENCE * 3}</p><p>{SENTENCE * 4}</p></article></body></html>"
ORIGIN = Origin("web", "a.warc.gz", 0, 1, url="http://site.example/")


def tools_of(engine: ExtractionEngine) -> ExtractionTools:
    return ExtractionTools(
        UrlFilter(hash_entries([b"bad.example\n"]), [b"casino\n"]),
        LanguageIdentifier.load(),
        InProcessEngine(engine),
        {},
    )


def raising(error: Exception) -> ExtractionEngine:
    def engine(html: str, url: str | None) -> str:
        raise error

    return engine


@pytest.fixture(scope="module")
def tools() -> ExtractionTools:
    return tools_of(engine_loader(ExtractSection())())


def test_a_page_becomes_a_document(tools: ExtractionTools) -> None:
    document = extract_record(Raw(ORIGIN, "text/html", ARTICLE.encode()), ExtractSection(), tools)
    assert isinstance(document, Document)
    assert (document.origin, document.lang) == (ORIGIN, "en")
    assert document.text.count(SENTENCE.strip()) == 7
    assert "<" not in document.text


@pytest.mark.parametrize(
    ("media_type", "payload", "charset", "text", "lang"),
    [
        (
            "text/plain",
            "A plain English text.  \r\n\r\n\r\n\r\nMore of it.",
            None,
            "A plain English text.\n\nMore of it.",
            "en",
        ),
        (
            "text/plain",
            "Ein schöner Satz über Bäume.".encode("cp1252"),
            "iso-8859-1",
            "Ein schöner Satz über Bäume.",
            "de",
        ),
        ("text/plain", "42\ud800", None, "42\ufffd", "und"),
        ("text/x-code", "if x:\r\n\ty()  \r\n\r\n\r\n\r\nz()", None, "if x:\n\ty()  \n\n\n\nz()", None),
    ],
)
def test_other_media_types(
    tools: ExtractionTools, media_type: str, payload: str | bytes, charset: str | None, text: str, lang: str | None
) -> None:
    document = extract_record(Raw(ORIGIN, media_type, payload, charset), ExtractSection(), tools)
    assert isinstance(document, Document)
    assert (document.text, document.lang) == (text, lang)


@pytest.mark.parametrize(
    ("raw", "options", "reason", "also"),
    [
        (Raw(ORIGIN, "text/html", b"<p> </p>"), {}, "no_text", ()),
        (Raw(ORIGIN, "text/plain", " \n"), {}, "no_text", ()),
        (Raw(ORIGIN, "text/x-code", "\n\n"), {}, "no_text", ()),
        (Raw(ORIGIN, "image/png", b"x"), {}, "media_type", ()),
        (Raw(ORIGIN, "text/plain", b"xxxxx"), {"max_bytes": 4}, "too_large", ()),
        (Raw(ORIGIN, "text/html", ARTICLE), {"languages": ("de", "fr")}, "language", ()),
        (Raw(ORIGIN._replace(url="http://bad.example/casino"), "text/html", ARTICLE), {}, "url_domain", ("url_word",)),
        (Raw(ORIGIN._replace(url="http://bad.example/"), "image/png", b"x"), {}, "url_domain", ("media_type",)),
    ],
)
def test_dropped(
    tools: ExtractionTools, raw: Raw, options: dict[str, object], reason: str, also: tuple[str, ...]
) -> None:
    result = extract_record(raw, ExtractSection.model_validate(options), tools)
    assert isinstance(result, Dropped)
    assert (result.origin, result.reason, result.also) == (raw.origin, reason, also)


def test_records_have_the_same_outcome_in_a_batch_as_alone(tools: ExtractionTools) -> None:
    german = "<p>" + "Der schnelle braune Fuchs springt über den faulen Hund und läuft zurück in den Wald. " * 4
    records = [
        Raw(ORIGIN, "text/html", ARTICLE.encode()),
        Failed(ORIGIN, "garbage"),
        Raw(ORIGIN, "text/html", german),
        Raw(ORIGIN, "text/x-code", "x = 1"),
        Raw(ORIGIN._replace(url="http://bad.example/"), "text/html", ARTICLE),
        Raw(ORIGIN, "text/html", "<p> </p>"),
        Raw(ORIGIN, "text/html", "<div>" * 400 + SENTENCE),
        Raw(ORIGIN, "text/plain", SENTENCE),
        Dropped(ORIGIN, "http_status"),
    ]
    section = ExtractSection(languages=("en",))
    together = extract_records(records, section, tools)
    assert together == [extract_record(one, section, tools) if isinstance(one, Raw) else one for one in records]
    assert [type(one).__name__ for one in together] == [
        *("Document", "Failed", "Dropped", "Document", "Dropped", "Dropped", "Failed", "Document", "Dropped")
    ]
    assert extract_records([], section, tools) == []


GERMAN = "Der schnelle braune Fuchs springt über den faulen Hund und läuft zurück in den Wald. " * 4


@pytest.mark.parametrize(
    ("raw", "declared", "languages", "expected"),
    [
        (Raw(ORIGIN, "text/plain", GERMAN), None, None, ("de", True)),
        (Raw(ORIGIN, "text/plain", GERMAN), "nds", None, ("nds", False)),
        (Raw(ORIGIN, "text/plain", GERMAN), "nds", ("nds",), ("nds", False)),
        (Raw(ORIGIN, "text/plain", GERMAN), "nds", ("de",), "nds (declared)"),
        (Raw(ORIGIN, "text/plain", GERMAN), "de", ("en",), "de (declared)"),
        (Raw(ORIGIN, "text/plain", GERMAN), "en", ("en",), ("en", False)),
        (Raw(ORIGIN, "text/plain", "42"), "de", ("de",), ("de", False)),
        (Raw(ORIGIN, "text/html", ARTICLE), "de", ("de",), ("de", False)),
        (Raw(ORIGIN, "text/html", ARTICLE), "de", ("en",), "de (declared)"),
        (Raw(ORIGIN, "text/html", "<p>" + "</p><p>".join([GERMAN] * 9)), "en", ("en",), ("en", False)),
        (Raw(ORIGIN, "text/x-code", "x = 1"), "de", ("en",), (None, False)),
    ],
)
def test_a_declared_language_is_believed(
    tools: ExtractionTools,
    raw: Raw,
    declared: str | None,
    languages: tuple[str, ...] | None,
    expected: tuple[str | None, bool] | str,
) -> None:
    record = raw._replace(origin=ORIGIN._replace(lang=declared))
    other = Raw(ORIGIN, "text/plain", SENTENCE)  # its language is identified
    outcome, neighbour = extract_records((record, other), ExtractSection(languages=languages), tools)
    if isinstance(expected, str):
        assert outcome == Dropped(record.origin, "language", (), expected)
    else:
        assert isinstance(outcome, Document)
        assert (outcome.lang, outcome.lang_score is not None) == expected
    assert neighbour == extract_record(other, ExtractSection(languages=languages), tools)


def test_a_declared_language_costs_no_identification(tools: ExtractionTools) -> None:
    class Refusing(LanguageIdentifier):
        def identify_many(self, texts: Sequence[str]) -> list[tuple[str, float]]:
            raise AssertionError("a language was identified")

    refusing = tools._replace(languages=Refusing(None))
    origin = ORIGIN._replace(lang="en")
    records: list[Record] = [Raw(origin, media_type, ARTICLE) for media_type in ("text/html", "text/plain")]
    outcomes = extract_records(records, ExtractSection(languages=("en",)), refusing)
    assert [type(outcome) for outcome in outcomes] == [Document, Document]


def test_wanted_languages_and_all_code_are_kept(tools: ExtractionTools) -> None:
    section = ExtractSection(languages=("en",))
    assert isinstance(extract_record(Raw(ORIGIN, "text/html", ARTICLE), section, tools), Document)
    assert isinstance(extract_record(Raw(ORIGIN, "text/x-code", "x = 1"), section, tools), Document)


@pytest.mark.parametrize(
    ("options", "cause", "html"),
    [({"max_depth": 9}, "too_deep", "<div>" * 9 + "x"), ({"max_nodes": 5}, "too_many_nodes", ARTICLE)],
)
def test_pages_beyond_a_limit_fail(options: dict[str, int], cause: str, html: str) -> None:
    section = ExtractSection.model_validate(options)
    result = extract_record(Raw(ORIGIN, "text/html", html), section, tools_of(engine_loader(section)()))
    assert isinstance(result, Failed)
    assert (result.origin, result.cause) == (ORIGIN, cause)
    assert str(next(iter(options.values()))) in result.detail


@pytest.mark.parametrize("error", [RecursionError("too deep"), ValueError("odd"), UnicodeError("odd")])
def test_an_engine_s_error_is_a_failure(error: Exception) -> None:
    result = extract_record(Raw(ORIGIN, "text/html", ARTICLE), ExtractSection(), tools_of(raising(error)))
    assert result == Failed(ORIGIN, "extract_error", f"{type(error).__name__}: {error}")


@pytest.mark.parametrize("error", [MemoryError(), RunError("no process")])
def test_errors_of_the_machine_are_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        extract_record(Raw(ORIGIN, "text/html", ARTICLE), ExtractSection(), tools_of(raising(error)))


def test_a_quarantined_record_fails_at_once_with_its_cause(tools: ExtractionTools) -> None:
    quarantined = tools_of(raising(PageRefused("crash", "asked all the same")))
    quarantined = quarantined._replace(quarantine={ORIGIN.id: QuarantineEntry("timeout", "no answer in 60 s")})
    assert extract_record(Raw(ORIGIN, "text/html", ARTICLE), ExtractSection(), quarantined) == Failed(
        ORIGIN, "timeout", "no answer in 60 s"
    )
    listed = Raw(ORIGIN._replace(url="http://bad.example/"), "text/html", ARTICLE)
    assert isinstance(extract_record(listed, ExtractSection(), quarantined), Dropped)
    other = extract_record(Raw(ORIGIN._replace(offset=1), "text/html", ARTICLE), ExtractSection(), quarantined)
    assert isinstance(other, Failed)
    assert other.cause == "crash"


def test_runs_of_combining_marks_are_truncated_before_they_take_quadratic_time(tools: ExtractionTools) -> None:
    html = ARTICLE.replace("fox", "fo\u0301" + "\u0323\u0301" * 10**6 + "x")
    document = extract_record(Raw(ORIGIN, "text/html", html), ExtractSection(), tools)
    assert isinstance(document, Document)
    assert len(document.text) < 10**4
    for marks in range(28, 34):
        for before in range(40):
            text = "x" * before + "\u0301" * marks + "b"
            assert clean_text(text) == "x" * before + "\u0301" * min(marks, 30) + "b"


@pytest.mark.parametrize(
    ("character", "marks"),
    [("\u0344", "\u0308\u0301"), ("\u0f73", "\u0f71\u0f72"), ("\u0f75", "\u0f71\u0f74"), ("\u0f81", "\u0f71\u0f80")],
)
def test_characters_of_several_combining_marks_count_as_these(character: str, marks: str) -> None:
    assert clean_text(f"1{character}") == f"1{marks}"
    once = clean_text(f"1{character * 10**5}")
    assert once == clean_text(once)
    assert (once[0], len(once)) == ("1", 31)


def test_a_page_in_an_unwanted_language_never_reaches_the_engine() -> None:
    page = "".join(f"<p>Der schnelle braune Fuchs springt über den faulen Hund, zum {n}. Mal.</p>" for n in range(30))
    result = extract_record(
        Raw(ORIGIN, "text/html", page),
        ExtractSection(languages=("en",)),
        tools_of(raising(PageRefused("crash", "asked"))),
    )
    assert isinstance(result, Dropped)
    assert (result.reason, result.detail[:3]) == ("language", "de ")


def test_single_pages(tools: ExtractionTools) -> None:
    section = ExtractSection()
    kept = extract_html(ARTICLE.encode(), None, section, tools)
    assert (kept["url"], kept["lang"]) == (None, "en")
    refused = extract_html(ARTICLE, "http://bad.example/casino", section, tools)
    assert (refused["dropped"], refused["also"]) == ("url_domain", ["url_word"])

"""All steps of extraction for a record: cheap checks, decoding, main text, normalisation, language.

By media type:

- ``text/html``, ``application/xhtml+xml``: decoded, dropped if the markup is in an unwanted language
  (``language_guess``), main text extracted, cleaned, language identified;
- ``text/plain``: decoded (if it is bytes), cleaned, language identified;
- ``text/x-code``: decoded, line endings normalised; no language, since language identifiers are trained on prose;
- anything else: dropped (``media_type``).

A language that the source declares is believed: it is neither guessed nor identified, and has no score.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.document import Document, Origin
from gristmill.corpus.record import Dropped, Failed, Raw, Record
from gristmill.errors import RunError
from gristmill.extraction.charset_decoding import decode, remove_unencodable
from gristmill.extraction.engines.extraction_engine import OpenEngine, PageRefused
from gristmill.extraction.engines.open_engine import open_engine
from gristmill.extraction.extract_section import ExtractSection
from gristmill.extraction.language_guess import unwanted_language
from gristmill.extraction.quarantine import Quarantine, load_quarantine
from gristmill.extraction.text_cleanup import clean_text, normalize_line_endings, truncate_mark_runs
from gristmill.extraction.url_lists import UrlFilter

HTML = frozenset({"text/html", "application/xhtml+xml"})
PLAIN = "text/plain"
CODE = "text/x-code"


class ExtractionTools(NamedTuple):
    """Lists, models and engine of a section; loaded once per process, since models cannot be pickled."""

    urls: UrlFilter
    languages: LanguageIdentifier
    engine: OpenEngine
    quarantine: Quarantine

    @classmethod
    def load(cls, section: ExtractSection) -> ExtractionTools:
        """Raises InputError if a list, a model or the engine is missing."""
        return cls(
            UrlFilter.load(section.url),
            LanguageIdentifier.load(section.language.model),
            open_engine(section),
            load_quarantine(section.quarantine),
        )


class _Page(NamedTuple):
    """A record in progress: its source, and its text so far."""

    raw: Raw
    text: str = ""


Outcome = Document | Dropped | Failed


def extract_records(records: Sequence[Record], section: ExtractSection, tools: ExtractionTools) -> list[Record]:
    """The outcome of each record, independent of the others. Items other than ``Raw`` are returned unchanged.

    Each step runs over all records before the next one, so that its code and tables, above all the language model, stay
    in the processor's cache, from which an engine would evict them: 0.3 ms less per page in batches of 16 or more.

    Drop reasons: ``url_domain``, ``url_word``, ``media_type``, ``too_large``, ``no_text``, ``language``. Failure
    causes: ``too_many_nodes``, ``too_deep``, ``extract_error``, ``crash``, ``memory``, ``timeout``; except for the last
    three, an outcome depends on the arguments alone. Raises only MemoryError, and RunError if the extraction process
    does not start.
    """
    items: list[Record | _Page] = [_Page(record) if isinstance(record, Raw) else record for record in records]
    for step in (_check_record, _decode, _check_markup_language, _extract_main_text, _clean):
        items = [_run_step(step, item, section, tools) if isinstance(item, _Page) else item for item in items]
    unknown = [item.text for item in items if isinstance(item, _Page) and item.raw.origin.lang is None]
    languages = iter(tools.languages.identify_many(unknown) if unknown else ())
    return [_document(item, languages, section) if isinstance(item, _Page) else item for item in items]


def extract_record(raw: Raw, section: ExtractSection, tools: ExtractionTools) -> Outcome:
    """The outcome of one record; see ``extract_records``."""
    (outcome,) = extract_records([raw], section, tools)
    assert not isinstance(outcome, Raw)
    return outcome


def extract_html(html: bytes | str, url: str | None, section: ExtractSection, tools: ExtractionTools) -> dict[str, Any]:
    """The outcome for a single HTML page as a JSON row: ``url`` with ``text``, ``lang`` and ``lang_score``.

    A page without text has ``dropped`` (and ``also``) or ``failed`` instead, and ``detail``.
    """
    origin = Origin("adhoc", url or "-", 0, len(html), url=url)
    return outcome_row(extract_record(Raw(origin, "text/html", html), section, tools))


def outcome_row(result: Outcome) -> dict[str, Any]:
    """The outcome for a page as a JSON row; see ``extract_html``."""
    url = result.origin.url
    if isinstance(result, Document):
        return {"url": url, "text": result.text, "lang": result.lang, "lang_score": result.lang_score}
    if isinstance(result, Dropped):
        return {"url": url, "dropped": result.reason, "also": list(result.also), "detail": result.detail}
    return {"url": url, "failed": result.cause, "detail": result.detail}


_Step = Callable[[_Page, ExtractSection, ExtractionTools], _Page | Outcome]


def _run_step(step: _Step, page: _Page, section: ExtractSection, tools: ExtractionTools) -> _Page | Outcome:
    try:
        return step(page, section, tools)
    except PageRefused as refused:
        return Failed(page.raw.origin, refused.cause, refused.detail)
    except (MemoryError, RunError):  # caused by the machine, not by the page
        raise
    except Exception as error:  # malformed pages may raise anything in a parser
        return Failed(page.raw.origin, "extract_error", f"{type(error).__name__}: {error}"[:500])


def _check_record(page: _Page, section: ExtractSection, tools: ExtractionTools) -> _Page | Outcome:
    origin = page.raw.origin
    reasons = [*tools.urls.verdict(origin.url), *_payload_reasons(page.raw, section)]
    if reasons:
        detail = f"{origin.lang} (declared)" if reasons[0] == "language" else ""
        return Dropped(origin, reasons[0], tuple(reasons[1:]), detail)
    if entry := tools.quarantine and tools.quarantine.get(origin.id):
        return Failed(origin, *entry)
    return page


def _payload_reasons(raw: Raw, section: ExtractSection) -> list[str]:
    checks = {
        "media_type": raw.media_type not in HTML and raw.media_type not in (PLAIN, CODE),
        "too_large": len(raw.payload) > section.max_bytes,
        "language": raw.media_type != CODE and raw.origin.lang is not None and not _wants(section, raw.origin.lang),
    }
    return [reason for reason, applies in checks.items() if applies]


def _decode(page: _Page, section: ExtractSection, tools: ExtractionTools) -> _Page | Outcome:
    raw = page.raw
    text = decode(raw.payload, raw.charset) if isinstance(raw.payload, bytes) else remove_unencodable(raw.payload)
    if raw.media_type == CODE:
        return Document(raw.origin, normalize_line_endings(text)) if text.strip() else Dropped(raw.origin, "no_text")
    return _Page(raw, text)


def _check_markup_language(page: _Page, section: ExtractSection, tools: ExtractionTools) -> _Page | Outcome:
    if page.raw.media_type in HTML and section.languages is not None and page.raw.origin.lang is None:
        guess = unwanted_language(page.text, frozenset(section.languages), tools.languages)
        return _drop_for_language(page.raw.origin, *guess) if guess else page
    return page


def _extract_main_text(page: _Page, section: ExtractSection, tools: ExtractionTools) -> _Page | Outcome:
    if page.raw.media_type in HTML:
        return _Page(page.raw, tools.engine(truncate_mark_runs(page.text), page.raw.origin.url))
    return page


def _clean(page: _Page, section: ExtractSection, tools: ExtractionTools) -> _Page | Outcome:
    text = clean_text(page.text)
    return _Page(page.raw, text) if text.strip() else Dropped(page.raw.origin, "no_text")


def _document(page: _Page, identified: Iterator[tuple[str, float]], section: ExtractSection) -> Outcome:
    """The document of a page; ``identified`` yields the languages of pages that declare none, in their order."""
    origin = page.raw.origin
    if origin.lang is not None:
        return Document(origin, page.text, origin.lang)
    lang, score = next(identified)
    return (
        Document(origin, page.text, lang, score) if _wants(section, lang) else _drop_for_language(origin, lang, score)
    )


def _wants(section: ExtractSection, lang: str) -> bool:
    return section.languages is None or lang in section.languages


def _drop_for_language(origin: Origin, lang: str, score: float) -> Dropped:
    return Dropped(origin, "language", detail=f"{lang} {score:.4f}")

"""Records through the whole of extraction: cheap checks first, then decoding, main text, form, language.

What becomes of each media type:

- ``text/html``, ``application/xhtml+xml``: decoded, turned away where the markup is surely in no wanted language
  (``guess``), main text extracted, tidied, language identified;
- ``text/plain``: decoded (if still bytes), tidied, language identified;
- ``text/x-code``: decoded, line endings only, no language: identifiers of languages know prose, not code;
- anything else: dropped (``media_type``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gristmill.classifiers.language import LanguageIdentifier
from gristmill.corpus.document import Document, Origin
from gristmill.corpus.record import Dropped, Failed, Raw, Record
from gristmill.errors import RunError
from gristmill.extraction.decode import decode, scrub
from gristmill.extraction.engines.engine import OpenEngine, Refused
from gristmill.extraction.engines.registry import open_engine
from gristmill.extraction.extract_section import ExtractSection
from gristmill.extraction.language_guess import surely_not
from gristmill.extraction.quarantine import Quarantine, load_quarantine
from gristmill.extraction.text_cleanup import line_endings, short_runs, tidy
from gristmill.extraction.url_lists import UrlFilter

HTML = frozenset({"text/html", "application/xhtml+xml"})
PLAIN = "text/plain"
CODE = "text/x-code"


class Tools(NamedTuple):
    """What extraction needs beside the section; loaded once in a process, since models do not pickle."""

    urls: UrlFilter
    languages: LanguageIdentifier
    engine: OpenEngine
    quarantine: Quarantine

    @classmethod
    def load(cls, section: ExtractSection) -> Tools:
        """Raises InputError for a list, model or engine that is missing."""
        return cls(
            UrlFilter.load(section.url),
            LanguageIdentifier.load(section.language.model),
            open_engine(section),
            load_quarantine(section.quarantine),
        )


class _Page(NamedTuple):
    """A record on its way, and its text as far as that is known."""

    raw: Raw
    text: str = ""


Fate = Document | Dropped | Failed


def extract_records(records: Sequence[Record], section: ExtractSection, tools: Tools) -> list[Record]:
    """What becomes of each record; what is no ``Raw`` stays as it is. Of one record alone it is the same.

    Each step is done for all records before the next one: so its code and its tables, above all the language model, are
    in the processor's cache, which they would leave while an engine works: 0.3 ms less a page with 16 and more.

    What becomes of a record depends on the arguments alone, but for ``crash``, ``memory`` and ``timeout``. Dropped for
    ``url_domain``, ``url_word``, ``media_type``, ``too_large``, ``no_text`` or ``language``; failed for
    ``too_many_nodes``, ``too_deep``, ``extract_error``, ``crash``, ``memory`` or ``timeout``. Raises only MemoryError,
    and RunError where the extractor's process does not start.
    """
    found: list[Record | _Page] = [_Page(record) if isinstance(record, Raw) else record for record in records]
    for step in (_admitted, _decoded, _of_wanted_markup, _main_text, _tidied):
        found = [_stepped(step, one, section, tools) if isinstance(one, _Page) else one for one in found]
    languages = iter(tools.languages.identify_many([one.text for one in found if isinstance(one, _Page)]))
    return [_identified(one, *next(languages), section) if isinstance(one, _Page) else one for one in found]


def extract_record(raw: Raw, section: ExtractSection, tools: Tools) -> Fate:
    """``extract_records`` of one."""
    (fate,) = extract_records([raw], section, tools)
    assert not isinstance(fate, Raw)
    return fate


def extract_html(html: bytes | str, url: str | None, section: ExtractSection, tools: Tools) -> dict[str, Any]:
    """One loose page, for people: ``url`` with ``text``, ``lang`` and ``lang_score``, or with what it was refused for.

    Then it has ``dropped`` (and ``also``) or ``failed``, and ``detail``.
    """
    result = extract_record(Raw(Origin("loose", url or "-", 0, len(html), url=url), "text/html", html), section, tools)
    if isinstance(result, Document):
        return {"url": url, "text": result.text, "lang": result.lang, "lang_score": result.lang_score}
    if isinstance(result, Dropped):
        return {"url": url, "dropped": result.reason, "also": list(result.also), "detail": result.detail}
    return {"url": url, "failed": result.cause, "detail": result.detail}


_Step = Callable[[_Page, ExtractSection, Tools], _Page | Fate]


def _stepped(step: _Step, page: _Page, section: ExtractSection, tools: Tools) -> _Page | Fate:
    try:
        return step(page, section, tools)
    except Refused as refused:
        return Failed(page.raw.origin, refused.cause, refused.detail)
    except (MemoryError, RunError):  # faults of the machine, not of the page
        raise
    except Exception as error:  # extractors meet every malformed page there is
        return Failed(page.raw.origin, "extract_error", f"{type(error).__name__}: {error}"[:500])


def _admitted(page: _Page, section: ExtractSection, tools: Tools) -> _Page | Fate:
    origin = page.raw.origin
    reasons = [*tools.urls.verdict(origin.url), *_unfit(page.raw, section)]
    if reasons:
        return Dropped(origin, reasons[0], tuple(reasons[1:]))
    if sentence := tools.quarantine and tools.quarantine.get(origin.id):
        return Failed(origin, *sentence)
    return page


def _unfit(raw: Raw, section: ExtractSection) -> list[str]:
    unfit = {
        "media_type": raw.media_type not in HTML and raw.media_type not in (PLAIN, CODE),
        "too_large": len(raw.payload) > section.max_bytes,
    }
    return [reason for reason, holds in unfit.items() if holds]


def _decoded(page: _Page, section: ExtractSection, tools: Tools) -> _Page | Fate:
    raw = page.raw
    text = decode(raw.payload, raw.charset) if isinstance(raw.payload, bytes) else scrub(raw.payload)
    if raw.media_type == CODE:
        return Document(raw.origin, line_endings(text)) if text.strip() else Dropped(raw.origin, "no_text")
    return _Page(raw, text)


def _of_wanted_markup(page: _Page, section: ExtractSection, tools: Tools) -> _Page | Fate:
    if page.raw.media_type in HTML and section.languages is not None:
        guess = surely_not(page.text, frozenset(section.languages), tools.languages)
        return _unwanted(page.raw.origin, *guess) if guess else page
    return page


def _main_text(page: _Page, section: ExtractSection, tools: Tools) -> _Page | Fate:
    if page.raw.media_type in HTML:
        return _Page(page.raw, tools.engine(short_runs(page.text), page.raw.origin.url))
    return page


def _tidied(page: _Page, section: ExtractSection, tools: Tools) -> _Page | Fate:
    text = tidy(page.text)
    return _Page(page.raw, text) if text.strip() else Dropped(page.raw.origin, "no_text")


def _identified(page: _Page, lang: str, score: float, section: ExtractSection) -> Fate:
    if section.languages is not None and lang not in section.languages:
        return _unwanted(page.raw.origin, lang, score)
    return Document(page.raw.origin, page.text, lang, score)


def _unwanted(origin: Origin, lang: str, score: float) -> Dropped:
    return Dropped(origin, "language", detail=f"{lang} {score:.4f}")

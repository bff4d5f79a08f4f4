"""What each tag means to the HTML parser: the number of its element, and its roles as the bits above it."""

from __future__ import annotations

BLOCK_TAGS = """
body div section article main aside header p h1 h2 h3 h4 h5 h6 ul ol li dl dt dd table tbody tr td th thead
form blockquote pre figure figcaption address center details summary fieldset noscript dialog hgroup menu hr
caption dir frameset legend listing optgroup option search tfoot xmp
"""
TAGS = {tag: number for number, tag in enumerate(BLOCK_TAGS.split(), 1)}
"""Numbers of block-level tags, those that interrupt a run of text. The model file depends on these numbers."""

HIDDEN_TAGS = "audio canvas datalist footer map math nav object select svg template video"
"""Their content is never main text. ``nav`` and ``footer`` held 28 % of the blocks of 1,853 pages, and 0.15 % of the
words of their main text."""
_HIDDEN_TEXT = "iframe noembed noframes script style textarea"
"""Their content is raw text, and never main text."""

COMMON_INLINE_TAGS = (
    "button code col em font g head html i img input label path small source span sub sup time u use wbr"
)
"""Common tags without a role; listing them avoids a second lookup in lower case."""

# The kind of a tag: the number of its element (0 for inline tags) and its roles.
NUMBER = 0x7F
(
    HIDES,  # its content is ignored
    TEXT_ONLY,  # everything up to its end tag is raw text
    EMPTY,  # has neither content nor an end tag
    ENDS_P,  # its start tag closes an open paragraph
    SCOPE,  # end tags inside it do not close elements outside it
    LIST,  # nor does the end tag of a list item
    TRANSPARENT,  # a list item's start tag closes an open item across it
    HEADING,
    ITEM,
    TERM,
    OPTION,
    CELL,
    ROW,
    ROWS,
    TABLE,
    LINK,
    BOLD,
    BREAKS,
    TITLE,
    META,
    BODY,
) = (1 << bit for bit in range(7, 28))
IN_TABLE = CELL | ROW | ROWS

TAG_ROLES = {
    EMPTY: "hr",
    ENDS_P: "address article aside blockquote center details dialog dir div dl fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hgroup hr li dd dt listing main menu nav ol p pre search section summary table ul xmp",
    SCOPE: "body table caption td th object template",
    LIST: "ol ul",
    TRANSPARENT: "address div p",
    HEADING: "h1 h2 h3 h4 h5 h6",
    ITEM: "li",
    TERM: "dd dt",
    OPTION: "optgroup option",
    CELL: "td th caption",
    ROW: "tr",
    ROWS: "tbody thead tfoot",
    TABLE: "table",
    LINK: "a",
    BOLD: "b strong",
    BREAKS: "br",
    TITLE: "title",
    META: "meta",
    BODY: "body",
    HIDES: HIDDEN_TAGS,
    TEXT_ONLY: _HIDDEN_TEXT + " title xmp",
}


def _kinds() -> dict[str, int]:
    hiding = {tag: number for number, tag in enumerate(HIDDEN_TAGS.split(), len(TAGS) + 1)}
    kinds = {**dict.fromkeys(COMMON_INLINE_TAGS.split(), 0), **TAGS, **hiding}
    for role, tags in TAG_ROLES.items():
        for tag in tags.split():
            kinds[tag] = kinds.get(tag, 0) | role
    return kinds


KINDS = _kinds()

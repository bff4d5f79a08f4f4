"""trafilatura's expressions, asked in a quicker way."""

from __future__ import annotations

import runpy

import pytest
from lxml import etree, html
from trafilatura import xpaths

from gristmill.transforms.extract.engines.quick_xpaths import quick

NAMES = {"re": "http://exslt.org/regular-expressions"}
PAGE = html.document_fromstring(
    "<body><div id=nav class=x>1</div><div class=nav id=x>2</div><div id=x class=nav>3</div><p class=NAV>4</p>"
    "<div>5</div><div class=''>6</div><span class='a cookie'>7</span><div class=sidebar><p id=footer>8</p></div>"
    "<ul class=comments-list><li>9</li></ul><section class='article-body nav'>10</section>"
    f"<p class='{'x' * 1000} nav'>11</p><p class='{'x' * 1000}'>12</p></body>"
)


def expressions() -> list[etree.XPath]:
    """As they come, whatever this process has put in their place."""
    lists = [value for value in runpy.run_path(str(xpaths.__file__)).values() if isinstance(value, list)]
    return [one for value in lists for one in value if isinstance(one, etree.XPath)]


def test_every_expression_of_trafilatura_that_calls_regular_expressions_is_made_quick() -> None:
    calling = [one for one in expressions() if "re:test" in one.path]
    assert len(calling) >= 10
    assert all(quick(one) is not one for one in calling)


@pytest.mark.parametrize(
    "predicate",
    [
        "re:test(@class, 'nav')",
        "re:test(@class, 'nav', 'i')",
        "re:test(@id|@class, 'nav')",
        "re:test(@class|@id, 'x')",
        "not(re:test(@class, 'nav'))",
        "re:test(@id, '^n') or re:test(@class, 'cookie|side')",
        "re:test(@class, '^$')",
        "re:test(@class, 'a*')",
        "re:test(text(), '5')",
    ],
)
def test_the_same_is_selected(predicate: str) -> None:
    stock = etree.XPath(f".//*[{predicate}]", namespaces=NAMES)
    assert quick(stock)(PAGE) == stock(PAGE)
    assert quick(stock)(PAGE) == stock(PAGE)  # from memory


def test_trafilaturas_own_select_the_same() -> None:
    assert any(one(PAGE) for one in expressions())
    for one in expressions():
        assert quick(one)(PAGE) == one(PAGE)

"""The HTML of a page as its site would send it: the text, and the navigation, banners and footers around it.

Templates name things in different ways, as real sites do: some use semantic elements, some nested ``div``s. All
functions are pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from urllib.parse import urlsplit

from gristmill.pipelines.sample import markup
from gristmill.pipelines.sample.pages import Page

Phrases = Mapping[str, str]
Draw = Callable[[Page, Phrases, str], str]
"""From a page, the phrases of its language and its related links to the HTML between header and footer."""


def render(page: Page, phrases: Phrases, related: Sequence[Page]) -> str:
    """The whole HTML document. ``related`` are pages of the same site that it links to."""
    language, title = page.site.language, escape(page.title)
    parts = [
        f'<!DOCTYPE html>\n<html lang="{language}">\n<head>',
        f'<meta charset="{page.charset}">' if page.declares != "header" else "",
        f"<title>{title} | {escape(page.site.name)}</title>",
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<link rel="stylesheet" href="/static/{page.template}.css">',
        f"<script>window.site = {json.dumps({'page': urlsplit(page.url).path, 'template': page.template})};</script>",
        "</head>\n<body>",
        _TEMPLATES[page.template](page, phrases, _related(page, phrases, related)),
        '<script src="/static/site.js" defer></script>\n</body>\n</html>\n',
    ]
    return "\n".join(part for part in parts if part)


def _article(page: Page, phrases: Phrases, related: str) -> str:
    return f"""{_consent(page, phrases)}{_header(page, phrases)}
<main>
<article>
<header><h1>{escape(page.title)}</h1>{_byline(page)}</header>
{_with_advert(page, phrases)}
</article>
<div class="share"><button>{phrases["share"]}</button></div>
{_comments(page, phrases)}
{related}
</main>
{_footer(page, phrases)}"""


def _blog(page: Page, phrases: Phrases, related: str) -> str:
    return f"""{_header(page, phrases)}
<div id="wrap">
<div id="content"><div class="post hentry">
<h1 class="entry-title">{escape(page.title)}</h1>
{_byline(page)}
<div class="entry-content">
{_with_advert(page, phrases)}
</div></div>
{_comments(page, phrases)}
</div>
<div id="sidebar" class="sidebar"><form><input name="q" placeholder="{phrases["search"]}"></form>{related}</div>
</div>
{_footer(page, phrases)}"""


def _recipe(page: Page, phrases: Phrases, related: str) -> str:
    linked = {"@context": "https://schema.org", "@type": "Recipe", "name": page.title, "datePublished": page.date}
    return f"""<script type="application/ld+json">{json.dumps(linked, ensure_ascii=False)}</script>
{_header(page, phrases)}
<main class="recipe">
<h1>{escape(page.title)}</h1>
{_byline(page)}
<ul class="recipe-meta">{"".join(f"<li>{escape(name)}: {escape(value)}</li>" for name, value in page.details)}</ul>
<div class="recipe-body">
{_with_advert(page, phrases)}
</div>
</main>
{_comments(page, phrases)}
<aside class="sidebar">{related}</aside>
{_footer(page, phrases)}"""


def _docs(page: Page, phrases: Phrases, related: str) -> str:
    path = " / ".join(part.capitalize() for part in urlsplit(page.url).path.split("/")[1:-1])
    return f"""{_header(page, phrases)}
<div class="layout">
<nav class="toctree" aria-label="contents">{related}</nav>
<div class="document" role="main">
<div class="breadcrumbs">{escape(page.site.name)} / {escape(path)}</div>
<h1>{escape(page.title)}</h1>
{markup.to_html(page.body)}
</div>
</div>
{_footer(page, phrases)}"""


def _forum(page: Page, phrases: Phrases, related: str) -> str:
    posts = "\n".join(
        f'<div class="msg" id="p{number}"><div class="msg-by"><strong>{escape(post.byline)}</strong></div>\n'
        f'<div class="msg-text">\n{post.html}\n</div>\n'
        f'<div class="msg-tools"><a href="#reply">{phrases["reply"]}</a></div></div>'
        for number, post in enumerate(markup.posts(page.body), start=1)
    )
    return f"""{_consent(page, phrases)}{_header(page, phrases)}
<div id="page-body">
<h1 class="topic-title">{escape(page.title)}</h1>
<div class="thread">
{posts}
</div>
<aside class="sidebar">{related}</aside>
</div>
{_footer(page, phrases)}"""


def _shop(page: Page, phrases: Phrases, related: str) -> str:
    details = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in page.details)
    return f"""{_consent(page, phrases)}{_header(page, phrases)}
<div class="product" itemscope itemtype="https://schema.org/Product">
<h1 itemprop="name">{escape(page.title)}</h1>
<div class="gallery"><img src="/images/1.jpg" alt=""><img src="/images/2.jpg" alt=""></div>
<form class="buy"><button>{phrases["basket"]}</button></form>
<div class="description" itemprop="description">
{markup.to_html(page.body)}
</div>
<table class="facts">{details}</table>
</div>
{_comments(page, phrases)}
{related}
{_footer(page, phrases)}"""


def _script(page: Page, phrases: Phrases, related: str) -> str:
    return '<div id="root"></div>\n<noscript>Please switch on JavaScript to use the planner.</noscript>'


def _header(page: Page, phrases: Phrases) -> str:
    links = "".join(
        f'<li><a href="/{number}">{escape(name)}</a></li>' for number, name in enumerate(page.site.navigation)
    )
    return f"""<header class="site-header">
<a class="logo" href="/">{escape(page.site.name)}</a> <span class="slogan">{escape(page.site.slogan)}</span>
<nav><ul>{links}</ul></nav>
</header>"""


def _footer(page: Page, phrases: Phrases) -> str:
    return f"""<footer class="site-footer">
<form class="newsletter"><label>{phrases["newsletter"]}</label><input type="email" name="email"></form>
<p>&copy; 2026 {escape(page.site.name)}. {phrases["rights"]}.</p>
<ul><li><a href="/imprint">{phrases["imprint"]}</a></li><li><a href="/privacy">{phrases["privacy"]}</a></li></ul>
</footer>"""


def _consent(page: Page, phrases: Phrases) -> str:
    if not page.site.consent:
        return ""
    return (
        f'<div id="cookie-banner" class="cookie-consent" role="dialog"><p>{phrases["consent"]}</p>'
        f"<button>{phrases['accept']}</button></div>\n"
    )


def _byline(page: Page) -> str:
    author = f'<span class="author">{escape(page.author)}</span>, ' if page.author else ""
    return f'<div class="byline">{author}<time datetime="{page.date}">{page.date}</time></div>'


def _with_advert(page: Page, phrases: Phrases) -> str:
    """The text, with an advertisement after its second block if the site has adverts."""
    blocks = markup.to_html(page.body).split("\n")
    if page.site.adverts and not page.body.startswith("- "):
        advert = (
            f'<aside class="advert"><small>{phrases["advert"]}</small><a href="/out">{phrases["offer"]}</a></aside>'
        )
        blocks.insert(2, advert)
    return "\n".join(blocks)


def _comments(page: Page, phrases: Phrases) -> str:
    if not page.comments:
        return ""
    items = "".join(
        f'<li class="comment"><b>{escape(comment.by)}</b><p>{escape(comment.text)}</p></li>'
        for comment in page.comments
    )
    return f'<section id="comments" class="comments"><h3>{phrases["comments"]}</h3><ol>{items}</ol></section>'


def _related(page: Page, phrases: Phrases, pages: Sequence[Page]) -> str:
    if not pages:
        return ""
    links = "".join(f'<li><a href="{escape(other.url)}">{escape(other.title)}</a></li>' for other in pages)
    return f'<div class="related"><h3>{phrases["related"]}</h3><ul>{links}</ul></div>'


_TEMPLATES: Mapping[str, Draw] = {
    "article": _article,
    "blog": _blog,
    "recipe": _recipe,
    "docs": _docs,
    "forum": _forum,
    "shop": _shop,
    "script": _script,
}

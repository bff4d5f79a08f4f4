"""Extraction engines: decoded HTML in, main text out, behind one small interface (``extraction_engine``).

``engine_table`` lists the engines that a recipe can name, and ``open_engine`` opens one. An engine refuses a page that
exceeds a counted limit (``markup_limits``). Third-party parsers run in a child process (``isolated_engine``).

Quality is word-level F1, the measure of the Web Content Extraction Benchmark (WCXB), over the multisets of ``\\w+`` in
the lower-cased text and the gold text, averaged over pages: 633 pages of WCXB in WARC files, 845 others, and 380 news
pages in five languages. Speed is in pages per second on one busy core, with all checks, on the first set. The default
engine, ``gristmill``, was trained on some of these pages; ``benchmarks/quality/extraction.py`` compares all engines on
the others.

| extractor | WARC | more | news | pages/s |
|---|---|---|---|---|
| trafilatura, balanced | 0.828 | 0.833 | 0.828 | 16 |
| … with comments | 0.822 | 0.830 | 0.821 | 17 |
| … recall | 0.811 | 0.812 | 0.821 | 26 |
| … precision | 0.773 | 0.758 | 0.868 | 20 |
| … fast | 0.802 | 0.796 | 0.806 | 24 |
| resiliparse, main content | 0.771 | 0.776 | 0.769 | 95 |
"""

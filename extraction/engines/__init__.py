"""The main text of a page: engines behind one small protocol.

Every engine takes decoded HTML and gives text, or refuses the page by a limit that is counted (``markup``). Those made
of foreign parsers run in a child process (``isolated``). ``kinds`` names them all.

Quality: word-level F1, the measure of the Web Content Extraction Benchmark (WCXB), over the multisets of ``\\w+`` of
the lower-cased text and of the gold text, averaged over pages: 633 pages of WCXB in WARC files, 845 more, and 380 news
pages in five languages. Speed with all checks, in pages a second of one busy core, on the first set. The default
engine, ``gristmill``, was trained on some of these pages: ``benchmarks/extraction.py`` tells all engines on the rest.

| extractor | WARC | more | news | pages/s |
|---|---|---|---|---|
| trafilatura, balanced | 0.828 | 0.833 | 0.828 | 16 |
| … with comments | 0.822 | 0.830 | 0.821 | 17 |
| … recall | 0.811 | 0.812 | 0.821 | 26 |
| … precision | 0.773 | 0.758 | 0.868 | 20 |
| … fast | 0.802 | 0.796 | 0.806 | 24 |
| resiliparse, main content | 0.771 | 0.776 | 0.769 | 95 |
"""

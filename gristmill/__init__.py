"""Gristmill turns Common Crawl and other sources into training-ready token shards and accounts for every record.

The subpackages are links to the top-level folders of the repository; ``docs/architecture.md`` describes them.
"""

__version__ = "0.2.0"

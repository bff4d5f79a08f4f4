"""Gristmill: from Common Crawl to training-ready token shards, with books that balance.

One package over the rooms that stand at the top of the repository; see ``docs/architecture.md``.
"""

__version__ = "0.1.0"

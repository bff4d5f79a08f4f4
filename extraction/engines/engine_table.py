"""The extraction engines that a recipe can name.

An engine is one module with an ``EngineDefinition`` named ``ENGINE``, listed here. The choices of ``extract.extractor``
in the recipe's schema, the libraries in the key of the stage ``extract``, and the command ``gristmill extract`` follow
from this table.
"""

from __future__ import annotations

from gristmill.extraction.engines import (
    gristmill_engine,
    resiliparse_engine,
    rs_trafilatura_engine,
    trafilatura_engine,
)
from gristmill.extraction.engines.engine_definition import EngineDefinition

_MODULES = (
    gristmill_engine,
    trafilatura_engine,
    resiliparse_engine,
    rs_trafilatura_engine,
)
ENGINES: dict[str, EngineDefinition] = {module.ENGINE.name: module.ENGINE for module in _MODULES}
"""Engines by name, in the order of the recipe's schema."""

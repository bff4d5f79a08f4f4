"""Beam transforms over units and documents, and the pure rules that they apply.

``from gristmill.transforms import ExtractText`` imports the transform's module on first use, so that the pure rules
load without Beam (SPEC 1 of scientific Python). The stub ``__init__.pyi`` lists the names.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

"""Caches what Beam computes again for every transform: tests run hundreds of pipelines over a few documents.

For every transform, Beam inspects the signatures of all methods of its ``DoFn`` four times or more, and builds an
argument parser for each view of the options. Both depend only on code and flags, and take half the time of a small run.
Only the process of the tests is affected: programs that tests start, such as the fork server, run Beam unchanged.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms import core, userstate


def cache_stateless_classes() -> None:
    """Search the methods of each class for state and timers once; the signature of ``process`` may be an instance's."""
    search = userstate.get_dofn_specs
    stateless: set[type] = set()

    def get_dofn_specs(dofn: core.DoFn) -> tuple[set[Any], set[Any]]:
        _, defaults = dofn.get_function_arguments("process")
        plain = not any(isinstance(default, core._DoFnParam) for default in defaults)
        if plain and type(dofn) in stateless:
            return set(), set()
        found = search(dofn)
        if plain and not any(found):
            stateless.add(type(dofn))
        return found

    userstate.get_dofn_specs = get_dofn_specs


def cache_options() -> None:
    """Parse the same flags once for each class of options."""
    parse = PipelineOptions.__init__
    known: dict[tuple[type, tuple[str, ...]], Any] = {}

    def init(self: PipelineOptions, flags: list[str] | None = None, **overrides: Any) -> None:
        if flags is None or overrides:
            parse(self, flags, **overrides)
            return
        key = type(self), tuple(flags)
        if key not in known:
            parse(self, flags)
            known[key] = deepcopy(self._visible_options)
            return
        self._flags = flags
        self._visible_options = deepcopy(known[key])
        self._all_options = dict(vars(self._visible_options))

    PipelineOptions.__init__ = init

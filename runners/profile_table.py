"""The table of runner profiles, and how a profile is loaded by name or from a YAML file.

A profile is the name of a runner, or a YAML file that describes a cluster once::

    runner: flink
    master: flink-rest:8081
    worker_pool: localhost:50000
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError

from gristmill.corpus.validation_errors import describe_error
from gristmill.corpus.yaml_files import apply_override, read_mapping
from gristmill.errors import InputError
from gristmill.runners.profiles.dataflow_profile import DataflowProfile
from gristmill.runners.profiles.embedded_profile import EmbeddedProfile
from gristmill.runners.profiles.flink_profile import FlinkProfile
from gristmill.runners.profiles.prism_profile import PrismProfile
from gristmill.runners.profiles.spark_profile import SparkProfile
from gristmill.runners.runner_profile import RunnerProfile

RUNNER_PROFILES: tuple[type[RunnerProfile], ...] = (
    EmbeddedProfile,
    PrismProfile,
    FlinkProfile,
    SparkProfile,
    DataflowProfile,
)
"""One row for each runner, in the order in which help and error messages list them."""

RUNNER_NAMES = tuple(profile.name() for profile in RUNNER_PROFILES)


def load_profile(name: str, options: Iterable[str] = ()) -> RunnerProfile:
    """Return the profile of the runner ``name``, or of the YAML file ``name``, with ``key=value`` options applied.

    Raises InputError if there is no such runner or file, or if a value is invalid.
    """
    data: dict[str, Any] = {"runner": name} if name in RUNNER_NAMES else _read(name)
    base = None if name in RUNNER_NAMES else os.path.dirname(os.path.abspath(name))
    for option in options:
        apply_override(data, option, "--option")
    profile = _profile_class(name, data)
    try:
        return profile.model_validate(data, context={"base": base})
    except ValidationError as error:
        sentences = "; ".join(describe_error(fault, data, profile) for fault in error.errors())
        raise InputError(f"{name}: {sentences}") from None


def _read(name: str) -> dict[str, Any]:
    if not os.path.exists(name) and os.path.splitext(name)[1] not in {".yaml", ".yml"}:
        raise InputError(f"no runner {name!r}: use one of {', '.join(RUNNER_NAMES)}, or the path of a profile")
    return read_mapping(name, "profile", f"a mapping with a `runner`, one of {', '.join(RUNNER_NAMES)}")


def _profile_class(name: str, data: dict[str, Any]) -> type[RunnerProfile]:
    for profile in RUNNER_PROFILES:
        if data.get("runner") == profile.name():
            return profile
    raise InputError(f"{name} is not a profile: its `runner` must be one of {', '.join(RUNNER_NAMES)}")

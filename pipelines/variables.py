"""Environment variables and credentials in recipes: what may be expanded, and what no file or message shows.

``${NAME}`` is expanded only if the user allows the name, because the author of a recipe could otherwise send any
variable to a server of their own. Files and messages show ``${NAME}`` in place of the value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from gristmill.errors import InputError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}$]*(?:\$(?!\{)[^}$]*)*))?\}")

# A user name alone is a credential only over HTTP: abfs:// and sftp:// name a container or an account there. Secret
# keys of S3 may contain slashes, so a colon that starts a password is told from one that starts a port by the digits.
# The bounds keep the search linear.
_USERINFO = re.compile(
    r"(?<![A-Za-z0-9+.-])([A-Za-z][A-Za-z0-9+.-]*://)"
    r"(?:(?:(?<=http://)|(?<=https://))[^/?#\s]{0,1000}"
    r"|[^/?#\s@:\[]{0,1000}:(?!\d+(?:[/?#\s]|$))\S{0,1000})@",
    re.IGNORECASE,
)

REMEDY = (
    "remove them, and pass them in the environment (AWS_ACCESS_KEY_ID, FSSPEC_HTTPS) or in a configuration file of the "
    "storage driver"
)
"""What to do with credentials in a URL."""

_SHORTEST_SECRET = 4  # shorter values occur in other text by chance


class VariableNotAllowedError(InputError):
    """The recipe uses an environment variable that the user did not allow."""


def expand(data: Any, allowed: Collection[str], name: str) -> Any:
    """Replace ``${NAME}`` and ``${NAME:-default}`` in all strings of ``data`` by the values of the environment.

    Raises InputError if a variable is set but not ``allowed``, or neither set nor given a default. ``name`` is the file
    that messages name.
    """
    matches = list(_variables_in(data))
    needs = {match[1]: None for match in matches if match[2] is None or match[1] in os.environ}
    if refused := [variable for variable in needs if variable not in allowed]:
        options = " ".join(f"--env {variable}" for variable in refused)
        raise VariableNotAllowedError(
            f"{name} uses {' and '.join(f'${{{n}}}' for n in refused)}: allow it with {options}"
        )
    for match in matches:
        if match[1] not in os.environ and match[2] is None:
            raise InputError(
                f"{name} uses ${{{match[1]}}}, which is not set: export it, or write ${{{match[1]}:-default}}"
            )
    return map_strings(data, lambda text: _VARIABLE.sub(lambda m: os.environ.get(m[1]) or m[2] or "", text))


def values_used(data: Any) -> dict[str, str]:
    """The variables in the strings of ``data``, and their values in the environment; empty for those not set."""
    return {name: os.environ.get(name, "") for name in sorted({match[1] for match in _variables_in(data)})}


def unexpanded(data: Any, values: Mapping[str, str]) -> Any:
    """``data`` with ``${NAME}`` in place of the values in its strings, so that expanding it gives ``data`` again."""
    return map_strings(data, lambda text: _replace(text, {value: name for name, value in values.items()}))


def hide(text: str, values: Mapping[str, str]) -> str:
    """``text`` with ``${NAME}`` in place of each value, quoted for URLs or not, and without userinfo in URLs."""
    forms = {form: name for name, value in values.items() for form in (value, quote(value), quote(value, safe=""))}
    return _USERINFO.sub(r"\1***@", _replace(text, forms))


def has_userinfo(url: str) -> bool:
    """Whether a URL in ``url`` has a password, or over HTTP a user name, before its host."""
    return _USERINFO.search(url) is not None


def refuse_userinfo(data: Any, name: str) -> None:
    """Raises InputError if a string in ``data`` is a URL with credentials, which files and servers' logs would show."""
    for path, text in _strings_in(data):
        if has_userinfo(text):
            raise InputError(f"{name}: {path} has credentials in its URL: {REMEDY}")


def map_strings(data: Any, function: Any) -> Any:
    """``data`` with ``function`` applied to every string in it, except keys."""
    if isinstance(data, str):
        return function(data)
    if isinstance(data, list):
        return [map_strings(item, function) for item in data]
    if isinstance(data, dict):
        return {key: map_strings(item, function) for key, item in data.items()}
    return data


def _replace(text: str, names: Mapping[str, str]) -> str:
    """Replace the values that ``names`` are the variables of; of two that start at one place, the longer."""
    values = sorted((value for value in names if len(value) >= _SHORTEST_SECRET), key=len, reverse=True)
    if not values:
        return text
    return re.sub("|".join(map(re.escape, values)), lambda match: f"${{{names[match[0]]}}}", text)


def _variables_in(data: Any) -> Iterator[re.Match[str]]:
    return (match for _, text in _strings_in(data) for match in _VARIABLE.finditer(text))


def _strings_in(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The strings in ``data``, except keys, with their dotted paths."""
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, (list, dict)):
        for key, item in data.items() if isinstance(data, dict) else enumerate(data):
            yield from _strings_in(item, f"{path}.{key}" if path else str(key))

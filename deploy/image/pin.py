"""``python deploy/image/pin.py``: pins base images by digest, in every Dockerfile of `deploy` and the chart's values.

Asks each image's registry for the digest of its tag and writes ``name:tag@sha256:…`` in place of ``name:tag``, or of an
older digest. Uses the registries' HTTP interface with anonymous access, and only Python's standard library.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

DEPLOY = Path(__file__).resolve().parents[1]
FILES = ("image/Dockerfile", "trainer/Dockerfile", "dataflow/Dockerfile.flex", "kubernetes/values.yaml")

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_TIMEOUT_SECONDS = 30
_ARGUMENT = re.compile(r"^ARG (\w+)=(\S+)$", re.MULTILINE)
_REFERENCE = re.compile(
    r"^(FROM |ARG LAUNCHER=|  image: )([^\s@:]+(?:/[^\s@:]+)*:[^\s@]+)(@sha256:[0-9a-f]{64})?", re.MULTILINE
)


class Image(NamedTuple):
    """The parts of an image's name: ``registry/repository:tag``."""

    registry: str
    repository: str
    tag: str


def parse_image(name: str) -> Image:
    """Return the parts of a name, with Docker Hub as the registry if it names none."""
    path, _, tag = name.rpartition(":")
    first, _, rest = path.partition("/")
    if rest and ("." in first or ":" in first or first == "localhost"):
        return Image(first, rest, tag)
    return Image("registry-1.docker.io", path if rest else f"library/{path}", tag)


def digest_of(name: str, scheme: str = "https") -> str:
    """Return the digest of an image's tag. Raises OSError if its registry does not answer."""
    image = parse_image(name)
    url = f"{scheme}://{image.registry}/v2/{image.repository}/manifests/{image.tag}"
    headers = {"Accept": ", ".join(_MANIFESTS)}
    try:
        return _digest(url, headers)
    except urllib.error.HTTPError as error:
        if error.code != 401:
            raise
        token = _token(error.headers["WWW-Authenticate"])
    return _digest(url, {**headers, "Authorization": f"Bearer {token}"})


def pin(text: str, digest: Callable[[str], str]) -> str:
    """Return the text of a Dockerfile, or of the chart's values, with a digest after the name of every image."""
    arguments = dict(_ARGUMENT.findall(text))

    def pinned(match: re.Match[str]) -> str:
        name = re.sub(r"\$\{(\w+)\}", lambda argument: arguments[argument[1]], match[2])
        return f"{match[1]}{match[2]}@{digest(name)}"

    return _REFERENCE.sub(pinned, text)


def _digest(url: str, headers: dict[str, str]) -> str:
    request = urllib.request.Request(url, headers=headers, method="HEAD")
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        found = str(answer.headers["Docker-Content-Digest"])
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", found):
        raise OSError(f"the registry answered with {found!r} instead of a digest")
    return found


def _token(challenge: str) -> str:
    """Return the anonymous token that a registry's ``WWW-Authenticate`` header asks for."""
    parts = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    url = f"{parts.pop('realm')}?{urllib.parse.urlencode(parts)}"
    with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:
        return str(json.load(answer)["token"])


def main() -> None:
    try:
        texts = {DEPLOY / name: pin((DEPLOY / name).read_text(), digest_of) for name in FILES}
    except OSError as error:
        sys.exit(
            f"error: cannot read a digest, {error}: run this where the registries of the base images can be reached"
        )
    for path, text in texts.items():
        path.write_text(text)
    print("pinned; now run deploy/kubernetes/render.py")


if __name__ == "__main__":
    main()

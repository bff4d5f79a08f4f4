"""``<job>.submitted.json``: the record that a job was submitted, and where to find it."""

from __future__ import annotations

import json
from typing import NamedTuple

from gristmill.store import storage
from gristmill.store.keys import pretty_json


class SubmissionRecord(NamedTuple):
    """A submitted run. ``job`` is its id on the cluster; None until the submitting command has exited."""

    url: str
    kind: str
    name: str
    command: str
    job: str | None

    def to_json(self) -> bytes:
        """Return the content of the file."""
        return pretty_json({name: value for name, value in self._asdict().items() if name != "url"})

    def sentence(self) -> str:
        """Return a sentence that says where the run is and how to continue."""
        if self.job is None:
            return (
                f"train was being submitted with `{self.command}` when its launcher ended, or still is: look for "
                f"{self.name}; if it does not exist, delete {self.url} and run the same command again"
            )
        job = f"job {self.job}" if self.job else self.name
        return (
            f"train was submitted as {job} with `{self.command}`: run the same command again after it has finished, to "
            f"complete the stage (to submit it again, delete {self.url})"
        )


def record_url(job: str) -> str:
    """Return the URL of the record of a job, given the prefix of the URLs of its files."""
    return f"{job}.submitted.json"


def read_submission(job: str) -> SubmissionRecord | None:
    """Return the record of a job, given the prefix of the URLs of its files; None if it has not been submitted."""
    url = record_url(job)
    try:
        return SubmissionRecord(url, **json.loads(storage.read_bytes(url)))
    except FileNotFoundError:
        return None

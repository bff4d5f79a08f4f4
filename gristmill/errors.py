"""Errors that users can fix. The command line prints each as one sentence."""

from __future__ import annotations


class InputError(ValueError):
    """The user's input is invalid or missing. The message names the file or key and says what to do."""


class RunError(RuntimeError):
    """A run could not finish, or its record counts do not balance. Completed units are kept."""

"""Errors that a user can mend. The command line prints each as one sentence."""

from __future__ import annotations


class InputError(ValueError):
    """What the user gave is wrong or missing: says which file or key, and the remedy."""


class RunError(RuntimeError):
    """A run could not finish or its books do not balance; nothing that stood is lost."""

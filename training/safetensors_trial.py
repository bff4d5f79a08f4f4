"""How a file of safetensors is opened in a child process before this process opens it.

Without PyTorch, which takes seconds to import; see ``gristmill.store.trial_open``.
"""

from __future__ import annotations

from safetensors import safe_open


def open_safetensors(path: str) -> None:
    """Read the header: names, shapes and places of all tensors."""
    with safe_open(path, framework="numpy") as file:
        for name in file.keys():  # noqa: SIM118
            file.get_slice(name).get_shape()

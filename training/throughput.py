"""Training speed: tokens per second, model FLOPs utilisation (MFU) on known GPUs, memory, and waiting for data."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gristmill.training.gpu_peaks import peak_flops
from gristmill.training.model_section import ModelSection
from gristmill.training.model_size import causal_flops_per_token, flops_per_token
from gristmill.training.process_group import ProcessGroup


class Throughput:
    """Measures the speed of all processes together between one call of ``lap`` and the next.

    The first step is not counted: it compiles the model and fills caches.
    """

    def __init__(self, shape: ModelSection, vocab_size: int, length: int, group: ProcessGroup) -> None:
        peak = peak_flops(torch.cuda.get_device_name(group.device)) if group.device.type == "cuda" else None
        flops = {"mfu": flops_per_token, "mfu_causal": causal_flops_per_token}
        self._rates = {
            name: peak * group.size / count(shape, vocab_size, length) for name, count in flops.items() if peak
        }
        self._device = group.device
        self._tokens, self._waited, self._start = 0, 0.0, 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the time in this context as waiting for data."""
        start = time.perf_counter()
        yield
        self._waited += time.perf_counter() - start

    def add(self, tokens: int) -> None:
        """Count a step of ``tokens`` tokens; the first one starts the clock."""
        if self._start:
            self._tokens += tokens
        else:
            self._restart()

    def lap(self) -> dict[str, Any]:
        """Return the speed since the last lap; empty if no step has been counted.

        ``tokens_per_s``; ``mfu`` as PaLM counts operations (Chowdhery et al. 2022, appendix B) and ``mfu_causal`` with
        attention to visible positions only; ``memory_gib``, the most that this process's GPU held; ``data_wait``, the
        share of time spent waiting for data.
        """
        if not self._tokens:
            return {}
        seconds = time.perf_counter() - self._start
        rate = self._tokens / seconds
        figures = {"tokens_per_s": round(rate)} | {name: round(rate / peak, 4) for name, peak in self._rates.items()}
        if self._device.type == "cuda":
            figures["memory_gib"] = round(torch.cuda.max_memory_allocated(self._device) / 2**30, 2)
        figures["data_wait"] = round(self._waited / seconds, 4)
        self._restart()
        return figures

    def _restart(self) -> None:
        self._tokens, self._waited, self._start = 0, 0.0, time.perf_counter()

"""Training speed: tokens per second, and the model FLOPs utilisation (MFU) on known GPUs."""

from __future__ import annotations

import time
from typing import Any

import torch

from gristmill.training.process_group import ProcessGroup

PEAK_FLOPS = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "B200": 2250e12}
"""Dense bfloat16 operations per second by GPU model, from the vendor's datasheets."""


class Throughput:
    """Measures the speed of all processes together between one call of ``lap`` and the next."""

    def __init__(self, tokens: int, flops_per_token: int, group: ProcessGroup) -> None:
        peak = peak_flops(torch.cuda.get_device_name(group.device)) if group.device.type == "cuda" else None
        self.peak_rate = peak * group.size / flops_per_token if peak else None
        self.tokens, self.time = tokens, time.perf_counter()

    def lap(self, tokens: int) -> dict[str, Any]:
        """Return the speed since the last lap, given that ``tokens`` tokens have been read so far."""
        now = time.perf_counter()
        rate = (tokens - self.tokens) / (now - self.time)
        self.tokens, self.time = tokens, now
        return {"tokens_per_s": round(rate)} | ({"mfu": round(rate / self.peak_rate, 4)} if self.peak_rate else {})


def peak_flops(device_name: str) -> float | None:
    """Return the peak rate of a GPU by its name; None if it is unknown."""
    return next((peak for model, peak in PEAK_FLOPS.items() if model in device_name), None)

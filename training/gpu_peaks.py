"""Peak rates of GPUs, by which the utilisation of a run is judged."""

from __future__ import annotations

PEAK_TFLOPS = {
    "GB200": 2500,
    "B200": 2250,
    "GH200": 989,
    "H200 NVL": 835,
    "H200": 989,
    "H100 NVL": 835,
    "H100 PCIE": 756,
    "H100": 989,
    "H800": 989,
    "H20": 148,
    "A100": 312,
    "A800": 312,
    "L40S": 362,
    "L40": 181,
    "L4": 121,
    "A10G": 70,
    "A10": 125,
    "RTX 4090": 165,
}
"""Dense bfloat16 operations per second with float32 sums, in units of 10^12, from the vendor's datasheets. The first
name whose words are all in the name of the device applies, so variants (NVL, PCIe) are listed before SXM modules."""


def peak_flops(device_name: str) -> float | None:
    """Return the peak rate of a GPU by the name that CUDA reports, in operations per second; None if it is unknown."""
    words = set(device_name.upper().replace("-", " ").split())
    known = (peak for name, peak in PEAK_TFLOPS.items() if words.issuperset(name.split()))
    peak = next(known, None)
    return None if peak is None else peak * 1e12

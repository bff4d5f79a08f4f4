"""Gristmill's own extraction engine."""

from pathlib import Path

MODEL = Path(__file__).with_name("model.npz")
"""The network that ships; ``benchmarks/train_extractor.py`` writes it."""

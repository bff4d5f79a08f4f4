"""Classifiers: train, load, score. None of them knows of documents or of Beam."""

from pathlib import Path

QUALITY_MODEL = Path(__file__).with_name("models") / "quality-en.ftz"
"""The small English quality model that ships; ``benchmarks/train_quality.py`` writes it, and its card beside it."""

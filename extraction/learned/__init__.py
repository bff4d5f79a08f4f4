"""Gristmill's own extraction engine; ``learned_engine`` ties its parts together."""

from pathlib import Path

MODEL = Path(__file__).with_name("model.npz")
"""The network that is shipped; ``model_training/train_extractor.py`` writes it."""

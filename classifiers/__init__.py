"""Text classifiers: fastText, KenLM, word lists and transformers are trained, loaded and applied here, without Beam."""

from pathlib import Path

QUALITY_MODEL = Path(__file__).with_name("models") / "quality-en.ftz"
"""The small English quality model that Gristmill ships; ``model_training/train_quality.py`` writes it and its card."""

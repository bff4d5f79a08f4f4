"""Judging: what a document measures, and which rules it fails.

Two halves that never meet: ``signals`` measures a text and knows no threshold; ``rules`` compares stored signals with
the recipe's thresholds and knows no text. So a changed threshold is judged again from the stored columns, in seconds.
"""

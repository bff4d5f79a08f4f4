"""Redaction of personal data: a finder for each PII entity, and the redactor that applies them.

``pii_entities`` is the table of entities; the recipe section ``refine.redact`` derives its choices from it. No module
imports Beam.
"""

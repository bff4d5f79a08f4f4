"""Extraction: decodes a record, extracts its main text, normalises it, identifies its language. Without Beam."""

"""Gristmill compared with datatrove on the same input: speed, and the verdicts of rules."""

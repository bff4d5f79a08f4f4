"""Scores: what models and word lists say of a text, as columns beside the documents, and rules over them.

Scorers stand in tiers. Cheap ones (fastText, KenLM, word lists) see every document; a dear one (a transformer) sees
those that the rules over signals, cheap scores and the dear scores before it let through, and is null elsewhere.
"""

"""Decontamination: test items are found in documents by the word n-grams they share. No module imports Beam.

``benchmark_items`` reads test sets, ``build_ngram_index`` selects their n-grams, ``ngram_index`` looks them up in
texts, and ``decontaminator`` decides what happens to a document that contains a test item.
"""

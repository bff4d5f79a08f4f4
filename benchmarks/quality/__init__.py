"""How good the results are: extraction, decoding, decontamination, classifiers."""

"""Tokenization: training a tokenizer on a sample, encoding documents, and token files.

``tokenization_beam`` is the only module that imports Beam. ``id_hashing``, ``token_batch`` and ``token_file`` do not
import ``tokenizers`` either, since a GPU node needs them without it.
"""

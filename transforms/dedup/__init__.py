"""Deduplication: of documents that are alike, the best-ranked stays.

The path of a document: ``shingles`` (what it is compared by) → ``minhash`` (signature and bands) → ``signature_file``
(exchange) → ``buckets`` (who shares a band) → ``components`` (what must be decided together) → ``greedy`` (who goes).
Everything here is arithmetic on arrays; ``transform`` wires it into Beam.
"""

"""Deduplication: of documents that are alike, the best-ranked stays.

The path of a document: ``sign`` (from text to ``shingles``, ``minhash`` or ``simhash`` signature and bands; ``urls``
gives one bucket more) → ``signature_file`` (the exchange, and the index of later runs) → ``buckets`` (who shares a
band) → ``components`` (what must be decided together) → ``signed`` (fingerprints and sketches of those) → ``rank`` (who
comes first) → ``greedy``, and its inner loop ``passing`` (who goes). All of this is arithmetic on arrays; ``transform``
wires it into Beam.
"""

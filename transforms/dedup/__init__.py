"""Deduplication: of similar documents, only the best-ranked is kept.

``docs/how-deduplication-works.md`` follows five documents through all steps. The modules, in the order of the data:

- Signing: ``sign`` computes from texts, through ``shingles`` and ``minhash`` or ``simhash``, what documents are
  compared by; ``canonical_urls`` adds one bucket. ``signature_writer`` writes the files of ``signature_file``: the
  exchange between workers, and the index for later runs.
- Finding what must be decided together: ``signature_reader`` reads these files, ``buckets`` joins documents by band,
  ``components`` joins buckets. Where that is too much for one worker, ``rounds`` do it in files: ``round_tasks``,
  ``round_files``, ``stars``.
- Deciding: ``rank`` sorts documents, ``exact_copies`` and ``candidate_lists`` say what must be compared,
  ``greedy_pass`` is the inner loop, ``removals`` puts these together. ``removals_file`` writes the sidecar.

None of these import Beam; ``dedup_beam`` has the transforms.
"""

"""Text repeated across documents: removes lines, paragraphs and long spans that another document has too.

This is the ``repeats`` section and stage of a recipe. (Repetition *within* a document is measured by quality signals,
see ``transforms.quality``.) The modules, in the order of the data:

- ``line_dedup_unit``: which documents take part, with which text.
- ``passage_hashes`` finds lines and paragraphs and hashes them, ``passage_file`` is the exchange between workers,
  ``passage_copies`` decides which copies are cut.
- ``span_groups`` searches groups of units, in the text that is left, for long runs of the same bytes
  (``repeated_spans``), and ``trim_spans`` trims these to whole words.
- ``cut_ranges`` merges the cuts into one column beside the documents. The stage ``refine`` applies them.

None of these import Beam; ``line_dedup_beam`` has the transforms.

**What is kept.** For all three kinds, the first copy is kept, in one order: priority of the source, id of the document,
position in the document. So whatever is cut has an earlier copy, equal word by word (spans: byte by byte). If that is
cut too, for whatever kind, it has a still earlier copy, and so on; the first of these is kept. Only ``keep: none``
removes all copies, and ``refine`` may drop a whole document with a first copy.
"""

"""Quality: measure signals of documents, judge them by rules, and score them with models.

A document goes through three steps, each of which writes a sidecar that is row-aligned with the documents:

1. **Signals** (stage ``signals``). ``measure_signals`` measures what a text is like, such as its number of words, in
   one of three variants (``paper_variant``, ``datatrove_variant``, ``dclm_variant``), and what ``line_rules`` would cut
   out of it. Signals know no thresholds. ``signal_table`` lists them.
2. **Scores** (stage ``scores``, only if the recipe has scorers). ``score_blocks`` runs cheap scorers on every document;
   expensive ones run through ``RunInference`` on documents that pass everything else. ``scorers`` lists the kinds.
3. **Verdicts** (stage ``judge``). ``apply_rules`` compares stored signals with thresholds, then ``score_rules``
   compares scores; neither reads text, so changed thresholds take seconds. ``rule_table`` lists the rules, ``presets``
   the published sets of rules. The first rule that a document fails is its drop reason.

All modules are pure, except ``quality_beam`` and ``run_scorer_beam``. Nothing is dropped here: deduplication and
``refine`` read the verdicts.
"""

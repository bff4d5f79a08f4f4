"""Repeats: lines, paragraphs and long spans that other documents, which stay, have too.

The path of a text: ``passages`` (lines and paragraphs, hashed) → ``passage_file`` (the exchange) → ``copies`` (which of
them go) → ``groups`` (of units, searched together in what is left) → ``spans`` (long runs of the same bytes), ``trim``
(without parts of words) → ``cuts`` (one column beside the documents). ``units`` says who takes part; ``transform``
wires it into Beam; ``refine`` cuts.

**What stays.** All three kinds keep the first copy, in one order: the source's priority, the document's id, the place
in the document. So what goes has an earlier copy, word by word (a span: byte by byte), and if that goes too, by
whatever kind, it has a still earlier one; an order has no endless way down, so at its end stands a copy that stays.
Only ``keep: none`` takes the last one away, as it is meant to, and ``refine`` where it drops a whole document.
"""

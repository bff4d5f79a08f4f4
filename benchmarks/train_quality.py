"""Train the small English quality model that ships, and tell how well it does on sites and books that it never saw.

``python benchmarks/train_quality.py --write`` writes ``classifiers/models/quality-en.ftz`` and its card. What it is
made of stands in ``quality_examples.py``. Settings are chosen on a part of the learned sites; figures, in the last
line, are of the held-out ones. With ``--quick`` one setting is trained, and nothing is chosen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from tempfile import TemporaryDirectory

from inputs import require_data
from quality_examples import examples, web_pages
from rich.console import Console

from gristmill.classifiers import QUALITY_MODEL
from gristmill.classifiers.card import write_card
from gristmill.classifiers.text_model import TextClassifier
from gristmill.classifiers.train_text import SETTINGS, Options, report, train
from gristmill.store.keys import pretty

SEED = 1
CUTOFF = 20_000
"""Words and n-grams that the quantised model keeps."""

_PRINT = Console(width=120, highlight=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one setting, and few texts to calibrate by")
    parser.add_argument("--write", action="store_true", help="put the model in its place")
    arguments = parser.parse_args()
    require_data()
    learned, held_out = examples()
    reference = web_pages()[: 200 if arguments.quick else None]
    _PRINT.print(f"{len(learned)} texts to learn from and choose by, {len(held_out)} to tell by")
    options = Options(settings=SETTINGS[:1] if arguments.quick else SETTINGS, seed=SEED, cutoff=CUTOFF)
    trained = train(learned, options, reference, _PRINT.print)
    with TemporaryDirectory() as folder:
        path = QUALITY_MODEL if arguments.write else Path(folder) / QUALITY_MODEL.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(trained.model)
        told = report(TextClassifier.load(str(path)), held_out, trained.card["metrics"]["threshold"])
        write_card(str(path), {**trained.card, "metrics": told})
        _PRINT.print(pretty(told).decode())
        figures = {name: told[name] for name in ("f1", "precision", "recall", "average_precision", "threshold")}
        figures |= {f"kept_{source}": share for source, share in told["keep_share"].items()}
        figures["size_kb"] = round(path.stat().st_size / 1e3, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

"""Train the small English quality model that ships, and evaluate it on sites and books that it was not trained on.

``python -m model_training.train_quality --write`` writes ``classifiers/models/quality-en.ftz`` and its card. Its
examples are described in ``quality_examples``. Settings are chosen on a part of the training sites; the figures in the
last line are those of the held-out ones. With ``--quick`` one setting is trained and nothing is chosen.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness.real_data import require_data
from benchmarks.harness.result_tables import CONSOLE
from gristmill.classifiers import QUALITY_MODEL
from gristmill.classifiers.card import write_card
from gristmill.classifiers.text_model import TextClassifier
from gristmill.classifiers.train_text import SETTINGS, Options, report, train
from gristmill.store.keys import pretty_json
from model_training.quality_examples import examples, web_pages

SEED = 1
CUTOFF = 20_000
"""Words and n-grams that the quantised model keeps."""


def main() -> None:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="train one setting, calibrate on few texts")
    parser.add_argument("--write", action="store_true", help="write the model that Gristmill ships")
    arguments = parser.parse_args()
    require_data()
    training, held_out = examples()
    reference = web_pages()[: 200 if arguments.quick else None]
    CONSOLE.print(f"{len(training)} texts to train on, {len(held_out)} to evaluate on")
    options = Options(settings=SETTINGS[:1] if arguments.quick else SETTINGS, seed=SEED, cutoff=CUTOFF)
    trained = train(training, options, reference, CONSOLE.print)
    with TemporaryDirectory() as folder:
        path = QUALITY_MODEL if arguments.write else Path(folder) / QUALITY_MODEL.name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(trained.model)
        metrics = report(TextClassifier.load(str(path)), held_out, trained.card["metrics"]["threshold"])
        write_card(str(path), {**trained.card, "metrics": metrics})
        CONSOLE.print(pretty_json(metrics).decode())
        figures = {name: metrics[name] for name in ("f1", "precision", "recall", "average_precision", "threshold")}
        figures |= {f"kept_{source}": share for source, share in metrics["keep_share"].items()}
        figures["size_kb"] = round(path.stat().st_size / 1e3, 1)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

"""Train the network of Gristmill's own extractor, and evaluate it on pages of sites that it was not trained on.

``python -m model_training.train_extractor --write`` trains on all gold pages that are not held out and on the other
real pages, prints F1 on the held-out ones and writes ``extraction/learned/model.npz``. With ``--fold K`` a fifth of the
other sites is left out as well and F1 is that of this fifth, which is how all settings were chosen. It needs ``pip
install rapidfuzz rs-trafilatura`` beside Gristmill's own extras, and about ten minutes.
"""

from __future__ import annotations

import json
import tempfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from benchmarks.harness.real_data import require_data
from benchmarks.harness.result_tables import CONSOLE
from gristmill.extraction.learned import MODEL
from gristmill.extraction.learned.block_network import Network
from gristmill.extraction.learned.block_selection import select_blocks
from model_training.extractor_examples import TYPES, Example, gold_examples, other_examples
from model_training.extractor_net import encode, train, vocabularies
from model_training.extractor_quantization import quantize

FOLDS = 5
SEED = 1
_CALIBRATION_PAGES = 300


def main() -> None:
    options = _options()
    require_data()
    torch.set_num_threads(1)
    gold = list(gold_examples())
    test = [one for one in gold if _is_tested(one, options.fold)]
    examples = [one for one in (*gold, *other_examples()) if not one.held_out and _has_main_text(one)]
    if options.fold is not None:
        examples = [one for one in examples if _fold(one.site) != options.fold]
    if options.quick:
        examples = examples[::20]
    words = vocabularies(examples)
    training = [encode(one, words) for one in examples]
    CONSOLE.print(f"{len(training)} pages to train on, {len(test)} to evaluate on; seed {options.seed}")
    net = train(training, words, options.seed, lambda epoch, loss: CONSOLE.print(f"epoch {epoch}: loss {loss:.4f}"))
    chosen = np.random.default_rng(options.seed).permutation(len(training))[:_CALIBRATION_PAGES]
    arrays = quantize(net, words, [training[i] for i in chosen])
    with tempfile.TemporaryDirectory() as folder:
        path = MODEL if options.write else Path(folder) / MODEL.name
        np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
        figures = _figures(test, Network.load(path))
        figures["model_bytes"] = path.stat().st_size
    print(json.dumps(figures))


def _figures(examples: Iterable[Example], network: Network) -> dict[str, float]:
    """Return the mean F1 over words of blocks: of all pages, and by type and collection."""
    scores: dict[str, list[float]] = {}
    for one in examples:
        probabilities = network.probabilities(one.features)
        kept = select_blocks(probabilities, one.features.context.words)
        common = float((one.shares[kept, 0] * one.words[kept]).sum())
        score = 2 * common / (one.words[kept].sum() + one.size)
        for name in ("f1", f"f1_{TYPES[one.kind]}", f"f1_in_{one.set}"):
            scores.setdefault(name, []).append(score)
    return {name: round(float(np.mean(values)), 4) for name, values in sorted(scores.items())}


def _is_tested(example: Example, fold: int | None) -> bool:
    return example.held_out if fold is None else not example.held_out and _fold(example.site) == fold


def _has_main_text(example: Example) -> bool:
    """Whether any of the main text is in the blocks of the page; assumed for pages that are not gold pages."""
    return example.set == "other" or bool(example.shares[:, 0].any())


def _fold(site: str) -> int:
    return int.from_bytes(blake2b(site.encode(), digest_size=8).digest(), "little") // 5 % FOLDS


def _options() -> Namespace:
    parser = ArgumentParser(description=__doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="evaluate on this fifth of the sites")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write", action="store_true", help="write the model that Gristmill ships")
    parser.add_argument("--quick", action="store_true", help="train on a twentieth of the pages")
    return parser.parse_args()


if __name__ == "__main__":
    main()

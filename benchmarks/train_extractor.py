"""Train the network of Gristmill's own extractor, and tell how well it reads pages of sites that it never saw.

``python benchmarks/train_extractor.py --write`` trains on all gold pages that are not held out and on the other real
pages, tells F1 on the held-out ones and writes ``extraction/learned/model.npz``. With ``--fold K`` it leaves
out, beside the held-out pages, a fifth of the sites and tells F1 on those instead, which is how all settings were
chosen. It needs ``pip install rapidfuzz rs-trafilatura`` beside Gristmill's own extras, and some ten minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch
from extractor_examples import TYPES, Example, gold_examples, other_examples
from extractor_integers import whole_numbers
from extractor_net import coded, trained, vocabularies
from rich.console import Console

from gristmill.extraction.learned import MODEL
from gristmill.extraction.learned.choose import choose
from gristmill.extraction.learned.network import Network

FOLDS = 5
SEED = 1
_CALIBRATION = 300
_PRINT = Console(stderr=False, width=120)


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    marked = list(gold_examples())
    left_out = [one for one in marked if _is_left_out(one, arguments.fold)]
    examples = [one for one in (*marked, *other_examples()) if not one.held_out and _learnable(one)]
    if arguments.fold is not None:
        examples = [one for one in examples if _fold(one.site) != arguments.fold]
    if arguments.quick:
        examples = examples[::20]
    words = vocabularies(examples)
    learning = [coded(one, words) for one in examples]
    _PRINT.print(f"{len(learning)} pages to learn from, {len(left_out)} to tell by; seed {arguments.seed}")
    net = trained(learning, words, arguments.seed, lambda epoch, loss: _PRINT.print(f"epoch {epoch}: loss {loss:.4f}"))
    chosen = np.random.default_rng(arguments.seed).permutation(len(learning))[:_CALIBRATION]
    arrays = whole_numbers(net, words, [learning[i] for i in chosen])
    with tempfile.TemporaryDirectory() as folder:
        path = MODEL if arguments.write else Path(folder) / MODEL.name
        np.savez_compressed(path, **arrays)
        figures = _figures(left_out, Network.load(path))
        figures["model_bytes"] = path.stat().st_size
    print(json.dumps(figures))


def _figures(examples: Iterable[Example], network: Network) -> dict[str, float]:
    """Mean F1 over words of blocks: of all pages, and by type and collection."""
    scores: dict[str, list[float]] = {}
    for one in examples:
        found = network.probabilities(one.told)
        kept = choose(found, one.told.where.words)
        right = float((one.shares[kept, 0] * one.words[kept]).sum())
        score = 2 * right / (one.words[kept].sum() + one.size)
        for name in ("f1", f"f1_{TYPES[one.kind]}", f"f1_in_{one.set}"):
            scores.setdefault(name, []).append(score)
    return {name: round(float(np.mean(values)), 4) for name, values in sorted(scores.items())}


def _is_left_out(example: Example, fold: int | None) -> bool:
    return example.held_out if fold is None else not example.held_out and _fold(example.site) == fold


def _learnable(example: Example) -> bool:
    """Whether a gold page holds any of its gold text."""
    return example.set == "other" or bool(example.shares[:, 0].any())


def _fold(site: str) -> int:
    return int.from_bytes(blake2b(site.encode(), digest_size=8).digest(), "little") // 5 % FOLDS


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=sys.modules[__name__].__doc__)
    parser.add_argument("--fold", type=int, choices=range(FOLDS), help="tell F1 on this fifth of the sites")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--write", action="store_true", help="write the model that Gristmill ships")
    parser.add_argument("--quick", action="store_true", help="learn from a twentieth of the pages")
    return parser.parse_args()


if __name__ == "__main__":
    main()

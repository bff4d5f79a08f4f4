"""Damaged models: what becomes of mutated fastText, KenLM, tokenizer and safetensors files.

Small intact models of each kind are made here, and each file is one of them with random changes: flipped bytes,
extreme numbers, missing, repeated or inserted parts, deep nesting. A process opens and uses the files one after
another with the functions that the pipeline and the trainer use. That a file is accepted is right if its change does no
harm, such as another weight; it must then give scores or tokens.

    python -m benchmarks foreign_models            # 500 files of each kind
    python -m benchmarks foreign_models --quick    # 20 files of each kind

The last line is one JSON object: ``accepted``, ``refused_in_one_sentence``, ``other`` (another error), ``hang`` (more
than 30 s), ``launcher_died``, the same for each kind, and ``slowest_s``. All but the first two must be 0.
"""

from __future__ import annotations

import ctypes
import json
import os
import random
import re
import select
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.benchmark_main import benchmark_main, empty_work_folder
from benchmarks.harness.result_tables import CONSOLE, result_table
from gristmill.errors import InputError

OUTCOMES = ("accepted", "refused_in_one_sentence", "other", "hang", "launcher_died")

_FILES, _QUICK_FILES = 500, 20
_MOST_SECONDS = 30.0
_GRACE_SECONDS = 60.0  # the launcher imports PyTorch before its first file
_SENTENCE_CHARACTERS = 600

_EXTREMES = ("-1", "0", "1", "-2147483648", "4294967295", "99999999999999999999", "1e999", "nan", "9" * 5000)
_NESTING = 100_000
_KENLM_MAGIC = b"mmap lm http://kheafield.com/code format version 5\n\0"
_TEXTS = ("", "mill1 mill2 word3 sale4", "the boat " * 500, "0 \U0001f600 \u78e8\u574a\n" * 50)


class FileOutcome(NamedTuple):
    """What became of one file; ``detail`` is the error."""

    outcome: str
    seconds: float
    detail: str = ""


class Kind(NamedTuple):
    """A kind of model: its file's name, the function that makes intact ones in a folder, and the one that uses it."""

    file: str
    make: Callable[[Path], None]
    use: Callable[[Path], object]
    is_text: bool = False


def main() -> None:
    benchmark_main(
        measure,
        description=__doc__,
        quick=f"{_QUICK_FILES} files of each kind",
        needs_data=False,
        add_options=_add_options,
    )


def _add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--kind", choices=KINDS, help="this kind only")
    parser.add_argument("--files", type=int, metavar="N", help="this many files of each kind")


def measure(options: Namespace) -> dict[str, float]:
    work = empty_work_folder("foreign_models")
    os.environ["GRISTMILL_CACHE"] = str(work / "cache")
    files = options.files or (_QUICK_FILES if options.quick else _FILES)
    names = [options.kind] if options.kind else list(KINDS)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = dict(zip(names, pool.map(lambda name: _run_kind(name, work / name, files), names), strict=True))
    table = result_table("damaged models", ("kind", *OUTCOMES, "slowest s"))
    for name, found in outcomes.items():
        counts = Counter(one.outcome for one in found)
        slowest = max(one.seconds for one in found)
        table.add_row(name, *(str(counts[outcome]) for outcome in OUTCOMES), f"{slowest:.1f}")
    CONSOLE.print(table)
    for name, found in outcomes.items():
        for number, one in enumerate(found):
            if one.outcome in OUTCOMES[2:]:
                CONSOLE.print(f"{name} {number}: {one.outcome}: {one.detail}", markup=False)
    return figures(outcomes)


def figures(outcomes: dict[str, list[FileOutcome]]) -> dict[str, float]:
    """Return the figures of the last line."""
    every = [one for found in outcomes.values() for one in found]
    totals = Counter(one.outcome for one in every)
    by_kind = {name: Counter(one.outcome for one in found) for name, found in outcomes.items()}
    return {
        **{outcome: totals[outcome] for outcome in OUTCOMES},
        **{f"{outcome}_{name}": counts[outcome] for name, counts in by_kind.items() for outcome in OUTCOMES},
        "slowest_s": max(one.seconds for one in every),
    }


def _run_kind(name: str, folder: Path, files: int) -> list[FileOutcome]:
    """Make the files of a kind and use them in launchers, of which a new one is started when one dies or hangs."""
    kind = KINDS[name]
    intact = folder / "intact"
    intact.mkdir(parents=True)
    kind.make(intact)
    content = (intact / kind.file).read_bytes()
    paths = []
    for number in range(files):
        target = folder / f"{number:03}"
        target.mkdir()
        for other in intact.iterdir():
            os.link(other, target / other.name)
        (target / kind.file).unlink()
        draw = random.Random(f"{name} {number}")
        (target / kind.file).write_bytes(mutated(content, kind.is_text, draw))
        paths.append(target / kind.file)
    outcomes: list[FileOutcome] = []
    while len(outcomes) < files:
        outcomes += _launch(name, [intact / kind.file, *paths[len(outcomes) :]])
    return outcomes


def _launch(name: str, paths: Sequence[Path]) -> Iterator[FileOutcome]:
    """Use files in one process, up to the one on which it ends or hangs; the first is intact and not counted."""
    command = [sys.executable, "-m", "benchmarks.robustness.foreign_models", "--use", name, *map(str, paths)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as process:
        assert process.stdout is not None
        for number, _ in enumerate(paths):
            start = time.monotonic()
            if not select.select([process.stdout], [], [], _MOST_SECONDS + _GRACE_SECONDS)[0]:
                process.kill()
                yield FileOutcome("hang", time.monotonic() - start)
                return
            line = process.stdout.readline()
            if not line:
                yield FileOutcome("launcher_died", time.monotonic() - start, f"status {process.wait()}")
                return
            one = FileOutcome(*json.loads(line))
            if number > 0:
                yield one
            elif one.outcome not in ("accepted", "hang"):  # the first file waits for imports
                raise RuntimeError(f"the intact {name} is not accepted: {one.detail}")


def use_files(name: str, paths: Sequence[str]) -> None:
    """Use files of a kind, in the launcher, and print a line of JSON for each."""
    for path in paths:
        print(json.dumps(use_file(KINDS[name], Path(path))), flush=True)


def use_file(kind: Kind, path: Path) -> FileOutcome:
    """Open and use one file."""
    start = time.monotonic()
    outcome, detail = "accepted", ""
    try:
        kind.use(path)
    except InputError as error:
        detail = str(error)
        is_sentence = detail.isprintable() and len(detail) <= _SENTENCE_CHARACTERS and str(path.parent) in detail
        outcome = "refused_in_one_sentence" if is_sentence else "other"
    except Exception as error:
        outcome, detail = "other", f"{type(error).__name__}: {error}"[:300]
    seconds = time.monotonic() - start
    return FileOutcome("hang" if seconds > _MOST_SECONDS else outcome, seconds, detail)


def mutated(content: bytes, is_text: bool, draw: random.Random) -> bytes:
    """Return ``content`` with one to three random changes, half of them near its start, where the sizes are."""
    for _ in range(draw.randint(1, 3)):
        content = draw.choice(_TEXT_CHANGES if is_text else _CHANGES)(content, draw)
    return content


def _place(content: bytes, draw: random.Random) -> int:
    return draw.randrange(max(1, min(len(content), 300) if draw.random() < 0.5 else len(content)))


def _flip(content: bytes, draw: random.Random) -> bytes:
    at = _place(content, draw)
    return content[:at] + bytes([content[at] ^ 1 << draw.randrange(8)]) + content[at + 1 :] if content else content


def _overwrite(content: bytes, draw: random.Random) -> bytes:
    at = _place(content, draw)
    extremes = [b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\xff" * 8, b"\xff" * 7 + b"\x7f"]
    new = draw.choice([*extremes, draw.randbytes(draw.randint(1, 64))])
    return content[:at] + new + content[at + len(new) :]


def _cut(content: bytes, draw: random.Random) -> bytes:
    return content[: _place(content, draw)]


def _remove(content: bytes, draw: random.Random) -> bytes:
    at = _place(content, draw)
    return content[:at] + content[at + draw.randint(1, 200) :]


def _repeat(content: bytes, draw: random.Random) -> bytes:
    at = _place(content, draw)
    part = content[at : at + draw.randint(1, 200)]
    return content[:at] + part * draw.choice((2, 3, 1000)) + content[at:]


def _number(content: bytes, draw: random.Random) -> bytes:
    """Replace a number; every second time one of the first twenty."""
    found = list(re.finditer(rb"-?[0-9]+", content))
    if not found:
        return content
    match = draw.choice(found[:20] if draw.random() < 0.5 else found)
    return content[: match.start()] + draw.choice(_EXTREMES).encode() + content[match.end() :]


def _nest(content: bytes, draw: random.Random) -> bytes:
    """Nest a value deeply: in JSON after a colon, elsewhere anywhere."""
    found = [match.end() for match in re.finditer(rb":\s*", content)] or [_place(content, draw)]
    at = draw.choice(found)
    depth = draw.choice((200, _NESTING))
    return content[:at] + b"[" * depth + b"]" * depth + b"," + content[at:]


def _magic(content: bytes, draw: random.Random) -> bytes:
    return _KENLM_MAGIC + draw.randbytes(draw.randint(0, 300)) + content


_CHANGES = (_flip, _overwrite, _overwrite, _cut, _remove, _repeat)
_TEXT_CHANGES = (*_CHANGES, _number, _number, _number, _nest, _magic)


def _words(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [f"{draw.choice(('mill', 'sale', 'word'))}{draw.randrange(200)}" for _ in range(count)]


def _make_fasttext(folder: Path, quantized: bool) -> None:
    import fasttext

    lines = [f"__label__{('positive', 'negative')[n % 2]} {' '.join(_words(30, n))}" for n in range(200)]
    (folder / "texts.txt").write_text("\n".join(lines) + "\n")
    options = {"dim": 8, "wordNgrams": 2, "minn": 2, "maxn": 3, "bucket": 500, "thread": 1, "verbose": 0, "minCount": 1}
    model = fasttext.train_supervised(
        str(folder / "texts.txt"), epoch=2, loss="softmax" if quantized else "hs", **options
    )
    if quantized:
        model.quantize(str(folder / "texts.txt"), cutoff=700, retrain=False, qnorm=True, thread=1, verbose=0)
    model.save_model(str(folder / "model.bin"))
    (folder / "texts.txt").unlink()


def _make_arpa(folder: Path) -> None:
    from gristmill.classifiers.perplexity import train

    (folder / "model.arpa").write_bytes(train([" ".join(_words(30, n)) for n in range(40)], 3)[0])


def _make_kenlm_binary(folder: Path, model_type: int) -> None:
    """Write a binary of one of KenLM's ``ModelType``: 0 has hash tables, 2 a trie.

    The package kenlm has no function for this, but the library in it has one that writes the file that the field
    ``write_mmap`` of its ``Config`` names. That field follows ``arpa_complain``.
    """
    import kenlm

    from gristmill.classifiers.model_trials import silent_kenlm

    _make_arpa(folder)
    config: Any = silent_kenlm()
    fields = id(config) + object.__basicsize__
    size = type(config).__basicsize__ - object.__basicsize__
    silent = ctypes.string_at(fields, size)
    config.arpa_complain = kenlm.ARPALoadComplain.ALL
    changed = next(at for at, byte in enumerate(ctypes.string_at(fields, size)) if byte != silent[at])
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    target = str(folder / "model.bin").encode()
    ctypes.c_char_p.from_address(fields + changed + 8 - changed % 8).value = target
    library = ctypes.CDLL(str(Path(kenlm.__file__).with_name("libkenlm.so")))
    write = library["_ZN2lm5ngram11LoadVirtualEPKcRKNS0_6ConfigENS0_9ModelTypeE"]
    write.restype = ctypes.c_void_p
    write(str(folder / "model.arpa").encode(), ctypes.c_void_p(fields), model_type)
    (folder / "model.arpa").unlink()


def _make_tokenizer(folder: Path) -> None:
    from gristmill.tokenization.tokenizer_section import TokenizerSection
    from gristmill.tokenization.train_bpe import train_bpe

    texts = [" ".join(_words(100, n)) for n in range(20)]
    (folder / "tokenizer.json").write_text(train_bpe(texts, TokenizerSection(vocab_size=600)))


def _make_checkpoint(folder: Path) -> None:
    """A LLaMA of two layers with random weights."""
    import numpy as np
    import torch
    from safetensors.numpy import save_file

    from gristmill.training.llama_decoder import Decoder, hugging_face_name

    config = {
        "model_type": "llama",
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": 50,
        "tie_word_embeddings": True,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "layer_types": ["full_attention"] * 2,
    }
    with torch.device("meta"):
        model = Decoder(_shape(), 50)
    weights = {hugging_face_name(name): np.ones(tuple(one.shape), np.float32) for name, one in model.named_parameters()}
    weights["model.embed_tokens.weight"] = np.ones((50, 16), np.float32)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def _shape() -> Any:
    from gristmill.training.model_section import ModelSection

    return ModelSection(dim=16, layers=2, heads=2, ffn_multiple=4)


def _use_fasttext(path: Path) -> object:
    from gristmill.classifiers.text_model import TextClassifier

    return TextClassifier.load(str(path)).scores(_TEXTS)


def _use_kenlm(path: Path) -> object:
    from gristmill.classifiers.perplexity import PerplexityScorer

    return PerplexityScorer.load(str(path)).scores(_TEXTS)


def _use_tokenizer(path: Path) -> object:
    from gristmill.tokenization.token_encoder import open_encoder, read_tokenizer
    from gristmill.tokenization.tokenizer_section import TokenizerSection

    return open_encoder(read_tokenizer(str(path)), TokenizerSection(path=str(path))).encode_batch(_TEXTS)


def _use_checkpoint(path: Path) -> object:
    from gristmill.training.model_import import check_shape, read_rows

    check_shape(str(path.parent), _shape(), 50)
    return read_rows(str(path.parent), "norm.weight", 0, 16)


KINDS = {
    "fasttext_bin": Kind("model.bin", lambda folder: _make_fasttext(folder, False), _use_fasttext),
    "fasttext_ftz": Kind("model.bin", lambda folder: _make_fasttext(folder, True), _use_fasttext),
    "kenlm": Kind("model.arpa", _make_arpa, _use_kenlm, is_text=True),
    "kenlm_probing": Kind("model.bin", lambda folder: _make_kenlm_binary(folder, 0), _use_kenlm),
    "kenlm_trie": Kind("model.bin", lambda folder: _make_kenlm_binary(folder, 2), _use_kenlm),
    "tokenizer": Kind("tokenizer.json", _make_tokenizer, _use_tokenizer, is_text=True),
    "safetensors": Kind("model.safetensors", _make_checkpoint, _use_checkpoint),
    "config": Kind("config.json", _make_checkpoint, _use_checkpoint, is_text=True),
}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--use"]:
        use_files(sys.argv[2], sys.argv[3:])
    else:
        main()

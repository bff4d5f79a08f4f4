"""The code in ``docs/howto/load-elsewhere.md`` reads the shards of a mix."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.harness.peer_environments import FOREIGN_READERS, peer_python
from benchmarks.harness.synthetic_mix import write_mix
from gristmill.mixing.export.format_table import FORMATS
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "howto" / "load-elsewhere.md").read_text()
NANOGPT, OLMO = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
VOCABULARIES = pytest.mark.parametrize("vocabulary", [65_499, 65_537])


def make_mix(root: Path, vocabulary: int) -> Any:
    tokens = np.random.default_rng(0).integers(0, vocabulary, (50, 16))
    tokens[0, 0] = vocabulary - 1
    write_mix(root / "work" / "mix-0123456789abcdef", tokens, vocabulary, 20)
    return tokens


@VOCABULARIES
def test_the_loop_reads_batches_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vocabulary: int) -> None:
    pytest.importorskip("torch")
    expected = make_mix(tmp_path, vocabulary)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(NANOGPT, names)
    for step in range(4):
        inputs, targets = names["get_batch"](step)
        batch = expected[12 * step : 12 * (step + 1)]
        assert np.array_equal(inputs.numpy(), batch[:, :-1])
        assert np.array_equal(targets.numpy(), batch[:, 1:])


@pytest.mark.slow
@VOCABULARIES
def test_olmo_core_reads_the_shards(tmp_path: Path, vocabulary: int) -> None:
    expected = make_mix(tmp_path, vocabulary)
    save = 'np.save("read.npy", [dataset[number]["input_ids"].numpy() for number in range(len(dataset))])'
    python = peer_python("foreign_readers", FOREIGN_READERS, over_ours=True)
    subprocess.run([str(python), "-c", f"{NANOGPT}\n{OLMO}\n{save}"], cwd=tmp_path, check=True)
    assert np.array_equal(np.load(tmp_path / "read.npy"), expected)


def test_the_page_names_every_format() -> None:
    assert re.findall(r"^\| `([\w-]+)` \|", PAGE, re.MULTILINE) == list(FORMATS)

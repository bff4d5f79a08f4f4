"""The network of Gristmill's own extractor in floating point, and its training.

Its architecture is that of ``gristmill.extraction.learned.block_network``, which runs it in integers. The loss is a
weighted sum of the cross-entropy over words and of the measure itself, one minus the soft F1 of the page's words. The
texts of three other extractors and the type of the page are auxiliary targets; they regularise training on only 1,500
pages, as does dropout of words, of groups of inputs and of activations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from gristmill.extraction.learned.block_features import LEVELS
from gristmill.extraction.learned.block_network import (
    MEAN_LEVELS,
    NEAR_OFFSETS,
    WIDE_OFFSETS,
    WORD_LEVELS,
    PageFeatures,
)
from gristmill.extraction.learned.html_tags import TAGS
from model_training.extractor_examples import TYPES, Example

HIDDEN, CLUE_WIDTH, PAGE_WIDTH, TAG_WIDTH = 64, 20, 24, 4
SITES = {"elements": 6, "leads": 8, "pages": 6}
"""Minimum number of sites on which a word occurs, for each vocabulary."""

EPOCHS, BATCH, RATE, DECAY = 12, 16, 3e-3, 0.1
SOFT, OTHERS, TYPE = 0.7, 0.5, 0.1
DROP, DROP_WORDS, DROP_GROUP, DROP_PAGE_WORDS, DROP_PAGE = 0.3, 0.3, 0.15, 0.3, 0.25
_MARGIN = 10

Vocabularies = Mapping[str, Mapping[str, int]]


class EncodedExample(NamedTuple):
    """An example in numbers. Bags of words are stored as one list of word numbers and the lengths of the bags."""

    example: Example
    elements: tuple[list[int], list[int]]
    leads: tuple[list[int], list[int]]
    pages: tuple[list[int], list[int]]
    above: tuple[list[int], list[int]]
    above_of: np.ndarray


def vocabularies(examples: Sequence[Example]) -> Vocabularies:
    """Return the words of each vocabulary that occur on enough sites, numbered from 1 in alphabetical order."""
    sites: dict[str, dict[str, set[str]]] = {kind: {} for kind in SITES}
    for example in examples:
        for kind, bags in _bags_of(example.features).items():
            for word in set(chain.from_iterable(bags)):
                sites[kind].setdefault(word, set()).add(example.site)
    return {
        kind: {word: n for n, word in enumerate(sorted(w for w, on in words.items() if len(on) >= SITES[kind]), 1)}
        for kind, words in sites.items()
    }


def encode(example: Example, words: Vocabularies) -> EncodedExample:
    features = example.features
    lowest, above_of = np.unique(features.context.ancestors[:, WORD_LEVELS], return_inverse=True)
    above = [list(_upward(int(element), features.parents)) for element in lowest]
    bags = {kind: _bags(bags, words[kind]) for kind, bags in _bags_of(features).items()}
    return EncodedExample(
        example, **bags, above=([*chain.from_iterable(above)], [len(path) for path in above]), above_of=above_of
    )


def _bags_of(features: PageFeatures) -> dict[str, Sequence[Sequence[str]]]:
    return {
        "elements": [features.element_words.words[kind] for kind in features.element_words.group],
        "leads": features.leads,
        "pages": [features.page_words],
    }


class Net(nn.Module):  # type: ignore[misc]
    def __init__(self, numbers: int, words: Vocabularies) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(numbers, affine=False, momentum=None)
        self.elements, self.leads, self.pages = (
            nn.EmbeddingBag(len(words[kind]) + 1, width, mode="sum")
            for kind, width in (("elements", CLUE_WIDTH), ("leads", CLUE_WIDTH), ("pages", PAGE_WIDTH))
        )
        self.tags = nn.ModuleList(nn.Embedding(len(TAGS) + 1, TAG_WIDTH) for _ in range(LEVELS))
        for table in (self.elements, self.leads, self.pages, *self.tags):
            nn.init.normal_(table.weight, std=0.05)
        inputs = numbers + (WORD_LEVELS + 2) * CLUE_WIDTH + PAGE_WIDTH + LEVELS * TAG_WIDTH
        self.alone = nn.Linear(inputs, HIDDEN)
        self.near = nn.Linear(len(NEAR_OFFSETS) * HIDDEN, HIDDEN)
        self.tree = nn.Linear(len(MEAN_LEVELS) * HIDDEN, HIDDEN)
        self.wide = nn.Linear(len(WIDE_OFFSETS) * HIDDEN, HIDDEN)
        self.page = nn.Linear(2 * HIDDEN + PAGE_WIDTH, HIDDEN)
        self.join = nn.Linear(3 * HIDDEN, HIDDEN)
        self.last = nn.Linear(HIDDEN, 4)
        self.kind = nn.Linear(HIDDEN, len(TYPES))
        self.drop = nn.Dropout(DROP)

    def forward(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor]:
        """Return the logits of main text and of the three other texts ``[n, 4]``, and of the type of each page."""
        layers = self.activations(batch)
        return self.last(layers["join"]), self.kind(layers["page"])

    def activations(self, batch: dict[str, Any]) -> dict[str, Tensor]:
        """Return the activations of each layer, and the embedding sums of ``elements``, ``leads`` and ``pages``."""
        of, pages = batch["of"], batch["pages"]
        clues = self._drop_rows(
            self._sum_bags(self.elements, batch["elements"], DROP_WORDS), batch["element_of"], pages
        )
        clues = torch.cat([clues, torch.zeros(1, CLUE_WIDTH)])
        above = functional.embedding_bag(batch["above"][0], clues, batch["above"][1], mode="sum")
        leads = self._drop_rows(self._sum_bags(self.leads, batch["leads"], DROP_WORDS), of, pages)
        kind = self._sum_bags(self.pages, batch["kinds"], DROP_PAGE_WORDS)
        kind = self._drop_rows(kind, torch.arange(pages), pages, DROP_PAGE)
        inputs = [
            self.norm(batch["numbers"]).clamp(-4, 4),
            *(clues[batch["ancestors"][:, level]] for level in range(WORD_LEVELS)),
            above[batch["above_of"]],
            leads,
            kind[of],
            *(table(batch["around"][:, level]) for level, table in enumerate(self.tags)),
        ]
        alone = self.alone(torch.cat(inputs, 1)).relu()
        beside = self.near(self._shift(self.drop(alone), NEAR_OFFSETS, batch)).relu()
        near = self.drop(beside + alone)
        tree = self.tree(_means(near, batch["extents"])).relu()
        wide = self.wide(self._shift(near + tree, WIDE_OFFSETS, batch)).relu()
        everything = near + tree + self.drop(wide)
        most = torch.zeros(pages, HIDDEN).index_reduce(0, of, everything, "amax")
        mean = torch.zeros(pages, HIDDEN).index_add(0, of, everything * batch["part"][:, None])
        page = self.page(torch.cat([most, mean, kind], 1)).relu()
        join = self.join(self.drop(torch.cat([alone, everything, page[of]], 1))).relu()
        layers = {"alone": alone, "near": beside, "tree": tree, "wide": wide, "page": page, "join": join}
        return {**layers, "elements": torch.cat([clues, above]), "leads": leads, "pages": kind}

    def _sum_bags(self, table: nn.EmbeddingBag, bags: tuple[Tensor, Tensor], drop: float) -> Tensor:
        weights = (torch.rand(len(bags[0])) > drop).float() if self.training else None
        return table(*bags, per_sample_weights=weights)

    def _drop_rows(self, rows: Tensor, of: Tensor, pages: int, drop: float = DROP_GROUP) -> Tensor:
        """Return ``rows`` with all rows of some pages set to zero."""
        return rows * (torch.rand(pages, 1) > drop).float()[of] if self.training else rows

    def _shift(self, rows: Tensor, steps: tuple[int, ...], batch: dict[str, Any]) -> Tensor:
        padded = torch.zeros(batch["padded"], HIDDEN).index_copy(0, batch["places"], rows)
        return torch.cat([padded[batch["places"] + step] for step in steps], 1)


def batch_of(examples: Sequence[EncodedExample]) -> dict[str, Any]:
    """Concatenate pages, with a margin of zeros around each in place of neighbours."""
    plain = [one.example for one in examples]
    sizes, elements = [len(e.words) for e in plain], [len(e.features.parents) for e in plain]
    block_from, element_from = _starts(sizes), _starts(elements)
    above_from = _starts([len(one.above[1]) for one in examples])
    places = np.concatenate(
        [np.arange(n) + start + _MARGIN * (i + 1) for i, (n, start) in enumerate(zip(sizes, block_from, strict=True))]
    )
    extents = [
        np.stack(
            [
                np.append(bound, 0)[e.features.context.ancestors[:, MEAN_LEVELS]]
                for bound in (e.features.context.first, e.features.context.last)
            ],
            2,
        )
        + start
        for e, start in zip(plain, block_from, strict=True)
    ]
    ancestors = [
        np.where(e.features.context.ancestors >= 0, e.features.context.ancestors + start, sum(elements))
        for e, start in zip(plain, element_from, strict=True)
    ]
    weights = [e.words + 1 for e in plain]
    halves = [e.words / max(1.0, (e.size + (e.shares[:, 0] * e.words).sum()) / 2) for e in plain]
    return {
        "pages": len(plain),
        "padded": int(places[-1]) + _MARGIN + 1,
        "places": torch.from_numpy(places),
        "of": torch.from_numpy(np.repeat(np.arange(len(plain)), sizes)),
        "element_of": torch.from_numpy(np.repeat(np.arange(len(plain)), elements)),
        "numbers": _concatenate(e.features.numbers for e in plain),
        "around": _concatenate(e.features.tags for e in plain),
        "ancestors": _concatenate(ancestors),
        "extents": _concatenate(extents),
        "above": _bag_batch(
            [([n + s for n in one.above[0]], one.above[1]) for one, s in zip(examples, element_from, strict=True)]
        ),
        "above_of": _concatenate(one.above_of + start for one, start in zip(examples, above_from, strict=True)),
        "elements": _bag_batch([one.elements for one in examples]),
        "leads": _bag_batch([one.leads for one in examples]),
        "kinds": _bag_batch([one.pages for one in examples]),
        "part": _concatenate((w / w.sum()).astype(np.float32) for w in weights),
        "shares": _concatenate(e.shares for e in plain),
        "words": _concatenate(e.words.astype(np.float32) for e in plain),
        "matter": _concatenate(h.astype(np.float32) for h in halves),
        "size": torch.tensor([e.size for e in plain]),
        "weight": torch.tensor([e.weight for e in plain]),
        "kind": torch.tensor([e.kind for e in plain]),
    }


def train(
    examples: Sequence[EncodedExample], words: Vocabularies, seed: int, on_epoch: Callable[[int, float], None]
) -> Net:
    """Return the network after ``EPOCHS`` epochs; ``on_epoch`` receives the number and the mean loss of each."""
    torch.manual_seed(seed)
    order = np.random.default_rng(seed)
    net = Net(examples[0].example.features.numbers.shape[1], words)
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    steps = -(-len(examples) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * steps, pct_start=0.15)
    net.train()
    for epoch in range(EPOCHS):
        losses = []
        for chosen in np.array_split(order.permutation(len(examples)), steps):
            loss = _loss(net, batch_of([examples[i] for i in chosen]))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 2.0)
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        on_epoch(epoch + 1, float(np.mean(losses)))
    net.eval()
    return net


def _loss(net: Net, batch: dict[str, Any]) -> Tensor:
    logits, types = net(batch)
    of, weight, words, size = batch["of"], batch["weight"], batch["words"], batch["size"]
    matter = batch["matter"].clamp(max=2) + 0.002
    cross = functional.binary_cross_entropy_with_logits(logits, batch["shares"], reduction="none") * matter[:, None]
    probability = logits[:, 0].sigmoid()
    none = torch.zeros(batch["pages"])
    right = none.index_add(0, of, probability * batch["shares"][:, 0] * words)
    taken = none.index_add(0, of, probability * words)
    total_weight = weight.sum().clamp(min=1)
    loss = (1 - SOFT) * (cross[:, 0] * weight[of]).sum() / total_weight
    loss = loss + SOFT * ((1 - 2 * right / (taken + size)) * weight).sum() / total_weight
    loss = loss + OTHERS * cross[:, 1:].sum() / 3 / batch["pages"]
    if (batch["kind"] >= 0).any():
        loss = loss + TYPE * functional.cross_entropy(types, batch["kind"], ignore_index=-1)
    return loss


def _means(rows: Tensor, extents: Tensor) -> Tensor:
    sums = torch.cat([torch.zeros(1, HIDDEN), rows.cumsum(0)])
    first, last = extents[:, :, 0], extents[:, :, 1]
    return ((sums[last] - sums[first]) / (last - first).clamp(min=1)[:, :, None]).flatten(1)


def _upward(element: int, parents: list[int]) -> Iterator[int]:
    while element >= 0:
        yield element
        element = parents[element]


def _bags(bags: Sequence[Sequence[str]], words: Mapping[str, int]) -> tuple[list[int], list[int]]:
    numbers = [[words[word] for word in bag if word in words] for bag in bags]
    return [*chain.from_iterable(numbers)], [len(bag) for bag in numbers]


def _bag_batch(bags: Sequence[tuple[list[int], list[int]]]) -> tuple[Tensor, Tensor]:
    numbers = [*chain.from_iterable(flat for flat, _ in bags)]
    lengths = [*chain.from_iterable(lengths for _, lengths in bags)]
    return torch.tensor(numbers, dtype=torch.long), torch.tensor(_starts(lengths), dtype=torch.long)


def _starts(lengths: Sequence[int]) -> list[int]:
    return [0, *np.cumsum(lengths)[:-1].tolist()]


def _concatenate(arrays: Any) -> Tensor:
    return torch.from_numpy(np.concatenate(list(arrays)))

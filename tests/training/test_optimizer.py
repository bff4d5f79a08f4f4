"""Which optimizer trains a parameter, and with which settings."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="TORCH MISSING: pip install 'gristmill[train]'")

from gristmill.errors import InputError  # noqa: E402
from gristmill.training.llama_decoder import Decoder  # noqa: E402
from gristmill.training.model_section import ModelSection  # noqa: E402
from gristmill.training.muon import Muon  # noqa: E402
from gristmill.training.optimizer import build_optimizers, set_learning_rate  # noqa: E402
from gristmill.training.train_section import MuonSection, TrainSection  # noqa: E402

SHAPE = ModelSection(dim=8, layers=2, heads=2, tie_embeddings=False)


def section(*groups: dict[str, Any], **settings: Any) -> TrainSection:
    return TrainSection.model_validate({"model": SHAPE, "parameter_groups": groups, **settings})


@pytest.fixture
def model() -> Any:
    torch.manual_seed(0)
    return Decoder(SHAPE, 16)


def settings_by_name(model: Any, optimizers: list[Any], *keys: str) -> dict[str, tuple[Any, ...]]:
    """Return the settings of every parameter; fails if one is trained twice or not at all."""
    names = {weight: name for name, weight in model.named_parameters()}
    found = [
        (names[weight], tuple(group[key] for key in keys))
        for optimizer in optimizers
        for group in optimizer.param_groups
        for weight in group["params"]
    ]
    assert sorted(name for name, _ in found) == sorted(names.values())
    return dict(found)


def set_random_gradients(model: Any) -> None:
    for weight in model.parameters():
        weight.grad = torch.randn_like(weight)


def test_adamw_trains_everything(model: Any) -> None:
    (adamw,) = build_optimizers(model, section(lr=0.5, weight_decay=0.2, betas=(0.8, 0.9)))
    assert isinstance(adamw, torch.optim.AdamW)
    settings = settings_by_name(model, [adamw], "lr", "weight_decay", "betas", "lr_ratio")
    for name, weight in model.named_parameters():
        assert settings[name] == (0.5, 0.2 if weight.ndim == 2 else 0.0, (0.8, 0.9), 1.0)


def test_muon_trains_the_matrices_of_the_blocks(model: Any) -> None:
    settings = MuonSection(momentum=0.5, nesterov=False, iterations=3, scaling="ratio")
    muon, adamw = build_optimizers(model, section(optimizer="muon", weight_decay=0.2, muon=settings))
    assert isinstance(muon, Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    decay = settings_by_name(model, [muon, adamw], "weight_decay")
    (group,) = muon.param_groups
    assert {"lr": 1e-3, "weight_decay": 0.2, "lr_ratio": 1.0, **settings.model_dump()}.items() <= group.items()
    names = {weight: name for name, weight in model.named_parameters()}
    assert len(group["params"]) == 2 * 7
    assert {names[weight].split(".")[-2] for weight in group["params"]} == {
        *("q_proj", "k_proj", "v_proj", "o_proj"),
        *("gate_proj", "up_proj", "down_proj"),
    }
    assert decay["embed_tokens.weight"] == decay["lm_head.weight"] == (0.2,)
    assert decay["norm.weight"] == decay["layers.0.input_layernorm.weight"] == (0.0,)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (
            [{"pattern": "embed", "lr_ratio": 0.5}],
            {"embed_tokens.weight": (0.5, 0.1), "lm_head.weight": (1.0, 0.1), "norm.weight": (1.0, 0.0)},
        ),
        (
            [{"pattern": "norm", "weight_decay": 0.3}, {"pattern": "lm_head", "weight_decay": 0}],
            {"norm.weight": (1.0, 0.3), "layers.1.input_layernorm.weight": (1.0, 0.3), "lm_head.weight": (1.0, 0.0)},
        ),
        (
            [{"pattern": r"^layers\.1\.", "lr_ratio": 2}, {"pattern": r"q_proj|norm", "lr_ratio": 3}],
            {
                "layers.0.self_attn.q_proj.weight": (3.0, 0.1),
                "layers.0.self_attn.k_proj.weight": (1.0, 0.1),
                "layers.1.self_attn.q_proj.weight": (2.0, 0.1),
                "layers.1.input_layernorm.weight": (2.0, 0.0),
                "norm.weight": (3.0, 0.0),
            },
        ),
    ],
    ids=["ratio", "decay", "first match"],
)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_parameter_groups(
    model: Any, optimizer: str, groups: list[dict[str, Any]], expected: dict[str, tuple[float, float]]
) -> None:
    optimizers = build_optimizers(model, section(*groups, optimizer=optimizer))
    assert expected.items() <= settings_by_name(model, optimizers, "lr_ratio", "weight_decay").items()


def test_equal_settings_share_a_group(model: Any) -> None:
    groups = [{"pattern": "q_proj", "lr_ratio": 2}, {"pattern": "k_proj", "lr_ratio": 2}, {"pattern": "v_proj"}]
    muon, adamw = build_optimizers(model, section(*groups, optimizer="muon"))
    assert [(group["lr_ratio"], len(group["params"])) for group in muon.param_groups] == [(2.0, 4), (1.0, 10)]
    assert [(group["weight_decay"], len(group["params"])) for group in adamw.param_groups] == [(0.1, 2), (0.0, 5)]


@pytest.mark.parametrize(
    ("patterns", "index", "pattern"),
    [
        (["k_proj", r"layers\.2\."], 1, r"layers\\.2\\."),  # there are blocks 0 and 1
        (["_orig_mod", "norm"], 0, "_orig_mod"),
        (["proj", "q_proj"], 1, "q_proj"),  # the first pattern has them all
        (["norm", "norm"], 1, "norm"),
    ],
)
def test_a_pattern_without_effect_is_an_error(model: Any, patterns: list[str], index: int, pattern: str) -> None:
    groups = [{"pattern": pattern} for pattern in patterns]
    with pytest.raises(InputError) as caught:
        build_optimizers(model, section(*groups))
    assert str(caught.value).startswith(f"train.parameter_groups.{index} applies to no parameter")
    assert f"matches '{pattern}'" in str(caught.value)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_learning_rates(model: Any, optimizer: str) -> None:
    groups = [{"pattern": "k_proj|lm_head", "lr_ratio": 0}, {"pattern": "q_proj|embed", "lr_ratio": 0.5}]
    optimizers = build_optimizers(model, section(*groups, optimizer=optimizer, lr=1.0))
    for lr in (None, 0.25, 0.5):
        if lr is not None:
            set_learning_rate(optimizers, lr)
        rates = settings_by_name(model, optimizers, "lr")
        assert rates["layers.1.self_attn.q_proj.weight"] == rates["embed_tokens.weight"] == (0.5 * (lr or 1.0),)
        assert rates["layers.1.self_attn.v_proj.weight"] == rates["norm.weight"] == (lr or 1.0,)
        assert rates["layers.1.self_attn.k_proj.weight"] == rates["lm_head.weight"] == (0.0,)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_ratio_of_zero_leaves_parameters_as_they_are(model: Any, optimizer: str) -> None:
    optimizers = build_optimizers(model, section({"pattern": "embed|layers.0", "lr_ratio": 0}, optimizer=optimizer))
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    set_learning_rate(optimizers, 0.1)
    set_random_gradients(model)
    for each in optimizers:
        each.step()
    unchanged = {name for name, weight in model.named_parameters() if torch.equal(weight, before[name])}
    assert unchanged == {name for name in before if name.startswith(("embed_tokens", "layers.0."))}


def test_names_have_no_prefixes_when_blocks_are_compiled(model: Any) -> None:
    names = [name for name, _ in model.named_parameters()]
    for block in model.layers:
        block.compile(backend="eager")
    assert [name for name, _ in model.named_parameters()] == names
    assert "layers.1.self_attn.q_proj.weight" in names

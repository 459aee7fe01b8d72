"""TOML -> Config: what is refused, and what the refusal says."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkout import ROOT
from thyrosight.config import Config, config_from_dict, config_to_dict, load_config
from thyrosight.errors import ConfigError

CONFIGS = sorted((ROOT / "configs").rglob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_shipped_config_loads_and_says_what_it_promises(path: Path) -> None:
    assert load_config(path).about


def test_a_config_survives_the_way_through_a_dict() -> None:
    config = config_from_dict({"data": {"size_hw": [64, 96], "repeat": {"busi": 1}}, "optim": {"lr": 1}})
    assert config.data.size_hw == (64, 96)
    assert config.data.repeat == {"busi": 1.0}
    assert config_from_dict(config_to_dict(config)) == config


def test_an_unknown_key_is_told_its_neighbours() -> None:
    known = "known: name, lr, encoder_lr_share, weight_decay, eps, schedule, warmup_share, final_lr_share, batch_size, "
    known += "epochs, clip_norm, ema_decay"
    for key, hint in (
        ("learning_rate", "did you mean lr?; "),
        ("epoch", "did you mean epochs?; "),
        ("wieght_deacy", "did you mean weight_decay?; "),
        ("zzz", ""),
    ):
        with pytest.raises(ConfigError) as raised:
            config_from_dict({"optim": {key: 3}}, where="a.toml")
        assert str(raised.value) == f"a.toml [optim]: unknown setting '{key}' in OptimConfig; {hint}{known}"


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({"network": {"head": "maps"}}, "choose one of 'map', 'pooled'"),
        ({"optim": {"lr": "fast"}}, "give a float"),
        ({"optim": {"epochs": True}}, "give a int"),
        ({"data": {"size_hw": [256]}}, "a list of 2"),
        ({"data": {"size_hw": [16, 16]}}, "at least 32 x 32"),
        ({"loss": {"mask_weight": 0, "malignancy_weight": 0}}, "nothing would be learned"),
        ({"data": {"repeat": {"busi": 0}}}, r'busi is 0; it must be above 0.* data\.reference_sources = \["busi"\]'),
        ({"data": {"repeat": {"busi": 2}, "reference_sources": ["busi"]}}, "name each source in one"),
        ({"loss": {"map_weight": -1.0}}, r"loss\.map_weight is -1; it must not be below 0"),
        ({"loss": {"mask": "dise"}}, "choose one of 'dice', 'cross_entropy', 'focal'"),
        ({"loss": {"label_smoothing": 1.0}}, r"label_smoothing must be in \[0, 1\)"),
        ({"loss": {"gland_weight": 0.5}}, "needs 'gland' in network.auxiliary"),
        ({"run": {"validation_share": 0.0, "keep": "best"}}, "validation_share > 0"),
        ({"optim": 3}, "a table of settings"),
        ({"run": {"seed": -1}}, "run.seed is -1; it must be 0 or more"),
        ({"run": {"threads": -1}}, "run.threads is -1; it must be 0 or more"),
        ({"run": {"max_minutes": -1}}, "run.max_minutes is -1; it must be 0 or more"),
        ({"augment": {"flip": 50.0}}, "augment.flip is 50; it is a share, at most 1"),
        ({"run": {"validate_every": 0}}, "run.validate_every must be at least 1"),
    ],
)
def test_wrong_values_are_refused(tree: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        config_from_dict(tree)


def test_overrides_are_toml_or_bare_words(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text("[optim]\nepochs = 3\n")
    config = load_config(path, ["optim.epochs=5", "network.name=vnet2d", "data.size_hw=[64, 64]"])
    assert (config.optim.epochs, config.network.name, config.data.size_hw) == (5, "vnet2d", (64, 64))
    with pytest.raises(ConfigError, match=r"write table\.key=value"):
        load_config(path, ["optim.epochs"])


def test_a_choice_of_digits_needs_no_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("")
    assert load_config(tmp_path / "a.toml", ["run.precision=32"]).run.precision == "32"


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: can't be read"):
        load_config(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[optim\n")
    with pytest.raises(ConfigError, match=r"bad\.toml: not valid TOML"):
        load_config(tmp_path / "bad.toml")


def test_defaults_are_valid() -> None:
    assert config_from_dict({}) == Config()

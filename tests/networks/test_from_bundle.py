"""Bundle -> the weights that a run begins with: which bundle, which heads, and what is refused."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from thyrosight.bundle.store import Bundle, default_bundle_path, load_bundle
from thyrosight.config import NetworkConfig
from thyrosight.errors import BundleError, ConfigError
from thyrosight.networks.from_bundle import load_start_weights, refuse_other_form, start_bundle


def test_the_shipped_bundle_has_a_name(tmp_path: Path) -> None:
    assert start_bundle("shipped").info == load_bundle().info
    with pytest.raises(BundleError, match="no such bundle"):
        start_bundle(str(tmp_path / "none"))


def test_a_cross_validation_stands_for_its_folds(tmp_path: Path) -> None:
    shutil.copytree(default_bundle_path(), tmp_path / "fold3" / "bundle")
    assert start_bundle(str(tmp_path), 3).path == tmp_path / "fold3" / "bundle"
    for fold in (2, None):
        with pytest.raises(ConfigError, match=f"no finished fold {fold}"):
            start_bundle(str(tmp_path), fold)


def test_auxiliary_heads_are_taken_where_both_have_them(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save

    from thyrosight.networks.unet import UNet

    taught = UNet(pretrained=False, auxiliary=("gland",))
    monkeypatch.setattr(Bundle, "weights_bytes", save(taught.state_dict()))
    shipped = load_bundle()
    settings = NetworkConfig(name="unet", encoder="lite0")
    form = shipped.info.network_settings | {"encoder": "lite0"}
    bundle = replace(shipped, info=shipped.info.model_copy(update={"network_settings": form}))
    for auxiliary in ((), ("gland",), ("descriptors",)):
        network = UNet(pretrained=False, auxiliary=auxiliary)
        load_start_weights(network, settings, bundle)
        torch.testing.assert_close(network.mask.weight, taught.mask.weight)
        if network.gland is not None:
            assert taught.gland is not None
            torch.testing.assert_close(network.gland.weight, taught.gland.weight)
    with pytest.raises(BundleError, match="don't fit this network"):
        load_start_weights(UNet(encoder="lite2", pretrained=False), settings, bundle)


@pytest.mark.parametrize("head", ["map", "pooled"])
def test_a_question_keeps_its_row_and_a_new_one_begins_as_the_bundles_own(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save

    from thyrosight.networks import build_network, network_entry

    settings = NetworkConfig(encoder="lite0", pretrained=False, head=head)
    taught = build_network(replace(settings, questions=("breast", "reading")))
    monkeypatch.setattr(Bundle, "weights_bytes", save(taught.state_dict()))
    shipped = load_bundle()
    form = shipped.info.network_settings | {"encoder": "lite0", "head": head, "questions": ["breast", "reading"]}
    bundle = replace(shipped, info=shipped.info.model_copy(update={"network_settings": form}))
    wanted = replace(settings, questions=("reading", "nerve"))
    network = build_network(wanted)
    load_start_weights(network, wanted, bundle)
    before, after = taught.state_dict(), network.state_dict()
    layers = tuple(f"{layer}." for layer in network_entry("unet").question_layers)
    names = [name for name in after if name.startswith(layers)]
    assert len(names) == (4 if head == "map" else 2)
    for name in names:
        torch.testing.assert_close(after[name], before[name][[0, 2, 0]])


@pytest.mark.parametrize(
    ("settings", "correction"),
    [
        (NetworkConfig(encoder="lite0"), r'network\.encoder is "lite0"; set network\.encoder = "lite2"$'),
        (NetworkConfig(encoder="lite2", head="pooled"), r'head is "pooled"; set network\.head = "map"$'),
        (NetworkConfig(name="vnet2d"), r'network\.name is "vnet2d"; set network\.name = "unet"$'),
    ],
)
def test_weights_of_another_form_are_refused_with_the_correction(settings: NetworkConfig, correction: str) -> None:
    with pytest.raises(ConfigError, match=correction):
        refuse_other_form(settings, load_bundle())


def test_no_run_begins_with_an_ensemble() -> None:
    shipped = load_bundle()
    ensemble = replace(shipped, info=shipped.info.model_copy(update={"network": "ensemble"}))
    with pytest.raises(ConfigError, match=r"kind 'ensemble'.*choose a bundle of vnet2d, unet"):
        refuse_other_form(NetworkConfig(), ensemble)

"""Torch -> bundle: ONNX says what torch says, at sizes that were not traced, on noise and on real frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from parts import part_path

torch = pytest.importorskip("torch")

from thyrosight.bundle.store import (
    default_bundle_path,
    load_bundle,
)
from thyrosight.bundle.weight_checks import check_onnx
from thyrosight.config import NetworkConfig, config_from_dict
from thyrosight.errors import (
    BundleError,
    ConfigError,
    InputError,
)
from thyrosight.export.export_run import calibrated_sources, export_run
from thyrosight.export.onnx import checked_onnx, parity, round_to_half, to_onnx, weights_bytes
from thyrosight.export.tensorflow import vnet2d_to_tensorflow, write_vnet2d
from thyrosight.networks.from_bundle import load_start_weights, network_from_bundle
from thyrosight.networks.unet import UNet
from thyrosight.networks.vnet2d import VNet2d


@pytest.mark.parametrize(
    "make", [lambda: UNet(pretrained=False), lambda: UNet(pretrained=False, head="pooled"), VNet2d]
)
def test_onnx_agrees_with_torch_at_other_sizes(make: object) -> None:
    torch.manual_seed(0)
    network = make().eval()  # type: ignore[operator]
    onnx_bytes = to_onnx(network, (64, 64))
    rng = np.random.default_rng(0)
    sizes = ((1, 64, 64), (3, 96, 70), (1, 50, 129))
    found = parity(network, onnx_bytes, [rng.random((batch, 1, h, w), dtype=np.float32) for batch, h, w in sizes])
    assert found.num_images == 5
    assert found.probability < 1e-4
    assert found.logit < 1e-3


def test_kernels_of_float16_are_stored_as_such_and_compute_the_same() -> None:
    torch.manual_seed(0)
    network = UNet(pretrained=False).eval()
    for module in network.modules():  # norms as after training: folded into the kernels they would leave float16
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
    image = np.random.default_rng(0).random((1, 1, 96, 70), dtype=np.float32)
    whole = to_onnx(network, (64, 64))
    round_to_half(network)
    half = to_onnx(network, (64, 64))
    num_values = sum(parameter.numel() for parameter in network.parameters())
    assert len(whole) > 4 * num_values
    assert len(half) < 2.3 * num_values
    assert parity(network, half, [image]).probability < 1e-5
    check_onnx(half)


def test_weights_that_are_not_finite_never_become_a_bundle() -> None:
    network = UNet(pretrained=False).eval()
    with torch.no_grad():
        network.mask.bias.fill_(float("nan"))
    with pytest.raises(BundleError, match="differ by nan"):
        checked_onnx(network, (64, 64))


def test_half_sized_weights_are_those_that_onnx_computes_with(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = UNet(pretrained=False).eval()
    round_to_half(network)
    from thyrosight.bundle.card import model_card
    from thyrosight.bundle.store import write_bundle
    from thyrosight.config import config_from_dict
    from thyrosight.export.export_run import run_info

    record = {"fold": None, "started_with": {"versions": {"torch": "x"}, "git_revision": "abc"}}
    info = run_info(config_from_dict({"data": {"size_hw": [64, 64]}}), network, [], record)
    assert (info.git_revision, info.versions) == ("abc", {"torch": "x"})
    assert info.training_sets == ()
    before = {"source": "busi", "num_images": 7, "sha256": "0" * 64, "split": "all rows"}
    start = {"name": "first", "sha256": "1" * 64, "training_sets": [before]}
    resumed = run_info(
        config_from_dict({}), network, [], {"fold": None, "started_with": {**record["started_with"], "bundle": start}}
    )
    assert [(part.source, part.split) for part in resumed.training_sets] == [("busi", "before, by first: all rows")]
    path = write_bundle(
        tmp_path / "bundle", info, to_onnx(network, (64, 64)), weights_bytes(network, half=True), model_card(info)
    )
    again = UNet(pretrained=False).eval()
    load_start_weights(again, NetworkConfig(), load_bundle(path))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, atol=0, rtol=0)
    with pytest.raises(ConfigError, match=r'set network\.name = "unet"'):
        load_start_weights(VNet2d(), NetworkConfig(name="vnet2d"), load_bundle(path))


def test_a_run_of_an_older_version_is_told_so(tmp_path: Path) -> None:
    record = {"config": {}, "fold": 0, "cases": []}
    (tmp_path / "config.json").write_text(json.dumps(record))
    (tmp_path / "rows.json").write_text("{}")
    with pytest.raises(InputError, match=r"its config.json has no started_with, so an older version began it"):
        export_run(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**record, "started_with": {}}))
    (tmp_path / "rows.json").unlink()
    with pytest.raises(InputError, match=r"no rows.json in it"):
        export_run(tmp_path)


def test_an_imported_vnet_is_a_whole_bundle(tmp_path: Path) -> None:
    path = write_vnet2d(vnet2d_to_tensorflow(VNet2d()), tmp_path / "bundle", (64, 64), "test")
    info = load_bundle(path).info
    assert (info.parameters, info.mask_threshold, info.preprocessing.crop) == (15_977_731, 0.8, "none")


@pytest.mark.part("ddti")
def test_the_shipped_model_agrees_with_torch_on_100_real_frames() -> None:
    if not default_bundle_path().exists():
        pytest.skip("no shipped model yet")
    from thyrosight.frames.load import load_frame
    from thyrosight.types import Box
    from thyrosight.views.letterbox import letterbox

    bundle = load_bundle()
    network = network_from_bundle(bundle)
    frames = [load_frame(path) for path in sorted((part_path("ddti") / "original").glob("*.jpg"))[:100]]
    for size_hw in ((256, 256), (224, 320)):
        images = [
            letterbox(Box(0, 0, frame.size_hw[1], frame.size_hw[0]), size_hw).image(frame.image_HW)[None, None]
            for frame in frames
        ]
        found = parity(network, bundle.onnx_bytes, images)
        assert found.num_images == 100
        assert found.probability < 1e-4, found


def test_a_bundle_of_another_question_answers_with_that_head(tmp_path: Path) -> None:
    from thyrosight.config import config_from_dict
    from thyrosight.errors import ConfigError
    from thyrosight.export.export_run import ask
    from thyrosight.networks import build_network

    tree = {
        "network": {"questions": ["reading", "breast"], "pretrained": False},
        "data": {"malignancy_sources": ["tn5000"], "question_of_source": {"busi": "breast", "ddti": "reading"}},
    }
    config = config_from_dict(tree)
    network = build_network(config.network).eval()
    image = torch.rand(1, 1, 64, 64)
    before = network(image).question_logits_BQ
    asked = ask(network, config, "breast")
    after = network(image)
    torch.testing.assert_close(after.question_logits_BQ, before[:, [2, 0, 1]])
    torch.testing.assert_close(after.class_logits_B2[:, 1], before[:, 2])
    assert asked.data.malignancy_sources == ("busi",)
    assert asked.network.questions == ("own", "reading")
    with pytest.raises(ConfigError, match="this run was taught reading, breast"):
        ask(network, config, "gland")


def test_the_risk_means_the_labels_that_it_is_calibrated_on() -> None:
    data = {"malignancy_sources": ["tn5000", "ddti"]}
    config = config_from_dict({"data": data, "run": {"validation_sources": ["tn5000", "busbra"]}})
    assert calibrated_sources(config, ["busbra", "ddti", "tn5000"]) == ["tn5000"]
    assert calibrated_sources(config_from_dict({"data": data}), ["busbra", "ddti", "tn5000"]) == ["ddti", "tn5000"]
    assert calibrated_sources(config_from_dict({}), ["mine"]) == ["mine"]

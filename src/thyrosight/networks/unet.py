"""Gray image -> nodule mask and malignancy by a pretrained EfficientNet-Lite encoder and a light U-Net decoder.

Shapes: B batch, C channels, H rows, W columns of the padded input; maps at stride s are written `_s`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thyrosight.errors import ConfigError
from thyrosight.networks.efficientnet_lite import EfficientNetLite, load_imagenet
from thyrosight.networks.output import Output
from thyrosight.tirads.descriptors import LEXICON

DECODER_CHANNELS = (128, 64, 48, 32, 16)
"""Channels after the deepest map, then at strides 16, 8, 4, 2."""
HEADS = ("map", "pooled")


class ConvBlock(nn.Sequential):
    """3 x 3 (or `kernel`) convolution, batch norm, ReLU."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
        )


class Context(nn.Module):
    """Deepest map -> map of the same size: the sum of two 1 x 1 convolutions, of the map and of its global mean."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.reduce = ConvBlock(in_channels, out_channels, 1)
        self.whole = nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, deep: Tensor) -> Tensor:
        reduced: Tensor = self.reduce(deep)
        return reduced + F.relu(self.whole(deep.mean(dim=(2, 3), keepdim=True)))


class UpBlock(nn.Module):
    """Features, a map of twice their size -> features of that size: upsample, concatenate, convolve twice."""

    def __init__(self, in_channels: int, skip_channels: int, out_channels: int) -> None:
        super().__init__()
        self.first = ConvBlock(in_channels + skip_channels, out_channels)
        self.second = ConvBlock(out_channels, out_channels)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        up = F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
        result: Tensor = self.second(self.first(torch.cat([skip, up], dim=1)))
        return result


class MalignancyHead(nn.Module):
    """Decoder map at stride 8, deepest map, mask probability -> class_logits_B2, map, features (B, n), logit_BQ.

    `map`: every pixel has a malignancy logit, the sum of a local part and a part of the whole field. The image's logit
    is the mean of the map under the predicted mask. So each nodule has its own risk, and the map explains the risk.
    `pooled`: features are pooled under the mask and globally, and a small perceptron rates them; there is no map. In
    both, the mask is detached, so that the loss of the risk does not change the outline. Several questions share all
    layers but the last; map and class logits belong to the first question.
    """

    def __init__(
        self, deep_channels: int, local_channels: int, head: str, dropout: float, num_questions: int = 1
    ) -> None:
        super().__init__()
        if head not in HEADS:
            raise ConfigError(f"unknown head {head!r}; known: {', '.join(HEADS)}")
        self.head = head
        hidden = 64
        self.dropout = nn.Dropout(dropout)
        self.num_features = hidden + deep_channels
        self.local = nn.Sequential(ConvBlock(deep_channels + local_channels, hidden, 1), ConvBlock(hidden, hidden))
        if head == "map":
            self.local_logit = nn.Conv2d(hidden, num_questions, 1)
            self.whole_logit = nn.Linear(deep_channels, num_questions)
        else:
            last = nn.Linear(hidden, num_questions)
            self.rate = nn.Sequential(nn.Linear(hidden + deep_channels, hidden), nn.ReLU(), last)

    def forward(
        self, deep: Tensor, local_8: Tensor, mask_probability_8: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        deep_8 = F.interpolate(deep, scale_factor=4.0, mode="bilinear", align_corners=False)
        features_8 = self.local(torch.cat([deep_8, local_8], dim=1))
        whole = self.dropout(deep.mean(dim=(2, 3)))
        # The small constant: in an image without a nodule the logit is the mean over the field.
        weight_8 = mask_probability_8.detach() + 1e-3
        weight_8 = weight_8 / weight_8.sum(dim=(2, 3), keepdim=True)
        under_mask = self.dropout((features_8 * weight_8).sum(dim=(2, 3)))
        features = torch.cat([under_mask, whole], dim=1)
        if self.head == "map":
            map_8 = self.local_logit(self.dropout(features_8)) + self.whole_logit(whole)[:, :, None, None]
            logit_BQ = (map_8 * weight_8).sum(dim=(2, 3))
            map_8 = map_8[:, :1]
        else:
            logit_BQ = self.rate(features)
            map_8 = torch.zeros_like(mask_probability_8) + logit_BQ[:, 0, None, None, None]
        logit_B = logit_BQ[:, 0]
        return torch.stack([torch.zeros_like(logit_B), logit_B], dim=1), map_8, features, logit_BQ


class UNet(nn.Module):
    """image_B1HW in [0, 1], any size -> Output at that size; zeros right and below pad it to a multiple of 32."""

    def __init__(
        self,
        encoder: str = "lite0",
        pretrained: bool = True,
        head: str = "map",
        dropout: float = 0.2,
        drop_path: float = 0.0,
        *,
        frozen_stages: int = 0,
        auxiliary: Sequence[str] = (),
        num_questions: int = 1,
    ) -> None:
        super().__init__()
        self.encoder = EfficientNetLite(encoder, drop_path, frozen_stages)
        skip_channels = self.encoder.channels
        self.context = Context(skip_channels[-1], DECODER_CHANNELS[0])
        self.up = nn.ModuleList(
            UpBlock(DECODER_CHANNELS[level], skip_channels[3 - level], DECODER_CHANNELS[level + 1])
            for level in range(4)
        )
        self.mask_dropout = nn.Dropout2d(dropout / 2)
        self.mask = nn.Conv2d(DECODER_CHANNELS[4], 1, 1)
        self.malignancy = MalignancyHead(skip_channels[-1], DECODER_CHANNELS[2], head, dropout, num_questions)
        self.gland = nn.Conv2d(DECODER_CHANNELS[4], 1, 1) if "gland" in auxiliary else None
        self.descriptors = (
            nn.ModuleList(nn.Linear(self.malignancy.num_features, len(terms)) for terms in LEXICON.values())
            if "descriptors" in auxiliary
            else None
        )
        self._initialise()
        if pretrained:
            load_imagenet(self.encoder, encoder)

    def _initialise(self) -> None:
        """Draws the weights of the convolutions by He's method (fan out).

        The mask probability begins at 10 % everywhere, about a nodule's share of the field.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        nn.init.normal_(self.mask.weight, std=0.01)
        assert self.mask.bias is not None
        nn.init.constant_(self.mask.bias, -2.2)

    def forward(self, image_B1HW: Tensor) -> Output:
        height, width = image_B1HW.shape[2], image_B1HW.shape[3]
        padded = F.pad(image_B1HW, (0, -width % 32, 0, -height % 32))
        maps = self.encoder(padded)
        features = self.context(maps[-1])
        local_8 = features
        for level, up in enumerate(self.up):
            features = up(features, maps[3 - level])
            if level == 1:
                local_8 = features
        logits_2 = self.mask(self.mask_dropout(features))
        logits = F.interpolate(logits_2, scale_factor=2.0, mode="bilinear", align_corners=False)
        probability_8 = F.avg_pool2d(torch.sigmoid(logits_2.float()), 4).to(local_8.dtype)
        class_logits_B2, map_8, risk_features, question_logits_BQ = self.malignancy(maps[-1], local_8, probability_8)
        malignancy_map = F.interpolate(map_8, scale_factor=8.0, mode="bilinear", align_corners=False)
        gland = None
        if self.gland is not None:
            gland = F.interpolate(self.gland(features), scale_factor=2.0, mode="bilinear", align_corners=False)
            gland = gland[:, :, :height, :width]
        descriptors = None if self.descriptors is None else tuple(head(risk_features) for head in self.descriptors)
        return Output(
            logits[:, :, :height, :width],
            class_logits_B2,
            malignancy_map[:, :, :height, :width],
            gland,
            descriptors,
            question_logits_BQ,
        )

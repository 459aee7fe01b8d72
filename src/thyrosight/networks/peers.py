"""Gray image -> nodule mask and malignancy by networks of other projects: a comparison in the same training loop.

Shapes: B batch, C channels, H rows, W columns of the input (padded inside to a multiple of 64, cropped back).
`resenc` is nnU-Net's residual encoder U-Net from its own package, dynamic-network-architectures; `monai_unet` is the
DynUNet of MONAI, a new implementation of nnU-Net's plain U-Net. Both follow nnU-Net's plan for a 2-D patch of
256 x 256: seven stages, 32 to 512 channels, instance norm, leaky ReLU, He initialisation. Three things differ: the
mask is one logit instead of two, there is no deep supervision, and a head on the deepest map rates the malignancy.
Sources: Isensee et al. 2021, Nature Methods 18, 203; Isensee et al. 2024, arXiv:2404.09556 (residual encoders).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from thyrosight.errors import MissingExtraError
from thyrosight.networks.layers import Dropout, norm_by_rows
from thyrosight.networks.output import Output

if TYPE_CHECKING:
    from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet
    from monai.networks.nets import DynUNet

NUM_STAGES = 7
"""nnU-Net halves a patch until its deepest map has 4 x 4 pixels: 256 is halved six times."""
STRIDE = 2 ** (NUM_STAGES - 1)
MAX_WIDENING = 16
"""nnU-Net's 2-D networks double their 32 channels at each stage, up to 512."""
NUM_BLOCKS = (1, 3, 4, 6, 6, 6, 6)
"""Residual blocks per stage in nnU-Net's ResEnc plans; the decoder has one convolution per stage."""


class InstanceNorm(nn.InstanceNorm2d):
    """torch's own instance norm, also for maps of 1 x 1.

    An exported graph holds the single operations of `norm_by_rows` instead; layers.GroupNorm states the reason.
    """

    def forward(self, input: Tensor) -> Tensor:
        if not torch.onnx.is_in_onnx_export():
            # Group norm with one group per channel is the same, has a faster gradient and takes any size.
            return torch.group_norm(input, self.num_features, self.weight, self.bias, self.eps)
        normal = norm_by_rows(input, self.num_features, self.eps)
        return normal * self.weight[:, None, None] + self.bias[:, None, None] if self.affine else normal


class PooledHead(nn.Module):
    """Deepest map -> class_logits_B2: global mean and maximum, C hidden values, ReLU, dropout, 2 logits.

    It is VNet2d's head with the maximum added: after instance norm the mean of every channel has the same value.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * channels, channels)
        self.dropout = Dropout(dropout)
        self.logits = nn.Linear(channels, 2)

    def forward(self, deep_BCHW: Tensor) -> Tensor:
        pooled_BC = torch.cat([deep_BCHW.mean(dim=(2, 3)), deep_BCHW.amax(dim=(2, 3))], dim=1)
        result: Tensor = self.logits(self.dropout(F.relu(self.hidden(pooled_BC))))
        return result


class Peer(nn.Module):
    """image_B1HW in [0, 1], any size -> Output; zeros right and below fill up to a multiple of 64; no malignancy map.

    `body`: padded image_B1HW -> (deepest map, mask logits at the size of the padded image).
    """

    def __init__(self, body: nn.Module, deep_channels: int, dropout: float) -> None:
        super().__init__()
        self.body = body
        self.classify = PooledHead(deep_channels, dropout)

    def forward(self, image_B1HW: Tensor) -> Output:
        height, width = image_B1HW.shape[2], image_B1HW.shape[3]
        deep, logits = self.body(F.pad(image_B1HW, (0, -width % STRIDE, 0, -height % STRIDE)))
        mask_logits_B1HW = logits[:, :, :height, :width]
        return Output(mask_logits_B1HW, self.classify(deep), torch.zeros_like(mask_logits_B1HW))


class ResencBody(nn.Module):
    """nnU-Net's residual encoder and plain decoder, with one name per weight.

    In nnU-Net's package each layer has several names, and the decoder also holds the encoder. Every repeated weight
    would be averaged (EMA) and saved several times.
    """

    def __init__(self, unet: ResidualEncoderUNet) -> None:
        super().__init__()
        self.encode, self.decode = unet.encoder, unet.decoder
        del self.decode.encoder
        # The outputs of the lower stages are for deep supervision alone.
        self.decode.seg_layers = self.decode.seg_layers[-1:]
        for module in self.modules():
            if hasattr(module, "all_modules"):
                for name in {"conv", "dropout", "norm", "nonlin"} & set(dict(module.named_children())):
                    delattr(module, name)

    def forward(self, image_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.encode(image_B1HW)
        return maps[-1], self.decode(maps)


class MonaiBody(nn.Module):
    """The blocks of MONAI's DynUNet in their order.

    DynUNet itself nests the blocks, so that its deepest map is not accessible.
    """

    def __init__(self, unet: DynUNet) -> None:
        super().__init__()
        self.encode = nn.ModuleList([unet.input_block, *unet.downsamples, unet.bottleneck])
        self.decode, self.mask = unet.upsamples, unet.output_block

    def forward(self, image_B1HW: Tensor) -> tuple[Tensor, Tensor]:
        maps = [image_B1HW]
        for block in self.encode:
            maps.append(block(maps[-1]))
        features = maps[-1]
        for block, skip in zip(self.decode, reversed(maps[1:-1]), strict=True):
            features = block(features, skip)
        return maps[-1], self.mask(features)


def stage_channels(width: int) -> list[int]:
    """Channels of the first stage -> channels of every stage: doubled, up to 16 times the first."""
    return [width * min(2**stage, MAX_WIDENING) for stage in range(NUM_STAGES)]


def resenc(width: int, dropout: float) -> Peer:
    """nnU-Net's ResEnc U-Net with `width` channels in its first stage (nnU-Net: 32); dropout only in the head."""
    try:
        from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet
    except ImportError as error:
        raise _missing("resenc", "dynamic-network-architectures") from error
    channels = stage_channels(width)
    unet = ResidualEncoderUNet(
        input_channels=1,
        n_stages=NUM_STAGES,
        features_per_stage=channels,
        conv_op=nn.Conv2d,
        kernel_sizes=3,
        strides=[1, *[2] * (NUM_STAGES - 1)],
        n_blocks_per_stage=NUM_BLOCKS,
        num_classes=1,
        n_conv_per_stage_decoder=1,
        conv_bias=True,
        norm_op=InstanceNorm,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )
    unet.apply(unet.initialize)
    return Peer(ResencBody(unet), channels[-1], dropout)


def monai_unet(width: int, dropout: float) -> Peer:
    """MONAI's DynUNet with `width` channels in its first stage (nnU-Net: 32); dropout only in the head."""
    try:
        from monai.networks.nets import DynUNet
    except ImportError as error:
        raise _missing("monai_unet", "MONAI") from error
    channels = stage_channels(width)
    strides = [1, *[2] * (NUM_STAGES - 1)]
    unet = DynUNet(
        spatial_dims=2,
        in_channels=1,
        out_channels=1,
        kernel_size=[3] * NUM_STAGES,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=channels,
    )
    body = MonaiBody(unet)
    replace_norms(body)
    return Peer(body, channels[-1], dropout)


def replace_norms(network: nn.Module) -> None:
    """Replace every nn.InstanceNorm2d by a new InstanceNorm of ours."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.InstanceNorm2d:
                setattr(module, name, InstanceNorm(child.num_features, child.eps, affine=child.affine))


def _missing(network: str, package: str) -> MissingExtraError:
    return MissingExtraError(f'{network} needs {package}, which is not installed; pip install "thyrosight[peers]"')

"""Configuration -> network. Every network takes image_B1HW in [0, 1] and returns thyrosight.types.Output."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from thyrosight.config import NetworkConfig
from thyrosight.export.tensorflow import read_tensorflow_checkpoint, vnet2d_from_tensorflow
from thyrosight.networks.peers import monai_unet, resenc
from thyrosight.networks.unet import UNet
from thyrosight.networks.vnet2d import VNet2d

if TYPE_CHECKING:
    from torch import nn

NETWORKS: dict[str, Callable[[NetworkConfig], nn.Module]] = {
    "vnet2d": lambda settings: VNet2d(dropout=settings.dropout, init=settings.init),
    "unet": lambda settings: UNet(
        encoder=settings.encoder,
        pretrained=settings.pretrained,
        head=settings.head,
        dropout=settings.dropout,
        drop_path=settings.drop_path,
        frozen_stages=settings.frozen_stages,
        auxiliary=settings.auxiliary,
    ),
    "resenc": lambda settings: resenc(settings.width, settings.dropout),
    "monai_unet": lambda settings: monai_unet(settings.width, settings.dropout),
}


def build_network(settings: NetworkConfig, *, with_pretrained: bool = True) -> nn.Module:
    """The network that the configuration names; `with_pretrained=False` where its weights are filled in afterwards."""
    return NETWORKS[settings.name](settings if with_pretrained else replace(settings, pretrained=False))


__all__ = ["NETWORKS", "UNet", "VNet2d", "build_network", "read_tensorflow_checkpoint", "vnet2d_from_tensorflow"]

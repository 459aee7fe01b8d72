"""NetworkConfig -> network. Every network takes image_B1HW in [0, 1] and returns `output.Output`.

A new network is one file in this folder and one entry of NETWORKS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import nn

from thyrosight.config import NetworkConfig
from thyrosight.errors import ConfigError
from thyrosight.networks.peers import monai_unet, resenc
from thyrosight.networks.unet import UNet
from thyrosight.networks.vnet2d import VNet2d


@dataclass(frozen=True)
class NetworkEntry:
    """All that the rest of the program has to know about one network.

    form: the settings that decide which weights the network has. auxiliary: the values that `network.auxiliary` may
    have; the heads of such a task have the task's name. memory_format: the faster one in training. question_layers:
    the layers that have one row per question, its own and `network.questions`; none where it has one question alone.
    """

    build: Callable[[NetworkConfig], nn.Module]
    form: tuple[str, ...] = ()
    auxiliary: tuple[str, ...] = ()
    memory_format: torch.memory_format = torch.contiguous_format
    question_layers: tuple[str, ...] = ()
    has_malignancy_map: Callable[[NetworkConfig], bool] = lambda settings: False


NETWORKS: dict[str, NetworkEntry] = {
    "vnet2d": NetworkEntry(lambda settings: VNet2d(dropout=settings.dropout, init=settings.init)),
    "unet": NetworkEntry(
        lambda settings: UNet(
            encoder=settings.encoder,
            pretrained=settings.pretrained,
            head=settings.head,
            dropout=settings.dropout,
            drop_path=settings.drop_path,
            frozen_stages=settings.frozen_stages,
            auxiliary=settings.auxiliary,
            num_questions=1 + len(settings.questions),
        ),
        form=("encoder", "head"),
        auxiliary=("gland", "descriptors"),
        # Depthwise convolutions are faster with channels last; the V-Net's group norm is slower.
        memory_format=torch.channels_last,
        question_layers=("malignancy.local_logit", "malignancy.whole_logit", "malignancy.rate.2"),
        has_malignancy_map=lambda settings: settings.head == "map",
    ),
    "resenc": NetworkEntry(lambda settings: resenc(settings.width, settings.dropout), form=("width",)),
    "monai_unet": NetworkEntry(lambda settings: monai_unet(settings.width, settings.dropout), form=("width",)),
}


def network_entry(name: str) -> NetworkEntry:
    """`network.name` -> its entry; ConfigError, which lists the names, where there is none."""
    if name not in NETWORKS:
        raise ConfigError(f"network.name = {name!r}; choose one of {', '.join(map(repr, NETWORKS))}")
    return NETWORKS[name]


def build_network(settings: NetworkConfig, *, with_pretrained: bool = True) -> nn.Module:
    """Settings -> the network; `with_pretrained=False` where other weights replace its own afterwards.

    Raises ConfigError where the network does not have an auxiliary task that the settings ask for.
    """
    entry = network_entry(settings.name)
    if unknown := [task for task in settings.auxiliary if task not in entry.auxiliary]:
        known = ", ".join(entry.auxiliary) or "none"
        raise ConfigError(f"network.auxiliary: {settings.name} has no task {unknown[0]!r}; known: {known}")
    if settings.questions and not entry.question_layers:
        raise ConfigError(f"network.questions: {settings.name} has one question alone; unet may have more")
    return entry.build(settings if with_pretrained else replace(settings, pretrained=False))


__all__ = ["NETWORKS", "NetworkEntry", "UNet", "VNet2d", "build_network", "network_entry"]

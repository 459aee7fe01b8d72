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
    """Everything that the rest of the program needs to know about one network.

    form: names of the settings that decide which weights the network has. auxiliary: the values that
    `network.auxiliary` may have; the heads of such a task have the task's name. memory_format: the memory format with
    which training is faster. question_layers: the layers with one row per question (the network's first question and
    `network.questions`); empty where the network can't have further questions.
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
    """`network.name` -> its entry. For an unknown name ConfigError lists the known ones."""
    if name not in NETWORKS:
        raise ConfigError(f"network.name = {name!r}; choose one of {', '.join(map(repr, NETWORKS))}")
    return NETWORKS[name]


def build_network(settings: NetworkConfig, *, with_pretrained: bool = True) -> nn.Module:
    """Settings -> the network. Pass `with_pretrained=False` where other weights replace the pretrained ones afterwards.

    Raises ConfigError where the settings ask for an auxiliary task, or for questions, that the network can't have.
    """
    entry = network_entry(settings.name)
    if unknown := [task for task in settings.auxiliary if task not in entry.auxiliary]:
        known = ", ".join(entry.auxiliary) or "none"
        raise ConfigError(f"network.auxiliary: {settings.name} has no task {unknown[0]!r}; known: {known}")
    if settings.questions and not entry.question_layers:
        raise ConfigError(f"network.questions: {settings.name} has one question alone; unet may have more")
    return entry.build(settings if with_pretrained else replace(settings, pretrained=False))


__all__ = ["NETWORKS", "NetworkEntry", "UNet", "VNet2d", "build_network", "network_entry"]

"""The table of networks: it and the configuration name the same choices; what a network lacks is refused."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

pytest.importorskip("torch")

from thyrosight.bundle.graph.graph_checks import GraphChecker
from thyrosight.config import NetworkConfig
from thyrosight.errors import ConfigError, MissingExtraError
from thyrosight.export.onnx import checked_onnx
from thyrosight.networks import NETWORKS, build_network


def test_an_unknown_network_is_told_the_names_that_there_are() -> None:
    with pytest.raises(ConfigError, match=r"network.name = 'resnet'; choose one of 'vnet2d', 'unet', 'resenc'"):
        build_network(NetworkConfig(name="resnet"))


def test_every_network_is_a_choice_of_the_configuration() -> None:
    hints = get_type_hints(NetworkConfig)
    assert NetworkConfig().name in NETWORKS
    tasks = get_args(get_args(hints["auxiliary"])[0])
    assert set(tasks) == {task for entry in NETWORKS.values() for task in entry.auxiliary}
    assert {setting for entry in NETWORKS.values() for setting in entry.form} <= hints.keys()


def test_a_task_that_the_network_has_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"network\.auxiliary: vnet2d has no task 'gland'; known: none"):
        build_network(NetworkConfig(name="vnet2d", auxiliary=("gland",)))


def test_auxiliary_heads_have_the_names_of_their_tasks() -> None:
    for name, entry in NETWORKS.items():
        for task in entry.auxiliary:
            settings = NetworkConfig(name=name, pretrained=False, auxiliary=(task,))  # type: ignore[arg-type]
            state = build_network(settings).state_dict()
            assert any(key.startswith(f"{task}.") for key in state)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_bundle_can_hold_every_network(name: str) -> None:
    """Else a training would end, after hours, with a network that no bundle takes: by its operators, or by its size."""
    try:
        network = build_network(NetworkConfig(name=name, pretrained=False, width=4))
    except MissingExtraError as error:
        pytest.skip(str(error))
    GraphChecker(checked_onnx(network, (32, 32)), (32, 32)).check(2)

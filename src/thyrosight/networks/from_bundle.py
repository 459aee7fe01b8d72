"""Bundle -> torch network with its weights, or the weights that a training run begins with."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from torch import nn

from thyrosight.bundle.records import BundleInfo
from thyrosight.bundle.store import SHIPPED, Bundle, fold_bundles, load_bundle
from thyrosight.config import NetworkConfig, config_from_dict
from thyrosight.errors import BundleError, ConfigError
from thyrosight.networks import NETWORKS, build_network, network_entry


def network_from_bundle(bundle: Bundle) -> nn.Module:
    """A bundle -> its network with its weights, in evaluation mode."""
    settings = config_from_dict({"network": bundle.info.network_settings}, where=bundle.info.name).network
    network = build_network(replace(settings, start_from=""), with_pretrained=False)
    load_start_weights(network, settings, bundle)
    return network.eval()


def start_bundle(start_from: str, fold: int | None = None) -> Bundle:
    """`network.start_from` -> the shipped bundle, the bundle at this path, or in a cross-validation the one of `fold`.

    ConfigError where the cross-validation has no finished bundle of this fold.
    """
    if start_from == SHIPPED:
        return load_bundle(SHIPPED)
    folds = fold_bundles(Path(start_from))
    if folds and fold not in folds:
        raise ConfigError(f"{start_from}: is a cross-validation; it has no finished fold {fold} to begin from")
    return load_bundle(folds[fold] if folds and fold is not None else Path(start_from))


def form_of(bundle: Bundle) -> dict[str, Any]:
    """Bundle -> the settings of `network` that a run needs to begin from its weights, `start_from` left out.

    ConfigError where no run can begin from it.
    """
    info = bundle.info
    if info.network not in NETWORKS:
        raise ConfigError(_no_start(info))
    settings = config_from_dict({"network": info.network_settings}, where=info.name).network
    return {"name": info.network} | {name: getattr(settings, name) for name in network_entry(info.network).form}


def _no_start(info: BundleInfo) -> str:
    return (
        f"network.start_from: {info.name} is a network of the kind {info.network!r}, from which no run can begin; "
        f"choose a bundle of {', '.join(NETWORKS)}"
    )


def refuse_other_form(settings: NetworkConfig, bundle: Bundle) -> None:
    """ConfigError where a network by these settings has other weights than the bundle.

    It names each setting that differs.
    """
    info = bundle.info
    if info.network not in NETWORKS:
        raise ConfigError(_no_start(info))
    wanted, found = asdict(settings), asdict(NetworkConfig()) | info.network_settings | {"name": info.network}
    names = ("name",) if settings.name != info.network else network_entry(settings.name).form
    differing = [name for name in names if _as_json(wanted[name]) != _as_json(found[name])]
    if differing:
        differences = ", ".join(f"network.{name} is {_toml(wanted[name])}" for name in differing)
        corrections = ", ".join(f"network.{name} = {_toml(found[name])}" for name in differing)
        raise ConfigError(
            f"network.start_from: the weights of {info.name} do not fit: {differences}; set {corrections}"
        )


def _as_json(value: object) -> object:
    """A setting -> its value in a bundle's JSON, where a tuple is a list."""
    return list(value) if isinstance(value, tuple) else value


def _toml(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def _rows_of_questions(settings: NetworkConfig, bundle: Bundle) -> list[int]:
    """-> for each question of the network, the row of the bundle's weights with which this question begins.

    The network's first question comes first. A question that the bundle lacks begins with row 0, the bundle's first
    question.
    """
    found = list(bundle.info.network_settings.get("questions", ()))
    return [0] + [1 + found.index(name) if name in found else 0 for name in settings.questions]


def load_start_weights(network: nn.Module, settings: NetworkConfig, bundle: Bundle) -> None:
    """Fill the network, which these settings built, with a bundle's weights.

    An auxiliary head that only the network has keeps its fresh weights; a head that only the bundle has is left out. A
    question that only the network has begins with the weights of the bundle's first question. Raises ConfigError where
    the form differs, BundleError where the weights do not fit although the form is equal.
    """
    from safetensors.torch import load

    refuse_other_form(settings, bundle)
    auxiliary = tuple(f"{task}." for task in network_entry(settings.name).auxiliary)
    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in load(bundle.weights_bytes).items()
    }
    own = network.state_dict()
    rows = _rows_of_questions(settings, bundle)
    layers = tuple(f"{layer}." for layer in network_entry(settings.name).question_layers)
    state = {name: value[rows] if name.startswith(layers) else value for name, value in state.items()}
    state = {name: value for name, value in state.items() if name in own or not name.startswith(auxiliary)}
    state |= {name: value for name, value in own.items() if name not in state and name.startswith(auxiliary)}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise BundleError(
            f"{bundle.info.name}: its weights don't fit this network: {str(error).splitlines()[1].strip()}"
        ) from None

"""Definitions that lay in ensemble.py."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from torch import nn

from thyrosight.bundle.store import Bundle, fold_bundles, load_bundle
from thyrosight.config import config_from_dict
from thyrosight.errors import BundleError, ConfigError
from thyrosight.networks import build_network


def network_of(bundle: Bundle) -> nn.Module:
    """A bundle -> its network with its weights, for torch."""
    settings = config_from_dict({"network": bundle.info.network_settings}, where=bundle.info.name).network
    network = build_network(replace(settings, start_from=""), with_pretrained=False)
    load_start_weights(network, bundle)
    return network.eval()


SHIPPED = "shipped"
"""The name that stands for the bundle inside the package."""


AUXILIARY = ("gland.", "descriptors.")
"""How the weights of heads begin that only teach: one run may have them and the next not."""


def start_bundle(start_from: str, fold: int | None = None) -> Bundle:
    """`network.start_from` -> the bundle: the shipped one by its name, of a cross-validation the fold's, or a path."""
    if start_from == SHIPPED:
        return load_bundle(None)
    folds = fold_bundles(Path(start_from))
    if folds and fold not in folds:
        raise ConfigError(f"{start_from}: is a cross-validation; it has no finished fold {fold} to begin from")
    return load_bundle(folds[fold] if folds and fold is not None else Path(start_from))


def load_start_weights(network: nn.Module, bundle: Bundle) -> None:
    """Fill the network with a bundle's weights; BundleError where they don't fit.

    Auxiliary heads are filled where both have them: the bundle's others are left out, the network's others stay fresh.
    """
    from safetensors.torch import load

    state = {
        name: value.float() if value.is_floating_point() else value
        for name, value in load(bundle.weights_bytes).items()
    }
    own = network.state_dict()
    state = {name: value for name, value in state.items() if name in own or not name.startswith(AUXILIARY)}
    state |= {name: value for name, value in own.items() if name not in state and name.startswith(AUXILIARY)}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise BundleError(
            f"{bundle.info.name}: its weights don't fit this network: {str(error).splitlines()[1].strip()}"
        ) from None

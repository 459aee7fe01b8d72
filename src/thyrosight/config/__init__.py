"""TOML, overrides -> one frozen tree of settings; the recipes that travel with the package."""

from __future__ import annotations

from thyrosight.config.load import (
    config_from_dict,
    config_to_dict,
    load_config,
    load_recipe,
    recipe_names,
)
from thyrosight.config.settings import (
    MALIGNANCY_WEIGHTS,
    MASK_WEIGHTS,
    AugmentConfig,
    Config,
    DataConfig,
    LossConfig,
    NetworkConfig,
    OptimConfig,
    RunConfig,
)

__all__ = [
    "MALIGNANCY_WEIGHTS",
    "MASK_WEIGHTS",
    "AugmentConfig",
    "Config",
    "DataConfig",
    "LossConfig",
    "NetworkConfig",
    "OptimConfig",
    "RunConfig",
    "config_from_dict",
    "config_to_dict",
    "load_config",
    "load_recipe",
    "recipe_names",
]

"""TOML file + overrides, or the name of a recipe -> Config; ConfigError names file and setting."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from thyrosight.config.checks import check_settings
from thyrosight.config.convert import settings_of
from thyrosight.config.settings import Config
from thyrosight.errors import ConfigError

RECIPES = Path(__file__).parents[1] / "recipes"
"""The configurations that travel with the package; a recipe has the name of its file."""


def recipe_names() -> dict[str, str]:
    """-> {name of each recipe of the package: the first sentence of its `about`}."""
    found = {path.stem: load_config(path).about for path in sorted(RECIPES.glob("*.toml"))}
    return {name: about.partition(". ")[0].rstrip(".") + "." for name, about in found.items()}


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Config:
    """Name of a recipe, overrides as in `load_config` -> Config.

    For an unknown name ConfigError lists the known ones.
    """
    if name not in (known := recipe_names()):
        raise ConfigError(f"no recipe {name!r}; choose one of {', '.join(known)}, or give a .toml file")
    return load_config(RECIPES / f"{name}.toml", overrides)


def load_config(path: Path, overrides: Sequence[str] = ()) -> Config:
    """TOML file, `table.key=value` overrides (value in TOML; a bare word is a string) -> Config, or ConfigError."""
    try:
        tree = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ConfigError(f"{path}: can't be read ({error.strerror}); give the path of a .toml file") from None
    except (ValueError, RecursionError) as error:  # ValueError: TOML's, UTF-8's, and numbers of too many digits
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    for override in overrides:
        _apply_override(tree, override)
    return config_from_dict(tree, where=str(path))


def config_from_dict(tree: Mapping[str, Any], where: str = "configuration") -> Config:
    """Nested dict -> Config; ConfigError where a name, a type, a choice or a range is wrong."""
    config = settings_of(Config, tree, where)
    assert isinstance(config, Config)
    check_settings(config, where)
    return config


def config_to_dict(config: Config) -> dict[str, Any]:
    """Config -> nested dict of plain values, for the run folder and the bundle."""
    return asdict(config)


def _apply_override(tree: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    keys = name.strip().split(".")
    if not separator or len(keys) > 2:
        raise ConfigError(f"--set {override}: write table.key=value, for example --set optim.epochs=20")
    try:
        value = tomllib.loads(f"value = {text.strip()}")["value"]
    except (ValueError, RecursionError):
        value = text.strip()
    node = tree
    for key in keys[:-1]:
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise ConfigError(f"--set {override}: {key} is no table of settings")
    node[keys[-1]] = value

"""Config -> ConfigError where a value is out of its range or settings contradict each other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict

from thyrosight.config.settings import MALIGNANCY_WEIGHTS, MASK_WEIGHTS, Config
from thyrosight.errors import ConfigError

SHARES = frozenset(("flip", "shadow", "blur", "calipers", "closer", "drop_path", "warmup_share", "final_lr_share"))
Check = tuple[bool, str]
"""(whether the settings pass, the fault if they do not)."""


def check_settings(config: Config, where: str) -> None:
    """Raise ConfigError where a value is out of its range, or settings contradict each other."""
    checks = (
        *(*_network_and_data_checks(config), *_loss_checks(config), *_run_checks(config)),
        *_number_checks(config),
    )
    for passed, message in checks:
        if not passed:
            raise ConfigError(f"{where}: {message}")


def _number_checks(config: Config) -> Iterator[Check]:
    """No setting is below 0 or infinite, and no share or probability is above 1."""
    for table, settings in asdict(config).items():
        if not isinstance(settings, dict):
            continue
        for name, value in settings.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield 0 <= value < math.inf, f"{table}.{name} is {value:g}; it must be 0 or more"
                yield name not in SHARES or value <= 1, f"{table}.{name} is {value:g}; it is a share, at most 1"
    yield config.run.validate_every >= 1, "run.validate_every must be at least 1"


def _network_and_data_checks(config: Config) -> Iterator[Check]:
    network, data = config.network, config.data
    yield 0 <= network.dropout < 1, "network.dropout must be in [0, 1)"
    yield network.width >= 1, "network.width must be at least 1"
    yield min(data.size_hw) >= 32, "data.size_hw must be at least 32 x 32"
    shares = [share for share, _ in data.size_steps]
    yield (
        all(0 < share < 1 and 0 < scale <= 1 for share, scale in data.size_steps) and shares == sorted(shares),
        "data.size_steps are pairs (share of the epochs, scale): shares rise, each number is above 0 and at most 1",
    )
    for source, times in data.repeat.items():
        yield (
            times > 0,
            f"data.repeat.{source} is {times:g}; it must be above 0. For a source that must teach nothing use "
            f'data.reference_sources = ["{source}"]',
        )
    yield (
        not set(data.repeat) & set(data.reference_sources),
        "data.repeat names a source of data.reference_sources, which teaches nothing; name each source in one",
    )
    yield (
        all(0 <= risk <= 1 for risk in data.risk_of_category.values()),
        "data.risk_of_category: each risk must be in [0, 1]",
    )
    yield (
        set(data.question_of_source.values()) <= set(config.network.questions),
        "data.question_of_source names a question that network.questions has not",
    )


def _loss_checks(config: Config) -> Iterator[Check]:
    loss, auxiliary = config.loss, config.network.auxiliary
    for name, value in asdict(loss).items():
        if name.endswith("_weight"):
            yield value >= 0, f"loss.{name} is {value:g}; it must not be below 0"
    yield (
        loss.teaches_mask or loss.teaches_malignancy,
        f"none of {', '.join(f'loss.{name}' for name in MASK_WEIGHTS + MALIGNANCY_WEIGHTS)} is above 0: "
        "nothing would be learned",
    )
    yield 0 <= loss.label_smoothing < 1, "loss.label_smoothing must be in [0, 1)"
    for name, weight, task in (
        ("gland_weight", loss.gland_weight, "gland"),
        ("descriptor_weight", loss.descriptor_weight, "descriptors"),
    ):
        yield weight <= 0 or task in auxiliary, f"loss.{name} needs {task!r} in network.auxiliary"


def _run_checks(config: Config) -> Iterator[Check]:
    optim, run = config.optim, config.run
    yield optim.lr > 0, "optim.lr must be positive"
    yield optim.batch_size >= 1, "optim.batch_size must be at least 1"
    yield optim.epochs >= 1, "optim.epochs must be at least 1"
    yield 0 <= optim.ema_decay < 1, "optim.ema_decay must be in [0, 1)"
    yield 0 <= run.validation_share < 0.9, "run.validation_share must be in [0, 0.9)"
    yield 0 < run.mask_threshold < 1, "run.mask_threshold must be between 0 and 1"
    yield (
        run.validation_share > 0 or (run.keep == "last" and not run.early_stopping_epochs),
        "run.keep = 'best' and early stopping need run.validation_share > 0",
    )

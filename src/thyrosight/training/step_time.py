"""Configuration, cases -> seconds of a training step, measured on a few real steps."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from thyrosight.config import Config
from thyrosight.networks import build_network
from thyrosight.training.dataset import ViewDataset, training_loader
from thyrosight.training.module import TrainingModule, loss_settings
from thyrosight.training.train import keep_freed_memory, silence_libraries, trainer_settings
from thyrosight.types import Case

NUM_WARM_UP, NUM_MEASURED = 2, 4


class StepClock(Callback):
    """Records when each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        self.ends.append(time.monotonic())


def measure_step(config: Config, cases: Sequence[Case]) -> float:
    """-> seconds per step: the median of NUM_MEASURED steps.

    NUM_WARM_UP steps before them decode the images and are not measured.
    """
    silence_libraries()
    keep_freed_memory()
    few = list(cases)[: NUM_WARM_UP * config.optim.batch_size]
    loader = training_loader(ViewDataset(few, config, augmented=True), config)
    network = build_network(config.network, with_pretrained=False)
    num_steps = NUM_WARM_UP + NUM_MEASURED
    module = TrainingModule(config, network, loss_settings(config, cases), num_steps)
    clock = StepClock()
    L.Trainer(
        **trainer_settings(config) | {"max_epochs": -1}, max_steps=num_steps, logger=False, callbacks=[clock]
    ).fit(module, loader)
    return statistics.median(later - earlier for earlier, later in zip(clock.ends[1:], clock.ends[2:], strict=False))

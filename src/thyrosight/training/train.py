"""Configuration and cases.csv -> a run folder with a bundle.

RUN/  config.json  rows.json  last.ckpt  best.ckpt  metrics.csv  tensorboard/  curves.png  previews/  bundle/
Early stopping, threshold and calibration use `validation_share` of the training groups, never the scored fold.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy

from thyrosight.bundle.training_sets import refuse_seen
from thyrosight.config import Config, load_config
from thyrosight.datasets.table import read_cases
from thyrosight.errors import ConfigError
from thyrosight.export.checkpoint import LAST_NAME, full_disk_in_one_line, read_checkpoint
from thyrosight.export.export_run import export_run
from thyrosight.export.run_folder import prepare_run, rows_record, run_record
from thyrosight.networks import build_network
from thyrosight.networks.from_bundle import load_start_weights, start_bundle
from thyrosight.networks.sync_norm import convert_sync_norm
from thyrosight.training.callbacks import training_callbacks
from thyrosight.training.dataset import EpochSampler, ViewDataset, training_loader, validation_loader
from thyrosight.training.module import TrainingModule, loss_settings
from thyrosight.training.rows import divide_rows
from thyrosight.types import Case

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""mallopt's names in glibc's malloc.h."""


def train(
    config: Config | Path | str,
    cases: Sequence[Path | str] | Path | str,
    out: Path | str,
    fold: int | None = None,
    resume: bool = False,
) -> Path:
    """Train on every row that is neither in `fold` nor in the test split -> the folder of the bundle.

    config: the settings, or the TOML file that holds them. cases: one cases.csv or several.
    With `resume` the run in `out` continues from its last finished epoch, exactly as if it had not been stopped. Raises
    InputError where `out` holds a run and `resume` is False, ConfigError where that run has other settings.
    """
    silence_libraries()
    keep_freed_memory()
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if isinstance(config, Path | str):
        config = load_config(Path(config))
    tables = [Path(path) for path in ([cases] if isinstance(cases, Path | str) else cases)]
    out = Path(out)
    rows = divide_rows([case for path in tables for case in read_cases(path)], config, fold)
    start = start_bundle(config.network.start_from, fold) if config.network.start_from else None
    if start is not None:
        taught = [case for case in rows.kept_out if case.source not in config.data.reference_sources]
        refuse_seen(start, taught, fold)

    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)
    # Before the folder is written: weights that do not fit the settings stop the run here.
    network = build_network(config.network)
    if start is not None:
        load_start_weights(network, config.network, start)
    if world > 1:
        network = convert_sync_norm(network)
    if rank == 0:
        prepare_run(out, resume, run_record(config, tables, out, fold, start), rows_record(*rows))

    loader = training_loader(ViewDataset(rows.fit, config, augmented=True), config, rank, world)
    validation = None
    if rows.validation:
        validation = validation_loader(ViewDataset(rows.validation, config, augmented=False), config)
    # The last batch is filled up, so every epoch has the same number of steps.
    num_steps = len(loader) * config.optim.epochs
    module = TrainingModule(config, network, loss_settings(config, rows.fit), num_steps)
    trainer = make_trainer(config, out, world, rows.validation)
    last = out / LAST_NAME if resume and (out / LAST_NAME).exists() else None
    if last is not None:
        # Lightning fetches the first batch before it tells the sampler which epoch it is in.
        next_epoch = read_checkpoint(last)["next_epoch"]
        cast(EpochSampler, loader.sampler).set_epoch(next_epoch)
    with full_disk_in_one_line(out):
        trainer.fit(module, loader, validation, ckpt_path=last, weights_only=True)
    return export_run(out) if rank == 0 else out / "bundle"


def silence_libraries() -> None:
    """Hide the tips, device lists and internal notices of Lightning and torch; errors are still shown."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*")


def keep_freed_memory() -> None:
    """Ask glibc to keep large freed blocks instead of returning them: a training step on a CPU is a third shorter.

    By default every activation above 32 MB is mapped, zeroed and unmapped anew. Without glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def make_trainer(config: Config, out: Path, world: int, validation_rows: Sequence[Case]) -> L.Trainer:
    """Lightning's trainer of this run: accelerator, precision, logger, callbacks, one process or several."""
    accelerator = choose_accelerator(config)
    strategy: Any = "auto"
    if world > 1:
        has_idle_task = min(config.loss.mask_weight, config.loss.malignancy_weight) == 0
        strategy = DDPStrategy(
            process_group_backend="gloo" if accelerator == "cpu" else None, find_unused_parameters=has_idle_task
        )
    return L.Trainer(
        accelerator=accelerator,
        devices=world if world > 1 else 1,
        strategy=strategy,
        precision=cast(Any, choose_precision(config, accelerator)),
        max_epochs=config.optim.epochs,
        max_time=timedelta(minutes=config.run.max_minutes) if config.run.max_minutes else None,
        gradient_clip_val=config.optim.clip_norm or None,
        logger=TensorBoardLogger(out, name="", version="tensorboard"),
        callbacks=training_callbacks(config, out, validation_rows),
        check_val_every_n_epoch=config.run.validate_every,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=10,
    )


def choose_accelerator(config: Config) -> str:
    """The configured accelerator; `auto` is a CUDA GPU where there is one, else the CPU."""
    if config.run.accelerator != "auto":
        return config.run.accelerator
    return "gpu" if torch.cuda.is_available() else "cpu"


def choose_precision(config: Config, accelerator: str) -> str:
    """Lightning's name of the precision; `auto` is bfloat16 only where the hardware multiplies it."""
    named = {"32": "32-true", "bf16": "bf16-mixed", "16": "16-mixed"}
    if config.run.precision != "auto":
        if config.run.precision == "16" and accelerator == "cpu":
            raise ConfigError("run.precision = '16' needs a GPU; choose 'bf16' or '32'")
        return named[config.run.precision]
    if accelerator == "gpu":
        return named["bf16" if torch.cuda.is_bf16_supported() else "16"]
    return named["bf16" if has_fast_bf16() else "32"]


def has_fast_bf16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware (AVX-512 BF16 or AMX); False where torch can't tell."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(check() for check in (getattr(torch.cpu, name, None) for name in checks) if check is not None)

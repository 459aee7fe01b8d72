"""Configuration and cases.csv -> a run folder with a bundle.

RUN/  config.json  rows.json  last.ckpt  best.ckpt  metrics.csv  tensorboard/  curves.png  previews/  bundle/
Early stopping, threshold and calibration use `validation_share` of the training groups, never the scored fold.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from thyrosight.bundle.store import Bundle
from thyrosight.bundle.training_sets import refuse_seen
from thyrosight.config import Config, load_config
from thyrosight.datasets.pictures.seen_rows import refuse_start
from thyrosight.datasets.table import read_cases
from thyrosight.errors import ConfigError
from thyrosight.export.checkpoint import LAST_NAME, full_disk_in_one_line, read_checkpoint
from thyrosight.export.export_run import export_run
from thyrosight.export.run_folder import keep_start_images, prepare_run, rows_record, run_record
from thyrosight.export.set_audit import check_set
from thyrosight.networks import build_network
from thyrosight.networks.from_bundle import load_start_weights, start_bundle
from thyrosight.networks.sync_norm import convert_sync_norm
from thyrosight.training.callbacks import Checkpoints, tell_on_stderr, training_callbacks
from thyrosight.training.dataset import EpochSampler, ViewDataset, training_loader, validation_loader
from thyrosight.training.module import TrainingModule, loss_settings
from thyrosight.training.rows import RunRows, divide_rows
from thyrosight.training.speech import Tell, header, kept_in_words, num_labelled, score_before, stopped_in_words
from thyrosight.types import Case

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Option numbers of mallopt, from glibc's malloc.h."""


def train(
    config: Config | Path | str,
    cases: Sequence[Path | str] | Path | str,
    out: Path | str,
    fold: int | None = None,
    resume: bool = False,
    *,
    tell: Tell = tell_on_stderr,
    keep_stopped: bool = True,
    even_if_invalid: bool = False,
) -> Path:
    """Train on every row that is neither in `fold` nor in the test split -> the folder of the bundle.

    config: the settings, or the TOML file that holds them. cases: one cases.csv or several.
    With `resume` the run in `out` continues from its last finished epoch, exactly as if it had not been stopped. Raises
    InputError where `out` holds a run and `resume` is False. Also raises InputError where the audit calls the set
    invalid; with even_if_invalid the run goes on, and the model card states the faults. ConfigError where the run in
    `out` has other settings. tell is called with each line for people. keep_stopped: a run that Ctrl-C stops becomes a
    bundle of its last epoch. Without keep_stopped, or without a whole epoch, it raises KeyboardInterrupt.
    """
    silence_libraries()
    keep_freed_memory()
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if isinstance(config, Path | str):
        config = load_config(Path(config))
    tables = [Path(path) for path in ([cases] if isinstance(cases, Path | str) else cases)]
    out = Path(out)
    rows = divide_rows([case for path in tables for case in read_cases(path)], config, fold)
    network, start = _first_network(config, rows, fold, world)  # first: weights that don't fit leave no folder
    if rank == 0:
        if resume or not (out / "config.json").exists():
            check_set(tables, out, config.data.reference_sources, even_if_invalid)
        prepare_run(out, resume, run_record(config, tables, out, fold, start), rows_record(*rows))
        keep_start_images(out, start)

    loader = training_loader(ViewDataset(rows.fit, config, augmented=True), config, rank, world)
    validation = None
    if rows.validation:
        validation = validation_loader(ViewDataset(rows.validation, config, augmented=False), config)
    # The last batch is filled up, so every epoch has the same number of steps.
    num_steps = len(loader) * config.optim.epochs
    module = TrainingModule(config, network, loss_settings(config, rows.fit), num_steps)
    say = tell if rank == 0 else lambda line: None
    trainer = make_trainer(config, out, world, rows.validation, say)
    last = out / LAST_NAME if resume and (out / LAST_NAME).exists() else None
    hardware = f"{trainer_settings(config)['accelerator']}, {trainer.precision}, {torch.get_num_threads()} thread(s)"
    for line in header(rows, config, fold, start.info.name if start else "", hardware, len(loader)):
        say(line)
    if last is not None:
        say(f"  goes on with epoch {_set_epoch(cast(EpochSampler, loader.sampler), last)}")
    elif start is not None and validation is not None and world == 1:
        with _ctrl_c_stays_itself():
            trainer.validate(module, validation, verbose=False)
        say(score_before(trainer.callback_metrics, num_labelled(rows.validation, config)))
    with full_disk_in_one_line(out), _ctrl_c_stays_itself():
        trainer.fit(module, loader, validation, ckpt_path=last, weights_only=True)
    say(_outcome(trainer, module, config, out, keep_stopped))
    if module.interrupted and not (keep_stopped and (out / LAST_NAME).exists()):
        raise KeyboardInterrupt
    return export_run(out) if rank == 0 else out / "bundle"


def _first_network(config: Config, rows: RunRows, fold: int | None, world: int) -> tuple[nn.Module, Bundle | None]:
    """-> (the network with its first weights, the bundle of these weights).

    ConfigError where weights do not fit the settings, or where the bundle has learned from rows that are kept out.
    """
    start = start_bundle(config.network.start_from, fold) if config.network.start_from else None
    if start is not None:
        taught = [case for case in rows.kept_out if case.source not in config.data.reference_sources]
        refuse_seen(start, taught, fold)
        refuse_start(start, taught)
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)
    network = build_network(config.network)
    if start is not None:
        load_start_weights(network, config.network, start)
    return convert_sync_norm(network) if world > 1 else network, start


def _set_epoch(sampler: EpochSampler, last: Path) -> int:
    """Last checkpoint -> the number of the next epoch, counted from 1; the sampler is set to this epoch.

    This is needed because Lightning fetches the first batch before it sets the sampler's epoch.
    """
    next_epoch = int(read_checkpoint(last)["next_epoch"])
    sampler.set_epoch(next_epoch)
    return next_epoch + 1


@contextmanager
def _ctrl_c_stays_itself() -> Iterator[None]:
    """Within the block Ctrl-C raises KeyboardInterrupt.

    Lightning turns Ctrl-C into SystemExit with code 1 and without a message, and ignores further ones; this undoes
    both.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
        raise KeyboardInterrupt from None


def _outcome(trainer: L.Trainer, module: TrainingModule, config: Config, out: Path, keep_stopped: bool) -> str:
    """-> the last line: what the run keeps and, where it was stopped, how to go on."""
    if module.interrupted:
        kept = read_checkpoint(out / LAST_NAME)["next_epoch"] if (out / LAST_NAME).exists() else 0
        return stopped_in_words(kept, keep_stopped)
    saved = next(callback for callback in trainer.callbacks if isinstance(callback, Checkpoints))  # type: ignore[attr-defined]
    return kept_in_words(config, trainer.current_epoch, saved.best_epoch, saved.best_score)


def silence_libraries() -> None:
    """Hide the tips, device lists and internal notices of Lightning and torch; errors are still shown."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*")


def keep_freed_memory() -> None:
    """Asks glibc to keep large freed blocks instead of returning them: it saves a third of a training step on a CPU.

    By default every activation above 32 MB is mapped, zeroed and unmapped anew. Without glibc nothing happens.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def make_trainer(config: Config, out: Path, world: int, validation_rows: Sequence[Case], tell: Tell) -> L.Trainer:
    """-> Lightning's trainer of this run, with its settings, logger, callbacks and limit of time."""
    return L.Trainer(
        **trainer_settings(config, world),
        max_time=timedelta(minutes=config.run.max_minutes) if config.run.max_minutes else None,
        logger=TensorBoardLogger(out, name="", version="tensorboard"),
        callbacks=training_callbacks(config, out, validation_rows, tell),
    )


def trainer_settings(config: Config, world: int = 1) -> dict[str, Any]:
    """-> the arguments of Lightning's trainer that decide what a step computes: hardware, precision, processes."""
    accelerator = choose_accelerator(config)
    strategy: Any = "auto"
    if world > 1:
        # A head without a row in one process's batch has no gradient there.
        has_idle_task = min(config.loss.mask_weight, config.loss.malignancy_weight) == 0
        has_idle_task |= max(config.loss.gland_weight, config.loss.descriptor_weight) > 0
        strategy = DDPStrategy(
            process_group_backend="gloo" if accelerator == "cpu" else None, find_unused_parameters=has_idle_task
        )
    return {
        "accelerator": accelerator,
        "devices": world if world > 1 else 1,
        "strategy": strategy,
        "precision": choose_precision(config, accelerator),
        "max_epochs": config.optim.epochs,
        "gradient_clip_val": config.optim.clip_norm or None,
        "check_val_every_n_epoch": config.run.validate_every,
        "enable_checkpointing": False,
        "enable_model_summary": False,
        "enable_progress_bar": False,
        "num_sanity_val_steps": 0,
        "use_distributed_sampler": False,
        "log_every_n_steps": 10,
    }


def choose_accelerator(config: Config) -> str:
    """The configured accelerator; `auto` is a CUDA GPU where there is one, else the CPU."""
    if config.run.accelerator != "auto":
        return config.run.accelerator
    return "gpu" if torch.cuda.is_available() else "cpu"


def choose_precision(config: Config, accelerator: str) -> str:
    """-> the precision, by Lightning's name. ConfigError for float16 on a CPU.

    `auto` is bfloat16 where the hardware multiplies bfloat16; elsewhere float16 on a GPU and float32 on a CPU.
    """
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

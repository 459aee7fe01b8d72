"""Configuration and cases.csv -> a run folder with a bundle: the LightningModule and the run, top to bottom.

RUN/  config.json  rows.json  last.ckpt  best.ckpt  metrics.csv  tensorboard/  curves.png  previews/  bundle/
Early stopping, threshold and calibration see `validation_share` of the training groups, never the scored fold.
"""

from __future__ import annotations

import copy
import ctypes
import json
import logging
import math
import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn
from torch.utils.data import DataLoader

from thyrosight.bundle import Bundle
from thyrosight.callbacks import training_callbacks
from thyrosight.cases.table import read_cases
from thyrosight.config import Config, config_from_dict, config_to_dict
from thyrosight.data import EpochSampler, ViewDataset, choose_rows, split_validation, training_loader, validation_loader
from thyrosight.errors import ConfigError, InputError
from thyrosight.export import export_run, read_run
from thyrosight.files import write_atomic
from thyrosight.losses import LossParts, LossSettings, multitask_loss, teaching_rows
from thyrosight.model import build_network
from thyrosight.model.sync_norm import convert_sync_norm
from thyrosight.provenance import git_revision, library_versions, processor
from thyrosight.ranking import auroc
from thyrosight.start import load_start_weights, refuse_seen, start_bundle, start_record
from thyrosight.types import Batch, Case, Output

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""mallopt's names in glibc's malloc.h."""


class TrainingModule(L.LightningModule):
    """A network with its loss, optimiser, schedule and moving average; the average is what is validated and shipped."""

    def __init__(self, config: Config, network: nn.Module, loss: LossSettings, num_steps: int) -> None:
        super().__init__()
        self.config = config
        # The U-Net's depthwise convolutions like their channels last; the V-Net's group norm is slower that way.
        self.layout = torch.channels_last if config.network.name == "unet" else torch.contiguous_format
        self.network = network.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.ema = copy.deepcopy(self.network).requires_grad_(False).eval() if config.optim.ema_decay > 0 else None
        self.loss = loss
        self.num_steps = num_steps
        self.seen: list[dict[str, Tensor]] = []

    @property
    def shipped(self) -> nn.Module:
        return self.network if self.ema is None else cast(nn.Module, self.ema)

    def forward(self, image_B1HW: Tensor) -> Output:
        return cast(Output, self.shipped(image_B1HW.contiguous(memory_format=self.layout)))

    def on_train_epoch_start(self) -> None:
        cast(EpochSampler, cast(DataLoader[Any], self.trainer.train_dataloader).sampler).set_epoch(self.current_epoch)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout follows from (seed, step, process) alone: a resumed run drops what the uninterrupted one did.
        rng = np.random.default_rng([self.config.run.seed, self.global_step, self.global_rank])
        torch.manual_seed(int(rng.integers(2**62)))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output: Output = self.network(batch.image_B1HW.contiguous(memory_format=self.layout))
        parts = multitask_loss(output, batch, self.loss)
        total = parts.total if self.trainer.world_size == 1 else self._shared_total(parts, batch)
        values = {"train_loss": total, "train_mask_loss": parts.mask, "train_malignancy_loss": parts.malignancy}
        if self.loss.gland_weight > 0:
            values["train_gland_loss"] = parts.gland
        if self.loss.descriptor_weight > 0:
            values["train_descriptor_loss"] = parts.descriptors
        if self.loss.presence_weight > 0:
            values["train_presence_loss"] = parts.presence
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(batch.image_B1HW), sync_dist=True)
        self.log("loss", total.detach(), prog_bar=True, logger=False)
        return total

    def _shared_total(self, parts: LossParts, batch: Batch) -> Tensor:
        """This process's share of the loss of the global batch, so that averaged gradients equal those of one process.

        Every part is a mean over rows that take part in it; processes hold different numbers of those.
        """
        own = teaching_rows(batch)
        everywhere = own.clone()
        torch.distributed.all_reduce(everywhere)
        share = self.trainer.world_size * own / everywhere.clamp(min=1)
        weights = torch.tensor(self.loss.weights, device=share.device)
        return torch.stack(parts[1:]) @ (share * weights)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        there = {name: value.to(device, non_blocking=True) for name, value in vars(batch).items() if value is not None}
        return Batch(**there)

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        """After each step: move the average. Its decay rises with the steps, so that it forgets the beginning."""
        if self.ema is None or self.global_step == 0:
            return
        decay = min(self.config.optim.ema_decay, (1 + self.global_step) / (10 + self.global_step))
        pairs = list(zip(self.ema.state_dict().values(), self.network.state_dict().values(), strict=True))
        floats = [pair for pair in pairs if pair[0].dtype.is_floating_point]
        with torch.no_grad():
            # All at once: one call for each of some 500 tensors takes longer than the arithmetic.
            torch._foreach_lerp_([one for one, _ in floats], [other for _, other in floats], 1 - decay)
            for one, other in pairs:
                if not one.dtype.is_floating_point:
                    one.copy_(other)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Lightning refuses to clip for a fused optimiser, which matters only where gradients are scaled (float16)."""
        if gradient_clip_val:
            nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        output = self(batch.image_B1HW)
        probability = torch.sigmoid(output.mask_logits_B1HW.float())
        mask = (probability > self.config.run.mask_threshold) & batch.valid_B1HW
        reference = batch.mask_B1HW > 0.5
        shared = (mask & reference).sum(dim=(1, 2, 3))
        both = mask.sum(dim=(1, 2, 3)) + reference.sum(dim=(1, 2, 3))
        logits = output.class_logits_B2.float()
        self.seen.append(
            {
                "dice": torch.where(
                    both > 0, 2 * shared / both.clamp(min=1), torch.ones_like(shared, dtype=torch.float32)
                ),
                "has_mask": batch.has_mask_B,
                "logit": logits[:, 1] - logits[:, 0],
                "malignancy": batch.malignancy_B,
            }
        )

    def on_validation_epoch_end(self) -> None:
        rows = {key: torch.cat([part[key] for part in self.seen]).cpu().numpy() for key in self.seen[0]}
        self.seen.clear()
        dice = float(rows["dice"][rows["has_mask"]].mean()) if rows["has_mask"].any() else math.nan
        labelled = rows["malignancy"] >= 0
        area = auroc(rows["malignancy"][labelled], rows["logit"][labelled]) if labelled.any() else None
        risk_auroc = math.nan if area is None else float(area)
        score = dice if self.loss.mask_weight > 0 and not math.isnan(dice) else risk_auroc
        self.log_dict({"val_dice": dice, "val_auroc": risk_auroc, "val_score": score}, prog_bar=True, sync_dist=False)

    def configure_optimizers(self) -> Any:
        settings = self.config.optim
        groups = parameter_groups(self.network, settings.lr, settings.encoder_lr_share, settings.weight_decay)
        kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
        # Fused steps take a quarter of the time on a CPU; float16's scaled gradients could not be clipped before them.
        is_fused = self.trainer.precision != "16-mixed"
        optimizer = kind(groups, lr=settings.lr, eps=settings.eps, fused=is_fused)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._lr_share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _lr_share(self, step: int) -> float:
        """Warm-up from a hundredth, then half a cosine to final_lr_share (Loshchilov & Hutter 2017); or constant."""
        settings = self.config.optim
        warmup = settings.warmup_share * self.num_steps
        if settings.schedule == "constant":
            return 1.0
        if step < warmup:
            return 0.01 + 0.99 * step / warmup
        progress = min(1.0, (step - warmup) / max(1.0, self.num_steps - warmup))
        return settings.final_lr_share + (1 - settings.final_lr_share) * 0.5 * (1 + math.cos(math.pi * progress))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["next_epoch"] = self.current_epoch + 1


def parameter_groups(
    network: nn.Module, lr: float, encoder_lr_share: float, weight_decay: float
) -> list[dict[str, Any]]:
    """Weights decay, biases and norms don't; the encoder may learn more slowly than what was not pretrained."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        groups.setdefault((name.startswith("encoder."), parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": lr * (encoder_lr_share if is_encoder else 1.0),
            "weight_decay": weight_decay if has_decay else 0.0,
        }
        for (is_encoder, has_decay), parameters in groups.items()
    ]


def train(config: Config, cases: Sequence[Path], out: Path, fold: int | None = None, resume: bool = False) -> Path:
    """Train on every row that is neither in `fold` nor test; returns the folder of the bundle.

    With `resume` the run in `out` goes on from its last finished epoch exactly as if it had not been stopped. Raises
    InputError where `out` holds a run and resume is not asked for, ConfigError where the run there was another one.
    """
    quieten()
    keep_freed_memory()
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    out = Path(out)
    rows = [case for path in cases for case in read_cases(path)]
    training, kept_out = choose_rows(rows, fold)
    learnt = [case for case in training if config.data.repeat.get(case.source, 1.0) > 0]
    shown = [case for case in training if config.data.repeat.get(case.source, 1.0) <= 0]
    fit_rows, validation_rows = split_validation(
        learnt, config.run.validation_share, config.run.seed, config.run.validation_sources
    )
    if not fit_rows:
        raise InputError("no training rows: every row is in the scored fold, the test split or the validation share")
    start = start_bundle(config.network.start_from, fold) if config.network.start_from else None
    if start is not None:
        refuse_seen(start, [case for case in kept_out if config.data.repeat.get(case.source, 1.0) > 0], fold)
    if rank == 0:
        _prepare_run(
            out,
            resume,
            run_record(config, cases, out, fold, start),
            {"fit": fit_rows, "validation": validation_rows, "shown": shown, "kept_out": kept_out},
        )
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    torch.manual_seed(config.run.seed)

    fit_set = ViewDataset(fit_rows, config, augmented=True)
    network = build_network(config.network)
    if start is not None:
        load_start_weights(network, start)
    if world > 1:
        network = convert_sync_norm(network)
    loader = training_loader(fit_set, config, rank, world)
    # A batch of tail samples is filled up, so every epoch has the same number of steps.
    num_steps = len(loader) * config.optim.epochs
    module = TrainingModule(config, network, loss_settings(config, fit_rows), num_steps)
    trainer = make_trainer(config, out, world, validation_rows)
    validation = None
    if validation_rows:
        validation = validation_loader(ViewDataset(validation_rows, config, augmented=False), config)
    last = out / "last.ckpt" if resume and (out / "last.ckpt").exists() else None
    if last is not None:
        # Lightning fetches the first batch before it tells the sampler which epoch it is in.
        next_epoch = torch.load(last, map_location="cpu", weights_only=True)["next_epoch"]
        cast(EpochSampler, loader.sampler).set_epoch(next_epoch)
    trainer.fit(module, loader, validation, ckpt_path=last, weights_only=True)
    if rank != 0:
        return out / "bundle"
    return export_run(out)


def quieten() -> None:
    """Lightning's tips, device lists and notices about its own insides are not for our users; its errors are."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module=r"lightning\..*")
    warnings.filterwarnings("ignore", message=r".*LeafSpec.*")


def keep_freed_memory() -> None:
    """Ask glibc to keep large blocks that were freed instead of giving them back: a step on a CPU is a third shorter.

    By default every activation above 32 MB is mapped, zeroed and unmapped anew. A hint: nothing happens elsewhere.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, 2**30)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def loss_settings(config: Config, rows: Sequence[Case]) -> LossSettings:
    """The losses' own settings; class weights are counted on the training rows where they are asked for."""
    values = asdict(config.loss)
    weights: tuple[float, float] | None = None
    if values.pop("balance_classes"):
        counts = [sum(case.malignancy == label for case in rows) for label in (0, 1)]
        if min(counts) == 0:
            raise ConfigError(f"loss.balance_classes: the training rows hold {counts} cases of low and high risk")
        weights = (sum(counts) / (2 * counts[0]), sum(counts) / (2 * counts[1]))
    return LossSettings(**values, class_weights=weights)


def make_trainer(config: Config, out: Path, world: int, validation_rows: Sequence[Case]) -> L.Trainer:
    """Lightning's trainer for this run: accelerator, precision, loggers, callbacks, one or several processes."""
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
    """The configured one; `auto` takes a CUDA GPU where there is one."""
    if config.run.accelerator != "auto":
        return config.run.accelerator
    return "gpu" if torch.cuda.is_available() else "cpu"


def choose_precision(config: Config, accelerator: str) -> str:
    """Lightning's name for the precision; `auto` takes bfloat16 only where the hardware multiplies it."""
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


def run_record(
    config: Config, cases: Sequence[Path], out: Path, fold: int | None, start: Bundle | None = None
) -> dict[str, Any]:
    """What config.json holds; the paths of the tables are relative to the run."""
    tables = [Path(os.path.relpath(path, out)).as_posix() for path in cases]
    started_with = {
        "git_revision": git_revision(),
        "versions": library_versions(),
        "processor": processor(),
        "bundle": start and start_record(start),
    }
    return {"config": config_to_dict(config), "fold": fold, "cases": tables, "started_with": started_with}


def _prepare_run(out: Path, resume: bool, record: dict[str, Any], rows: dict[str, list[Case]]) -> None:
    """Write config.json and rows.json, or hold them against those of the run that goes on."""
    split = {name: [f"{case.source}/{case.case_id}" for case in part] for name, part in rows.items()}
    if (out / "config.json").exists():
        if not resume:
            raise InputError(f"{out}: holds a run already; pass --resume to go on with it, or choose another folder")
        refuse_other_settings(out, record)
        if json.loads((out / "rows.json").read_text(encoding="utf-8")) != split:
            raise ConfigError(f"{out}: was started with other cases or another split; resume with the same cases.csv")
        return
    out.mkdir(parents=True, exist_ok=True)
    write_atomic(out / "rows.json", json.dumps(split, indent=1))
    write_atomic(out / "config.json", json.dumps(record, indent=1))


def refuse_other_settings(run: Path, record: dict[str, Any]) -> None:
    """ConfigError that names the settings in which the run there differs from `record`."""
    before = read_run(run)
    # A setting that was not yet there then had its default's effect.
    before["config"] = config_to_dict(config_from_dict(before["config"], where=str(run / "config.json")))
    difference = _difference(before, record)
    if difference:
        raise ConfigError(f"{run}: was started with other settings ({difference}); resume with the same")


def _difference(before: dict[str, Any], now: dict[str, Any], prefix: str = "") -> str:
    """The settings that differ, as dotted names; newer code may go on with a run, and its description may change."""
    found = []
    before, now = json.loads(json.dumps(before)), json.loads(json.dumps(now))
    for key in sorted((set(before) | set(now)) - {"started_with", "about"}):
        one, other = before.get(key), now.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            inner = _difference(one, other, f"{prefix}{key}.")
            found += [inner] if inner else []
        elif one != other:
            found.append(f"{prefix}{key}: {one!r} then, {other!r} now")
    return "; ".join(found)

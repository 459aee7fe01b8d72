"""Network, losses and configuration -> a LightningModule: training step, moving average, validation, optimiser."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from thyrosight.config import Config
from thyrosight.errors import ConfigError
from thyrosight.evaluation.metrics.ranking import auroc
from thyrosight.networks import network_entry
from thyrosight.networks.output import Output
from thyrosight.training.batch import Batch
from thyrosight.training.dataset import EpochSampler
from thyrosight.training.losses import (
    MAIN_PARTS,
    LossSettings,
    multitask_loss,
    part_column,
    part_weights,
    shared_loss,
)
from thyrosight.types import Case


class TrainingModule(L.LightningModule):
    """A network in training, with its losses, its optimiser and its moving average.

    If there is a moving average of the weights, this average is validated and becomes the bundle.
    """

    def __init__(self, config: Config, network: nn.Module, loss: LossSettings, num_steps: int) -> None:
        super().__init__()
        self.config = config
        self.memory_format = network_entry(config.network.name).memory_format
        self.network = network.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.ema = copy.deepcopy(self.network).requires_grad_(False).eval() if config.optim.ema_decay > 0 else None
        self.loss = loss
        self.num_steps = num_steps
        self.seen: list[dict[str, Tensor]] = []
        self.interrupted = False
        """Whether Ctrl-C has stopped the run within an epoch."""

    @property
    def kept_network(self) -> nn.Module:
        """The network that is validated and becomes the bundle."""
        return self.network if self.ema is None else cast(nn.Module, self.ema)

    def forward(self, image_B1HW: Tensor) -> Output:
        return cast(Output, self.kept_network(image_B1HW.contiguous(memory_format=self.memory_format)))

    def on_train_epoch_start(self) -> None:
        cast(EpochSampler, cast(DataLoader[Any], self.trainer.train_dataloader).sampler).set_epoch(self.current_epoch)

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        # Dropout depends on (seed, step, process) alone: a resumed run drops the same values as an uninterrupted one.
        rng = np.random.default_rng([self.config.run.seed, self.global_step, self.global_rank])
        torch.manual_seed(int(rng.integers(2**62)))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        output: Output = self.network(batch.image_B1HW.contiguous(memory_format=self.memory_format))
        loss = shared_loss(multitask_loss(output, batch, self.loss), batch, self.loss)
        total = loss.total
        values = {"train_loss": total}
        for name, weight in part_weights(self.loss).items():
            if weight > 0 or name in MAIN_PARTS:
                values[part_column(name)] = loss.parts[name]
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(batch.image_B1HW), sync_dist=True)
        self.log("loss", total.detach(), prog_bar=True, logger=False)
        return total

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        there = {name: value.to(device, non_blocking=True) for name, value in vars(batch).items() if value is not None}
        return Batch(**there)

    def on_before_zero_grad(self, optimizer: torch.optim.Optimizer) -> None:
        """Adds the weights of the last finished step to the moving average.

        The decay rises with the steps, so that the average forgets the first weights. Lightning calls this within the
        next step, before its backward pass.
        """
        if self.ema is None or self.global_step == 0:
            return
        decay = min(self.config.optim.ema_decay, (1 + self.global_step) / (10 + self.global_step))
        pairs = list(zip(self.ema.state_dict().values(), self.network.state_dict().values(), strict=True))
        floats = [pair for pair in pairs if pair[0].dtype.is_floating_point]
        with torch.no_grad():
            # In one call: a call per tensor (about 500) takes longer than the arithmetic.
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
        """Clips the gradient.

        Lightning refuses to clip with a fused optimiser, because gradients may be scaled. This is so only in float16,
        so it is done here.
        """
        if gradient_clip_val:
            nn.utils.clip_grad_norm_(self.network.parameters(), gradient_clip_val)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        output = self(batch.image_B1HW)
        probability = torch.sigmoid(output.mask_logits_B1HW.float())
        mask = (probability > self.config.run.mask_threshold) & batch.valid_B1HW
        reference = batch.mask_B1HW > 0.5
        loss = multitask_loss(output, batch, self.loss).total
        shared = (mask & reference).sum(dim=(1, 2, 3))
        both = mask.sum(dim=(1, 2, 3)) + reference.sum(dim=(1, 2, 3))
        logits = output.class_logits_B2.float()
        self.seen.append(
            {
                "loss": loss.detach().expand(len(logits)),
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
        score = dice if self.loss.teaches_mask and not math.isnan(dice) else risk_auroc
        loss = float(rows["loss"].mean())
        values = {"val_loss": loss, "val_dice": dice, "val_auroc": risk_auroc, "val_score": score}
        self.log_dict(values, prog_bar=True, sync_dist=False)

    def configure_optimizers(self) -> Any:
        settings = self.config.optim
        groups = parameter_groups(self.network, settings.lr, settings.encoder_lr_share, settings.weight_decay)
        kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
        # A fused step takes a quarter of the time on a CPU. Not with float16: there the fused step itself removes the
        # scale of the gradients, and they must be clipped before it.
        is_fused = self.trainer.precision != "16-mixed"
        optimizer = kind(groups, lr=settings.lr, eps=settings.eps, fused=is_fused)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._lr_share)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _lr_share(self, step: int) -> float:
        """Step -> factor of lr: a linear rise from 0.01 to 1, then half a cosine down to final_lr_share.

        Source: Loshchilov & Hutter 2017. With the schedule "constant" it is always 1.
        """
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
    """Network -> groups of parameters for the optimiser: weights decay, biases and norms don't.

    The encoder has its own lr.
    """
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


def loss_settings(config: Config, rows: Sequence[Case]) -> LossSettings:
    """The configured losses; with loss.balance_classes, weights of the classes by their counts in the training rows.

    ConfigError where the training rows lack one of the classes.
    """
    weights: tuple[float, float] | None = None
    if config.loss.balance_classes:
        counts = [sum(case.malignancy == label for case in rows) for label in (0, 1)]
        if min(counts) == 0:
            raise ConfigError(f"loss.balance_classes: the training rows hold {counts} cases of low and high risk")
        weights = (sum(counts) / (2 * counts[0]), sum(counts) / (2 * counts[1]))
    return LossSettings(**asdict(config.loss), class_weights=weights)

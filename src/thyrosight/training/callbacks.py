"""Callbacks of a training run: checkpoints, metrics.csv, curves, previews, progress, and when to stop.

Legend: B batch, `_HW` arrays in the network's input size.
"""

from __future__ import annotations

import csv
import io
import math
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from thyrosight.config import Config
from thyrosight.errors import ThyrosightError
from thyrosight.export.checkpoint import BEST_NAME, LAST_NAME, replace_whole
from thyrosight.files import write_atomic
from thyrosight.measurement.outlines import outlines
from thyrosight.training.dataset import ViewDataset, collate
from thyrosight.training.losses import PARTS, part_column
from thyrosight.training.speech import Tell, epoch_in_words
from thyrosight.types import Case

LOSSES = ("train_loss", *map(part_column, PARTS), "val_loss")
SCORES = ("val_dice", "val_auroc")
METRICS = (*LOSSES, *SCORES, "val_score")
NUM_PREVIEWS = 12
STEPS_OF_ESTIMATE = 6
"""After one step more than this, a run prints how long it will take. The first two steps are not timed, because they
also decode images and warm up."""
REFERENCE_BGR, PREDICTION_BGR = (80, 220, 80), (60, 140, 255)


def training_callbacks(config: Config, out: Path, validation_rows: Sequence[Case], tell: Tell) -> list[Callback]:
    """The callbacks of a run, in the order in which they act at the end of an epoch."""
    callbacks: list[Callback] = [Interrupt(), StopOnNan(), ProgressBar(tell), History(out)]
    if validation_rows and config.run.preview_every:
        callbacks.append(Previews(config, out, validation_rows))
    if config.run.early_stopping_epochs:
        checks = max(1, config.run.early_stopping_epochs // config.run.validate_every)
        callbacks.append(EarlyStopping("val_score", mode="max", patience=checks, check_on_train_epoch_end=False))
    callbacks.append(Checkpoints(out))
    return callbacks


def tell_on_stderr(line: str) -> None:
    """A line for people -> stderr."""
    Console(stderr=True).print(line, highlight=False, soft_wrap=True, markup=False)


class Checkpoints(Callback):
    """Writes last.ckpt after each epoch and best.ckpt at the highest validation score; each whole or not at all."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.best_score = -math.inf
        self.best_epoch: int | None = None

    def state_dict(self) -> dict[str, Any]:
        return {"best_score": self.best_score, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_score, self.best_epoch = state_dict["best_score"], state_dict.get("best_epoch")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        # After a stop within an epoch, last.ckpt stays that of the last whole epoch; resume repeats the unfinished one.
        if getattr(pl_module, "interrupted", False):
            return
        score = float(trainer.callback_metrics.get("val_score", math.nan))
        is_best = score > self.best_score and has_validated(trainer)
        if is_best:
            self.best_score, self.best_epoch = score, trainer.current_epoch + 1
            # Before last.ckpt: that file records this score, so a run that resumes from it would not write best.ckpt.
            self._save(trainer, BEST_NAME)
        self._save(trainer, LAST_NAME)

    def _save(self, trainer: L.Trainer, name: str) -> None:
        replace_whole(self.out / name, trainer.save_checkpoint, is_mine=trainer.is_global_zero)


def has_validated(trainer: L.Trainer) -> bool:
    """Whether this epoch ends with a validation."""
    every = trainer.check_val_every_n_epoch or 1
    return (trainer.current_epoch + 1) % every == 0


class History(Callback):
    """Writes metrics.csv and curves.png after each epoch; a resumed run continues with the rows of its checkpoint."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.rows: list[dict[str, float]] = []
        self.began = 0.0

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.began = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if getattr(pl_module, "interrupted", False):
            return
        row: dict[str, float] = {"epoch": trainer.current_epoch + 1, "step": trainer.global_step}
        values = trainer.callback_metrics
        row |= {name: float(values[name]) for name in METRICS if name in values}
        row["lr"] = trainer.optimizers[0].param_groups[-1]["lr"]
        row["seconds"] = round(time.monotonic() - self.began, 2)
        self.rows.append(row)
        if trainer.is_global_zero:
            write_atomic(self.out / "metrics.csv", table_of(self.rows))
            write_atomic(self.out / "curves.png", draw_curves(self.rows))


def table_of(rows: Sequence[dict[str, float]]) -> str:
    """Rows -> CSV text with the columns of the longest row."""
    text = io.StringIO()
    columns = max((list(row) for row in rows), key=len)
    writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def draw_curves(rows: Sequence[dict[str, float]]) -> bytes:
    """Rows -> PNG: losses, validation scores and learning rate over epochs."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = (LOSSES, SCORES, ("lr",))
    for axes, names in zip(figure.subplots(1, 3), panels, strict=True):
        for name in names:
            points = [(row["epoch"], row[name]) for row in rows if name in row and math.isfinite(row[name])]
            if points:
                axes.plot(*zip(*points, strict=True), label=name.replace("_", " "), marker=".")
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=90)
    return buffer.getvalue()


class Previews(Callback):
    """Writes previews/epoch_NNN.png every few epochs: validation views with reference (green), prediction (orange)."""

    def __init__(self, config: Config, out: Path, rows: Sequence[Case]) -> None:
        chosen = rows[:: max(1, len(rows) // NUM_PREVIEWS)][:NUM_PREVIEWS]
        self.dataset = ViewDataset(chosen, config, augmented=False)
        self.every, self.threshold = config.run.preview_every, config.run.mask_threshold
        self.folder = out / "previews"

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        epoch = trainer.current_epoch + 1
        if not trainer.is_global_zero or (epoch % self.every and epoch != trainer.max_epochs):
            return
        samples = [self.dataset[number] for number in range(min(NUM_PREVIEWS, len(self.dataset)))]
        batch = collate(samples)
        with torch.inference_mode():
            output = pl_module(batch.image_B1HW.to(pl_module.device))
        probability = torch.sigmoid(output.mask_logits_B1HW.float()).cpu().numpy()[:, 0]
        risk = torch.softmax(output.class_logits_B2.float(), dim=1)[:, 1].cpu().numpy()
        tiles = []
        for sample, probability_HW, value in zip(samples, probability, risk, strict=True):
            tile = cv2.cvtColor((sample.image_HW * 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
            cv2.polylines(tile, [line.reshape(-1, 1, 2) for line in outlines(sample.mask_HW)], True, REFERENCE_BGR, 1)
            predicted = outlines(probability_HW > self.threshold)
            cv2.polylines(tile, [line.reshape(-1, 1, 2) for line in predicted], True, PREDICTION_BGR, 1)
            label = f"risk {value:.2f} label {sample.malignancy if sample.malignancy >= 0 else '-'}"
            cv2.putText(tile, label, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 255), 1, cv2.LINE_AA)
            tiles.append(tile)
        tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % 4)
        sheet = np.vstack([np.hstack(tiles[start : start + 4]) for start in range(0, len(tiles), 4)])
        self.folder.mkdir(exist_ok=True)
        write_atomic(self.folder / f"epoch_{epoch:03d}.png", cv2.imencode(".png", sheet)[1].tobytes())


class ProgressBar(Callback):
    """One bar for the whole run, with the time left; without a terminal, an estimate and one line per epoch."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell
        self.began: list[float] = []
        self.console = Console(stderr=True)
        self.bar: Progress | None = None
        self.task: Any = None

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=self.console)
        total = int(trainer.num_training_batches) * (trainer.max_epochs or 1)
        self.task = self.bar.add_task("training", total=total, completed=trainer.global_step)
        self.bar.start()

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=trainer.global_step, description=self._description(trainer))
        elif trainer.is_global_zero and len(self.began) <= STEPS_OF_ESTIMATE:
            self.began.append(time.monotonic())
            if len(self.began) > STEPS_OF_ESTIMATE:
                seconds = (self.began[-1] - self.began[1]) / (STEPS_OF_ESTIMATE - 1)
                left = int(trainer.num_training_batches) * (trainer.max_epochs or 1) - trainer.global_step
                self.tell(f"a step takes {seconds:.2f} s: about {max(1, round(left * seconds / 60))} min to the end")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if self.bar is None and trainer.is_global_zero and not getattr(pl_module, "interrupted", False):
            self.tell(self._description(trainer))

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._close()

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _description(self, trainer: L.Trainer) -> str:
        return epoch_in_words(trainer.callback_metrics, trainer.current_epoch + 1, trainer.max_epochs)


class StopOnNan(Callback):
    """Ends the run where the gradient is not finite, and states what to change; earlier checkpoints are kept.

    It is not used with float16: there, Lightning skips such a step and lowers the scale of the gradient.
    """

    def on_before_optimizer_step(
        self, trainer: L.Trainer, pl_module: L.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        norms = [parameter.grad.norm() for parameter in pl_module.parameters() if parameter.grad is not None]
        if norms and not torch.isfinite(torch.stack(norms).sum()) and trainer.precision != "16-mixed":
            raise ThyrosightError(
                f"the gradient is not finite at step {trainer.global_step} (epoch {trainer.current_epoch + 1}); "
                "earlier checkpoints are kept. Lower optim.lr, or set run.precision = '32', and --resume"
            )


class Interrupt(Callback):
    """Ctrl-C or SIGTERM ends the run after this step; a second one ends it at once. `train` decides what is kept.

    Lightning replaces the handler of SIGTERM when a fit begins; this class sets its own again when the training starts.
    """

    previous: dict[int, Any]

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self.previous = {}
        if stage == "fit":
            self._listen(signal.SIGINT, trainer, pl_module)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._listen(signal.SIGTERM, trainer, pl_module)

    def _listen(self, number: signal.Signals, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        def stop(signum: int, frame: Any) -> None:
            Console(stderr=True).print("stopping after this step; press Ctrl-C again to stop at once")
            trainer.should_stop = True
            pl_module.interrupted = True  # type: ignore[assignment]
            self._restore()

        try:
            before = signal.signal(number, stop)
        except ValueError:
            return  # not the main thread: its owner handles Ctrl-C
        self.previous[number] = _end_at_once if number == signal.SIGTERM else before

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        self._restore()

    def _restore(self) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)


def _end_at_once(number: int, frame: Any) -> None:
    raise KeyboardInterrupt

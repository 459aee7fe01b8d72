"""Rows, settings, scores of a run -> its lines for people: header, score before the start, epochs, outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from thyrosight.config import Config
from thyrosight.datasets.table import group_key
from thyrosight.training.rows import RunRows
from thyrosight.types import Case

Tell = Callable[[str], None]
"""Called with each line for people."""
FEW_RATED = 30
"""An AUROC of fewer images is noise, so the line also states the number of images."""
SHOWN = ("train_loss", "val_loss", "val_dice", "val_auroc")


def header(rows: RunRows, config: Config, fold: int | None, start: str, hardware: str, num_steps: int) -> list[str]:
    """Rows, settings, fold, name of the starting bundle ("": none), hardware, steps per epoch -> the first lines."""
    optim, size = config.optim, " x ".join(map(str, config.data.size_hw))
    begins = (
        f"from the weights of {start}" if start else "from ImageNet" if config.network.pretrained else "from random"
    )
    lines = [
        f"{run_name(fold)}: learns from {rows_in_words(rows.fit)}",
        f"  validation: {rows_in_words(rows.validation)}" if rows.validation else "  validation: none",
        f"  kept out: {rows_in_words(rows.kept_out)}" if rows.kept_out else "  kept out: none",
        f"  {hardware}; begins {begins}",
        f"  {size}, {optim.batch_size} per step, {num_steps} steps per epoch, {optim.epochs} epochs",
    ]
    num_rated = num_labelled(rows.validation, config)
    if 0 < num_rated < FEW_RATED:
        lines.append(f"  val_auroc is of {num_rated} images: it says little")
    return lines


def run_name(fold: int | None) -> str:
    """The fold that is kept out, or None -> the name of the run."""
    return "final network" if fold is None else f"fold {fold}"


def rows_in_words(cases: Sequence[Case]) -> str:
    """Rows -> number of images and groups, outlines, labels."""
    labels = [case.malignancy for case in cases if case.malignancy is not None]
    boxed = sum(case.mask is None and bool(case.boxes) for case in cases)
    parts = [f"{len(cases)} images of {len({group_key(case) for case in cases})} groups"]
    parts += [f"{sum(case.mask is not None for case in cases)} outlined"]
    parts += [f"{boxed} with boxes alone"] * (boxed > 0)
    parts += [f"{len(labels)} labelled ({sum(labels)} high)"]
    return ", ".join(parts)


def num_labelled(cases: Sequence[Case], config: Config) -> int:
    """-> how many rows have a label for the network's first question."""
    sources, others = config.data.malignancy_sources, config.data.question_of_source
    labelled = [case for case in cases if case.malignancy is not None and case.source not in others]
    return sum(not sources or case.source in sources for case in labelled)


def epoch_in_words(values: Mapping[str, Any], epoch: int, num_epochs: int | None) -> str:
    """Metrics of an epoch -> its line."""
    shown = "  ".join(f"{name} {float(values[name]):.3f}" for name in SHOWN if _is_known(values, name))
    return f"epoch {epoch}/{num_epochs}  {shown}"


def score_before(values: Mapping[str, Any], num_rated: int) -> str:
    """Metrics of the starting weights on the validation rows -> the line before the first step."""
    words = [f"Dice {float(values['val_dice']):.3f}"] if _is_known(values, "val_dice") else []
    if _is_known(values, "val_auroc"):
        few = f" of {num_rated} images, which says little" if num_rated < FEW_RATED else ""
        words.append(f"AUROC {float(values['val_auroc']):.3f}{few}")
    return f"before the first step, on the validation images: {', '.join(words) or 'no score'}"


def kept_in_words(config: Config, last_epoch: int, best_epoch: int | None, best_score: float) -> str:
    """Settings, epochs -> which epoch becomes the bundle, and why."""
    if config.run.keep == "best" and best_epoch is not None:
        return f"keeps epoch {best_epoch} of {last_epoch}: the best score of the validation images, {best_score:.3f}"
    average = "the moving average of its weights" if config.optim.ema_decay > 0 else "its weights"
    return f"keeps the last epoch, {last_epoch}: {average}, as run.keep says"


def stopped_in_words(last_epoch: int, becomes_bundle: bool) -> str:
    """Number of whole epochs, whether they become a bundle -> line of a stopped run: what is kept, how to continue."""
    with_resume = " with --resume" if becomes_bundle else ""
    if not last_epoch:
        again = f"the same command{with_resume} starts again"
        return f"stopped before the end of the first epoch: nothing to keep yet; {again}"
    bundle = ", which becomes the bundle" if becomes_bundle else ""
    return f"stopped: epoch {last_epoch} is kept{bundle}; the same command{with_resume} goes on with the next one"


def _is_known(values: Mapping[str, Any], name: str) -> bool:
    return name in values and math.isfinite(float(values[name]))

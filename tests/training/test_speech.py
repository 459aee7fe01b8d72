"""What a run says: rows, hardware, scores, what is kept, and how a stopped run goes on."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

from thyrosight.config import Config, RunConfig
from thyrosight.training.rows import RunRows
from thyrosight.training.speech import (
    epoch_in_words,
    header,
    kept_in_words,
    num_labelled,
    rows_in_words,
    run_name,
    score_before,
    stopped_in_words,
)
from thyrosight.types import Box, Case

ONE = Case("a", Path("a.png"), Path("m.png"), 1, "g", "own")
FIT = [ONE, replace(ONE, malignancy=0), replace(ONE, group="h", mask=None, malignancy=None, boxes=(Box(0, 0, 9, 9),))]
CONFIG = Config()


def test_rows_are_counted_in_words() -> None:
    assert rows_in_words(FIT) == "3 images of 2 groups, 2 outlined, 1 with boxes alone, 2 labelled (1 high)"


def test_the_header_names_fold_rows_hardware_steps_and_start() -> None:
    text = "\n".join(header(RunRows(FIT, [ONE], [], []), CONFIG, 3, "shipped-net", "cpu, 32-true, 2 thread(s)", 7))
    for part in ("fold 3: learns from 3 images", "validation: 1 images", "kept out: none", "cpu, 32-true, 2 thread(s)"):
        assert part in text
    assert "256 x 256, 16 per step, 7 steps per epoch, 60 epochs" in text
    assert "begins from the weights of shipped-net" in text
    assert "val_auroc is of 1 images: it says little" in text
    assert run_name(None) == "final network"


def test_an_epoch_shows_what_is_known() -> None:
    values = {"train_loss": 1.5, "val_loss": 2.25, "val_dice": 0.5, "val_auroc": math.nan}
    assert epoch_in_words(values, 2, 9) == "epoch 2/9  train_loss 1.500  val_loss 2.250  val_dice 0.500"


def test_an_auroc_of_few_images_says_so() -> None:
    values = {"val_dice": 0.7, "val_auroc": 0.75}
    assert score_before(values, 4).endswith("Dice 0.700, AUROC 0.750 of 4 images, which says little")
    assert score_before(values, 40).endswith("AUROC 0.750")


def test_a_label_of_another_question_is_not_counted() -> None:
    cases = [ONE, replace(ONE, source="breast"), replace(ONE, source="weak"), replace(ONE, malignancy=None)]
    data = replace(CONFIG.data, malignancy_sources=("own", "breast"), question_of_source={"breast": "breast"})
    assert num_labelled(cases, replace(CONFIG, data=data)) == 1
    assert num_labelled(cases, CONFIG) == 3


def test_what_is_kept_and_why() -> None:
    assert kept_in_words(CONFIG, 12, 7, 0.81) == (
        "keeps the last epoch, 12: the moving average of its weights, as run.keep says"
    )
    best = replace(CONFIG, run=RunConfig(keep="best"))
    assert "keeps epoch 7 of 12: the best score of the validation images, 0.810" in kept_in_words(best, 12, 7, 0.81)


def test_a_stopped_run_says_how_it_goes_on() -> None:
    assert "nothing to keep yet" in stopped_in_words(0, True)
    assert "epoch 3 is kept, which becomes the bundle; the same command with --resume" in stopped_in_words(3, True)
    assert "epoch 3 is kept; the same command goes on" in stopped_in_words(3, False)

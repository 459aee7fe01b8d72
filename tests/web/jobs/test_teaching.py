"""The network's doubt about its outlines: none where it is sure, one where its probabilities deny what it outlined."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from thyrosight.inference.predictor import Predictor
from thyrosight.web.jobs.teaching import outline_doubt
from tiny_bundle import make_tiny_bundle


def test_doubt_is_one_minus_the_dice_to_expect(tmp_path: Path) -> None:
    raw = Predictor.load(make_tiny_bundle(tmp_path / "tiny"), threads=1).examine(np.full((40, 40), 150, np.uint8)).raw
    mask_HW = np.zeros((40, 40), bool)
    mask_HW[10:20, 10:20] = True
    sure = replace(raw, mask_HW=mask_HW, probability_HW=mask_HW.astype(np.float32))
    assert outline_doubt(sure) == 0
    half = replace(raw, mask_HW=mask_HW, probability_HW=np.where(mask_HW, 0.5, 0).astype(np.float32))
    assert outline_doubt(half) == pytest.approx(1 - 2 * 50 / (100 + 50), abs=1e-6)
    elsewhere = replace(raw, mask_HW=mask_HW, probability_HW=np.where(mask_HW, 0, 1).astype(np.float32))
    assert outline_doubt(elsewhere) == 1
    nearly = replace(raw, mask_HW=np.zeros_like(mask_HW), probability_HW=np.where(mask_HW, 0.4, 0).astype(np.float32))
    assert outline_doubt(nearly) == pytest.approx(0.4, abs=1e-6)

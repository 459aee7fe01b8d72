"""Outlines learnt from boxes: each part by hand, what is best, what gives a gradient."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from thyrosight.networks.output import Output
from thyrosight.training.batch import Batch
from thyrosight.training.box_loss import (
    OUTSIDE_WEIGHT,
    box_mask_loss,
    ellipse_dice_loss,
    pairwise_loss,
    projection_loss,
    zone_cross_entropy,
)
from thyrosight.training.losses import LossSettings, asked_logits, multitask_loss
from thyrosight.types import Box
from thyrosight.views.boxes import box_masks


def targets(box: Box, size: int = 32) -> torch.Tensor:
    """-> (1, 3, size, size): inside, ellipse, core."""
    import numpy as np

    return torch.from_numpy(np.stack(box_masks([box], Box(0, 0, size, size))).astype("float32"))[None]


def test_projection_by_hand() -> None:
    probability = torch.tensor([[0.0, 1.0, 0.5], [0.0, 0.0, 0.0]])[None, None]
    target = torch.tensor([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])[None, None]
    # maxima down the columns: (0, 1, .5) against (0, 1, 1); along the rows: (1, 0) against (1, 1)
    down = 1 - 2 * 1.5 / (1.25 + 2)
    along = 1 - 2 * 1.0 / (1.0 + 2)
    torch.testing.assert_close(projection_loss(probability, target), torch.tensor([(down + along) / 2]))


def test_zones_by_hand() -> None:
    logits = torch.tensor([[0.0, 2.0, -1.0, 5.0]]).reshape(1, 1, 1, 4)
    inside = torch.tensor([[0.0, 1.0, 1.0, 0.0]]).reshape(1, 1, 1, 4)
    core = torch.tensor([[0.0, 1.0, 0.0, 0.0]]).reshape(1, 1, 1, 4)
    in_core = math.log1p(math.exp(-2.0))
    outside = math.log(2.0) + math.log1p(math.exp(5.0))
    expected = torch.tensor([(in_core + OUTSIDE_WEIGHT * outside) / (1 + 2 * OUTSIDE_WEIGHT)])
    torch.testing.assert_close(zone_cross_entropy(logits, inside, core), expected)


def test_a_region_elsewhere_costs_by_the_nodules_own_area() -> None:
    ellipse = torch.zeros(1, 1, 1, 8)
    ellipse[..., :2] = 1.0
    probability = torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0]).reshape(1, 1, 1, 8)
    torch.testing.assert_close(ellipse_dice_loss(probability, ellipse), torch.tensor([1 - 2 * 2 / (4 + 2)]))


def test_alike_neighbours_are_asked_to_agree_and_others_are_not() -> None:
    image = torch.zeros(1, 1, 32, 32)
    inside = torch.ones(1, 1, 32, 32)
    agreed = torch.full((1, 1, 32, 32), 0.999)
    torn = agreed.clone()
    torn[..., 16:] = 0.001
    assert pairwise_loss(agreed, image, inside).item() < 0.01
    assert pairwise_loss(torn, image, inside).item() > 0.5
    image[..., 16:] = 0.5  # an edge where the probability changes
    assert pairwise_loss(torn, image, inside).item() < 0.01
    assert pairwise_loss(torn, image, torch.zeros_like(inside)).item() == 0.0


def test_an_outline_that_fills_the_box_beats_one_too_small_too_large_or_elsewhere() -> None:
    boxes = targets(Box(8, 10, 24, 22))
    inside, ellipse, core = boxes.split(1, dim=1)
    image = torch.zeros(1, 1, 32, 32)

    def loss(mask: torch.Tensor) -> float:
        return box_mask_loss(12.0 * mask - 6.0, image, inside, ellipse, core).item()

    moved = torch.roll(ellipse, 6, dims=3)
    wide = targets(Box(4, 6, 28, 26))[:, 1:2]
    right = loss(ellipse)
    assert right < loss(core) < loss(torch.zeros_like(core))
    assert right < loss(wide)
    assert right < loss(moved)


def batch_of(boxes: torch.Tensor, has_box: list[bool]) -> Batch:
    num = len(has_box)
    empty = torch.zeros(num, 1, 32, 32)
    return Batch(
        image_B1HW=empty,
        mask_B1HW=empty,
        valid_B1HW=empty == 0,
        has_mask_B=torch.zeros(num, dtype=torch.bool),
        malignancy_B=torch.full((num,), -1),
        risk_B=torch.full((num,), -1.0),
        box_B3HW=boxes.expand(num, -1, -1, -1),
        has_box_B=torch.tensor(has_box),
    )


def test_only_rows_with_boxes_are_taught_by_them() -> None:
    logits = torch.zeros(2, 1, 32, 32, requires_grad=True)
    output = Output(logits, torch.zeros(2, 2), torch.zeros(2, 1, 32, 32))
    batch = batch_of(targets(Box(8, 10, 24, 22)), [True, False])
    found = multitask_loss(output, batch, LossSettings(box_weight=0.5))
    torch.testing.assert_close(found.total, 0.5 * found.parts["box"])
    found.total.backward()
    assert logits.grad is not None
    assert logits.grad[0].abs().sum() > 0
    assert logits.grad[1].abs().sum() == 0
    assert multitask_loss(output, batch, LossSettings()).parts["box"].item() == 0.0


def test_a_few_steps_learn_the_extent_of_the_box() -> None:
    boxes = targets(Box(8, 10, 24, 22))
    logits = torch.full((1, 1, 32, 32), -2.0, requires_grad=True)
    optimiser = torch.optim.Adam([logits], lr=0.3)
    for _ in range(80):
        optimiser.zero_grad()
        box_mask_loss(logits, torch.zeros(1, 1, 32, 32), *boxes.split(1, dim=1)).sum().backward()
        optimiser.step()
    mask = torch.sigmoid(logits[0, 0]) > 0.5
    rows, columns = mask.any(dim=1).nonzero(), mask.any(dim=0).nonzero()
    assert (columns.min().item(), columns.max().item()) == (8, 23)
    assert (rows.min().item(), rows.max().item()) == (10, 21)


def test_each_row_answers_its_own_question() -> None:
    logits_BQ = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    output = Output(torch.zeros(2, 1, 4, 4), torch.zeros(2, 2), torch.zeros(2, 1, 4, 4), question_logits_BQ=logits_BQ)
    empty = torch.zeros(2, 1, 4, 4)
    labels = torch.tensor([-1, -1])
    batch = Batch(empty, empty, empty == 0, labels > 0, labels, torch.ones(2), question_B=torch.tensor([2, 0]))
    assert asked_logits(output, batch).tolist() == [[0.0, 3.0], [0.0, 4.0]]
    assert asked_logits(output._replace(question_logits_BQ=None), batch).tolist() == [[0.0, 0.0], [0.0, 0.0]]

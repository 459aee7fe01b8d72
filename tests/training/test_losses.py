"""Losses against hand-computed values, their edge cases, and what gives a gradient and what must not."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from thyrosight.config import Config, LossConfig
from thyrosight.errors import ConfigError
from thyrosight.networks.output import Output
from thyrosight.training.batch import Batch
from thyrosight.training.callbacks import LOSSES
from thyrosight.training.losses import (
    MASK_LOSSES,
    PARTS,
    LossSettings,
    classification_cross_entropy,
    focal_loss,
    malignancy_map_cross_entropy,
    mask_cross_entropy,
    multitask_loss,
    num_rows_of_parts,
    presence_cross_entropy,
    soft_dice_loss,
)
from thyrosight.training.module import loss_settings
from thyrosight.types import Case


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def picture(values: list[float]) -> torch.Tensor:
    return torch.tensor(values).reshape(1, 1, 1, -1)


# ---- mask losses, by hand ----


def test_soft_dice_by_hand_is_per_image():
    probability = torch.tensor([[0.5, 1.0, 0.0, 0.25], [0.0, 0.0, 0.0, 1.0]]).reshape(2, 1, 2, 2)
    target = torch.tensor([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]]).reshape(2, 1, 2, 2)
    # 1 - 2 * 1.5 / (1.75 + 2); 1 - 0 / (1 + 1)
    torch.testing.assert_close(soft_dice_loss(probability, target), torch.tensor([0.2, 1.0]), rtol=0, atol=1e-5)


def test_soft_dice_of_an_empty_target():
    empty = torch.zeros(1, 1, 4, 4)
    assert soft_dice_loss(empty, empty).item() == 0.0
    assert soft_dice_loss(torch.full_like(empty, 0.5), empty).item() == pytest.approx(1.0, abs=1e-5)


def test_mask_cross_entropy_by_hand():
    logits, target = picture([0.0, logit(0.8)]), picture([1.0, 0.0])
    assert mask_cross_entropy(logits, target).item() == pytest.approx((math.log(2) + math.log(5)) / 2)


def test_focal_by_hand():
    logits, target = picture([logit(0.9), logit(0.6)]), picture([1.0, 0.0])
    on_nodule = 0.25 * 0.1**4 * -math.log(0.9)
    off_nodule = 0.75 * 0.6**4 * -math.log(0.4)
    assert focal_loss(logits, target).item() == pytest.approx((on_nodule + off_nodule) / 2, rel=1e-5)
    assert focal_loss(logits, target, reduction="sum").item() == pytest.approx(on_nodule + off_nodule, rel=1e-5)


def test_focal_is_cross_entropy_at_gamma_zero():
    logits, target = torch.randn(2, 1, 5, 5), (torch.rand(2, 1, 5, 5) > 0.5).float()
    focal = focal_loss(logits, target, alpha=0.5, gamma=0.0)
    torch.testing.assert_close(2 * focal, mask_cross_entropy(logits, target))


@pytest.mark.parametrize("name", MASK_LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_mask_losses_stay_finite_and_pull_the_right_way(name, dtype):
    logits = torch.tensor([300.0, -300.0, 1.0, -1.0], dtype=dtype).reshape(1, 1, 2, 2).requires_grad_()
    target = torch.tensor([0.0, 1.0, 0.0, 1.0]).reshape(1, 1, 2, 2)
    loss = MASK_LOSSES[name](logits, target)
    assert loss.dtype == torch.float32
    assert loss.shape == (1,)
    loss.sum().backward()
    assert torch.isfinite(loss).all()
    assert torch.isfinite(logits.grad).all()
    assert logits.grad[0, 0, 1, 0] > 0
    assert logits.grad[0, 0, 1, 1] < 0


@pytest.mark.parametrize("name", MASK_LOSSES)
def test_mask_losses_of_a_perfect_mask_are_zero(name):
    target = (torch.rand(3, 1, 8, 8) > 0.5).float()
    loss_B = MASK_LOSSES[name]((2 * target - 1) * 50.0, target)
    torch.testing.assert_close(loss_B, torch.zeros(3), rtol=0, atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.95))
def test_mask_losses_lie_in_their_range(seed, share):
    generator = torch.Generator().manual_seed(seed)
    logits = 4 * torch.randn(2, 1, 6, 6, generator=generator)
    target = (torch.rand(2, 1, 6, 6, generator=generator) < share).float()
    assert (soft_dice_loss(torch.sigmoid(logits), target) >= 0).all()
    assert (soft_dice_loss(torch.sigmoid(logits), target) <= 1).all()
    assert (focal_loss(logits, target) <= mask_cross_entropy(logits, target)).all()


# ---- classification ----


def test_classification_by_hand_leaves_out_unlabelled_rows():
    logits = torch.tensor([[0.0, 0.0], [logit(0.8), 0.0], [50.0, -50.0]], requires_grad=True)
    labels = torch.tensor([1, 0, -1])
    loss = classification_cross_entropy(logits, labels)
    loss.backward()
    assert loss.item() == pytest.approx((math.log(2) - math.log(0.8)) / 2)
    # softmax minus truth, over two rows
    torch.testing.assert_close(logits.grad, torch.tensor([[0.25, -0.25], [-0.1, 0.1], [0.0, 0.0]]))


def test_a_grade_belongs_to_both_classes_in_its_share():
    logits = torch.tensor([[0.0, logit(0.8)]], requires_grad=True)
    loss = classification_cross_entropy(logits, torch.tensor([0.7]))
    loss.backward()
    assert loss.item() == pytest.approx(-0.7 * math.log(0.8) - 0.3 * math.log(0.2))
    torch.testing.assert_close(logits.grad, torch.tensor([[-0.1, 0.1]]))
    weighted = classification_cross_entropy(logits, torch.tensor([0.7]), (1.0, 3.0))
    assert weighted.item() == pytest.approx((-2.1 * math.log(0.8) - 0.3 * math.log(0.2)) / 2.4)


def test_unlabelled_rows_do_not_matter_even_if_not_finite():
    logits = torch.tensor([[0.0, 0.0], [math.nan, math.inf]], requires_grad=True)
    loss = classification_cross_entropy(logits, torch.tensor([0, -1]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    torch.testing.assert_close(logits.grad, torch.tensor([[-0.5, 0.5], [0.0, 0.0]]))


def test_nothing_labelled_is_zero_without_gradient():
    logits = torch.randn(3, 2, requires_grad=True)
    loss = classification_cross_entropy(logits, torch.full((3,), -1), (1.0, 2.0), 0.1)
    loss.backward()
    assert loss.item() == 0.0
    assert not logits.grad.any()


def test_class_weights_make_a_weighted_mean():
    logits = torch.tensor([[0.0, 0.0], [logit(0.8), 0.0]])
    loss = classification_cross_entropy(logits, torch.tensor([1, 0]), class_weights=(1.0, 3.0))
    assert loss.item() == pytest.approx((3 * math.log(2) - math.log(0.8)) / 4)


def test_label_smoothing_by_hand():
    logits = torch.tensor([[logit(0.8), 0.0]])
    loss = classification_cross_entropy(logits, torch.tensor([0]), label_smoothing=0.2)
    assert loss.item() == pytest.approx(-0.9 * math.log(0.8) - 0.1 * math.log(0.2))


# ---- the malignancy map ----


def test_map_loss_by_hand_gives_each_image_the_same_part():
    logits = torch.tensor([[logit(0.8), 9.0, 9.0, 9.0], [0.0, 0.0, 9.0, 9.0]]).reshape(2, 1, 2, 2).requires_grad_()
    mask = torch.tensor([[1.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]]).reshape(2, 1, 2, 2)
    loss = malignancy_map_cross_entropy(logits, mask, torch.tensor([1, 0]))
    loss.backward()
    assert loss.item() == pytest.approx((-math.log(0.8) + math.log(2)) / 2)
    assert not logits.grad[mask == 0].any()


def test_map_loss_leaves_out_unlabelled_and_empty():
    logits = torch.randn(2, 1, 2, 2, requires_grad=True)
    mask = torch.stack([torch.ones(1, 2, 2), torch.zeros(1, 2, 2)])
    loss = malignancy_map_cross_entropy(logits, mask, torch.tensor([-1, 1]))
    loss.backward()
    assert loss.item() == 0.0
    assert not logits.grad.any()


# ---- together ----


ORIGINAL = LossSettings(mask="dice", mask_weight=2.0, malignancy_weight=1.0)
"""The original recipe: 2 * Dice + cross-entropy."""


def make_output(num: int = 3) -> Output:
    generator = torch.Generator().manual_seed(5)
    mask = torch.randn(num, 1, 4, 4, generator=generator).requires_grad_()
    classes = torch.randn(num, 2, generator=generator).requires_grad_()
    malignancy_map = torch.randn(num, 1, 4, 4, generator=generator).requires_grad_()
    return Output(mask, classes, malignancy_map)


def make_batch(has_mask: list[bool], malignancy: list[int]) -> Batch:
    generator = torch.Generator().manual_seed(6)
    num = len(has_mask)
    mask = (torch.rand(num, 1, 4, 4, generator=generator) > 0.5).float()
    image = torch.rand(num, 1, 4, 4, generator=generator)
    return Batch(
        image,
        mask,
        torch.ones(num, 1, 4, 4).bool(),
        torch.tensor(has_mask),
        torch.tensor(malignancy),
        torch.tensor(malignancy).float(),
    )


def test_total_is_twice_dice_plus_cross_entropy():
    output, batch = make_output(), make_batch([True, True, True], [0, 1, 1])
    loss = multitask_loss(output, batch, ORIGINAL)
    dice = soft_dice_loss(torch.sigmoid(output.mask_logits_B1HW), batch.mask_B1HW).mean()
    cross_entropy = torch.nn.functional.cross_entropy(output.class_logits_B2, batch.malignancy_B)
    torch.testing.assert_close(loss.parts["mask"], dice)
    torch.testing.assert_close(loss.parts["malignancy"], cross_entropy)
    torch.testing.assert_close(loss.total, 2 * dice + cross_entropy)
    assert loss.parts["map"].item() == 0.0


@pytest.mark.parametrize("name", MASK_LOSSES)
def test_rows_without_annotation_give_no_gradient(name):
    output, batch = make_output(), make_batch([True, False, True], [0, 1, -1])
    multitask_loss(output, batch, replace(ORIGINAL, mask=name, map_weight=0.5)).total.backward()
    mask, classes, malignancy_map = (tensor.grad.flatten(1).abs().sum(dim=1) > 0 for tensor in output[:3])
    assert mask.tolist() == [True, False, True]
    assert classes.tolist() == [True, True, False]
    assert malignancy_map.tolist() == [True, False, False]


def test_unmasked_rows_do_not_change_the_mean():
    output, batch = make_output(), make_batch([True, False, True], [-1, -1, -1])
    loss = multitask_loss(output, batch, ORIGINAL)
    dice_B = soft_dice_loss(torch.sigmoid(output.mask_logits_B1HW), batch.mask_B1HW)
    torch.testing.assert_close(loss.parts["mask"], (dice_B[0] + dice_B[2]) / 2)
    torch.testing.assert_close(loss.total, 2 * loss.parts["mask"])


def test_a_batch_without_any_annotation_is_zero_and_can_go_backward():
    output, batch = make_output(), make_batch([False] * 3, [-1] * 3)
    loss = multitask_loss(output, batch, replace(ORIGINAL, map_weight=1.0))
    loss.total.backward()
    assert loss.total.item() == 0.0
    assert not any(tensor.grad.any() for tensor in output[:3])


def test_weight_zero_switches_a_task_off_even_where_it_is_not_finite():
    output, batch = make_output(), make_batch([True] * 3, [0, 1, 1])
    broken = output._replace(mask_logits_B1HW=torch.full((3, 1, 4, 4), math.nan))
    loss = multitask_loss(broken, batch, replace(ORIGINAL, mask_weight=0.0))
    torch.testing.assert_close(loss.total, loss.parts["malignancy"])
    assert loss.parts["mask"].item() == 0.0
    broken = output._replace(class_logits_B2=torch.full((3, 2), math.nan))
    loss = multitask_loss(broken, batch, replace(ORIGINAL, malignancy_weight=0.0))
    torch.testing.assert_close(loss.total, 2 * loss.parts["mask"])


def test_autocast_changes_nothing():
    output, batch = make_output(), make_batch([True] * 3, [0, 1, 1])
    settings_ = replace(ORIGINAL, mask="dice+focal", map_weight=1.0)
    plain = multitask_loss(output, batch, settings_)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cast = multitask_loss(output, batch, settings_)
    pairs = [(cast.total, plain.total), *((cast.parts[name], plain.parts[name]) for name in PARTS)]
    for ours, theirs in pairs:
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_start_of_training_is_what_theory_says():
    num = 4
    output = Output(torch.zeros(num, 1, 4, 4), torch.zeros(num, 2), torch.zeros(num, 1, 4, 4))
    batch = make_batch([True] * num, [0, 1, 0, 1])
    loss = multitask_loss(output, batch, replace(ORIGINAL, mask="cross_entropy", map_weight=1.0))
    for part in (loss.parts["mask"], loss.parts["malignancy"], loss.parts["map"]):
        assert part.item() == pytest.approx(math.log(2))


def test_every_weight_of_the_configuration_has_its_part():
    settings = {name.removesuffix("_weight") for name in vars(LossConfig()) if name.endswith("_weight")}
    assert settings == set(PARTS)
    assert all(
        name.removeprefix("train_").removesuffix("_loss") in PARTS
        for name in LOSSES
        if name.startswith("train_") and name != "train_loss"
    )


@pytest.mark.parametrize("name", PARTS)
def test_the_configuration_knows_what_each_part_teaches(name: str) -> None:
    """Else a network that learned to outline by this part alone would become a bundle without a mask."""
    output = make_output()
    boxes = torch.zeros(3, 3, 4, 4)
    boxes[:, :, 1:3, 1:3] = 1.0
    batch = replace(make_batch([True] * 3, [0, 1, 1]), box_B3HW=boxes, has_box_B=torch.ones(3).bool())
    off = dict.fromkeys((weight for weight in vars(LossConfig()) if weight.endswith("_weight")), 0.0)
    settings = LossSettings(**{**off, f"{name}_weight": 1.0})
    total = multitask_loss(output, batch, settings).total
    if total.requires_grad:
        total.backward()
    taught = [tensor.grad is not None and bool(tensor.grad.any()) for tensor in output[:3]]
    assert settings.teaches_mask == taught[0]
    assert settings.teaches_malignancy == any(taught[1:])


def test_class_weights_are_counted_where_they_are_asked_for():
    rows = [Case(str(index), Path("x.png"), None, int(index < 1), str(index), "a") for index in range(4)]
    assert loss_settings(Config(), rows).class_weights is None
    config = Config(loss=LossConfig(balance_classes=True))
    assert loss_settings(config, rows).class_weights == (4 / 6, 2.0)
    with pytest.raises(ConfigError, match=r"balance_classes: the training rows hold \[3, 0\] cases"):
        loss_settings(config, rows[1:])


def test_presence_is_told_from_the_highest_logits_inside_the_nodule():
    logits, target = torch.full((3, 1, 10, 10), -4.0), torch.zeros(3, 1, 10, 10)
    logits[0, 0, 0, :4] = torch.tensor([9.0, 3.0, 2.0, 1.0])
    target[0, 0, 0, 1:4] = 1.0  # what is brightest lies beside the nodule
    logits[1, 0, 5, 5:7] = torch.tensor([1.0, 3.0])
    logits.requires_grad_()
    losses = presence_cross_entropy(logits, target, share=0.02)
    expected = [math.log1p(math.exp(-2.5)), math.log1p(math.exp(2.0)), math.log1p(math.exp(-4.0))]
    torch.testing.assert_close(losses, torch.tensor(expected))
    losses.sum().backward()
    assert logits.grad is not None
    assert logits.grad[0].nonzero().tolist() == [[0, 0, 1], [0, 0, 2]]
    tiny = torch.zeros(1, 1, 10, 10)
    tiny[0, 0, 0, 2] = 1.0  # fewer pixels than are asked for
    assert math.isfinite(presence_cross_entropy(logits[:1], tiny, share=0.05).item())


def test_auxiliary_tasks_teach_the_rows_that_have_them():
    torch.manual_seed(0)
    gland_logits = torch.randn(2, 1, 4, 4, requires_grad=True)
    terms = (torch.randn(2, 3, requires_grad=True), torch.randn(2, 2, requires_grad=True))
    output = Output(torch.zeros(2, 1, 4, 4), torch.zeros(2, 2), torch.zeros(2, 1, 4, 4), gland_logits, terms)
    batch = replace(
        make_batch([False, False], [-1, -1]),
        gland_B1HW=torch.ones(2, 1, 4, 4),
        has_gland_B=torch.tensor([True, False]),
        descriptors_BD=torch.tensor([[2, -1], [-1, -1]]),
    )
    loss = multitask_loss(output, batch, replace(ORIGINAL, gland_weight=0.5, descriptor_weight=0.2))
    torch.testing.assert_close(
        loss.parts["gland"], soft_dice_loss(torch.sigmoid(gland_logits[:1]), torch.ones(1, 1, 4, 4))[0]
    )
    torch.testing.assert_close(loss.parts["descriptor"], F.cross_entropy(terms[0][:1], torch.tensor([2])))
    torch.testing.assert_close(loss.total, 0.5 * loss.parts["gland"] + 0.2 * loss.parts["descriptor"])
    loss.total.backward()
    assert gland_logits.grad is not None
    assert gland_logits.grad[1].abs().sum() == 0
    assert terms[0].grad is not None
    assert terms[0].grad[1].abs().sum() == 0
    assert terms[1].grad is not None
    assert terms[1].grad.abs().sum() == 0
    num_rows = dict(zip(PARTS, num_rows_of_parts(batch, ORIGINAL).tolist(), strict=True))
    assert {name: number for name, number in num_rows.items() if number} == {"gland": 1, "descriptor": 1}

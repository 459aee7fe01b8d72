"""Cases -> batches: which rows, which views, which order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from thyrosight.config import config_from_dict
from thyrosight.datasets.table import group_key, read_cases
from thyrosight.errors import ConfigError, InputError
from thyrosight.training.dataset import EpochSampler, ViewDataset, collate, terms_of
from thyrosight.training.rows import choose_rows, split_validation
from thyrosight.types import Box, Case

SMALL = {"data": {"size_hw": [64, 64]}, "optim": {"batch_size": 8}}


def row(number: int, **changes: object) -> Case:
    case = Case(f"c{number}", Path("none.png"), None, number % 2, f"g{number // 2}", "set", fold=number // 2 % 5)
    return replace(case, fov=Box(0, 0, 64, 64), **changes)  # type: ignore[arg-type]


def test_the_scored_fold_and_test_rows_train_nothing() -> None:
    cases = [row(number) for number in range(20)] + [row(30, split="test", fold=1)]
    training, kept_out = choose_rows(cases, 2)
    assert {case.fold for case in training} == {0, 1, 3, 4}
    assert [case.case_id for case in kept_out] == ["c4", "c5", "c14", "c15", "c30"]
    assert choose_rows(cases, None)[0] == cases[:-1]


def test_a_group_on_both_sides_and_an_unknown_fold_are_refused() -> None:
    with pytest.raises(InputError, match="both in training and in the rows kept out"):
        choose_rows([row(0, fold=0), row(1, fold=1)], 0)
    with pytest.raises(InputError, match=r"no row has fold 9; folds in these cases: \[0\]"):
        choose_rows([row(0)], 9)


def test_sets_may_number_their_groups_alike() -> None:
    training, kept_out = choose_rows([row(0, fold=0), row(0, fold=1, source="other")], 0)
    assert (len(training), len(kept_out)) == (1, 1)


def test_validation_takes_whole_groups_of_every_label() -> None:
    cases = [row(number, malignancy=number // 2 % 2) for number in range(200)]
    fit, validation = split_validation(cases, 0.2, seed=1)
    assert len(validation) == 40
    assert {group_key(case) for case in fit}.isdisjoint(group_key(case) for case in validation)
    assert sum(case.malignancy == 1 for case in validation) == 20
    assert split_validation(cases, 0.2, seed=1) == (fit, validation)
    assert split_validation(cases, 0.0, seed=1) == (cases, [])


def test_samples_carry_the_mask_of_their_view(cohort: Path) -> None:
    cases = read_cases(cohort)
    dataset = ViewDataset(cases, config_from_dict(SMALL), augmented=False)
    assert len(dataset) == sum(max(1, len(case.panels)) for case in cases)
    sample = dataset[0]
    assert sample.image_HW.shape == sample.mask_HW.shape == (64, 64)
    assert sample.has_mask
    frames = ViewDataset(cases, config_from_dict({"data": {"size_hw": [64, 64], "views": "frame"}}), augmented=False)
    assert len(frames) == len(cases)


def test_glands_give_no_mask_and_foreign_labels_no_risk(cohort: Path) -> None:
    cases = [replace(case, target="gland") for case in read_cases(cohort)]
    config = config_from_dict({"data": {"size_hw": [64, 64], "malignancy_sources": ["other"]}})
    batch = collate([ViewDataset(cases, config, augmented=False)[number] for number in range(3)])
    assert not batch.has_mask_B.any()
    assert batch.mask_B1HW.sum() == 0
    assert batch.malignancy_B.tolist() == [-1, -1, -1]
    assert batch.has_gland_B is not None
    assert batch.gland_B1HW is not None
    assert batch.has_gland_B.all()
    assert all(gland.any() for gland in batch.gland_B1HW)


def test_descriptors_are_their_places_in_the_lexicon(cohort: Path) -> None:
    words = {"composition": "spongiform", "shape": "taller-than-wide", "margin": "not in the lexicon"}
    case = replace(read_cases(cohort)[0], descriptors=words)
    assert terms_of(case) == (1, -1, 1, -1, -1)


def test_a_healthy_source_asks_for_an_empty_mask(cohort: Path) -> None:
    cases = [replace(case, source="glands", target="gland") for case in read_cases(cohort)[:3]]
    data = {"size_hw": [64, 64]}
    healthy = ViewDataset(cases, config_from_dict({"data": {**data, "healthy_sources": ["glands"]}}), augmented=False)
    assert all(sample.has_mask and not sample.mask_HW.any() for sample in (healthy[0], healthy[1]))
    assert not ViewDataset(cases, config_from_dict({"data": data}), augmented=False)[0].has_mask


def test_training_begins_with_small_inputs_and_validation_does_not(cohort: Path) -> None:
    data = {"size_hw": [128, 96], "size_steps": [[0.5, 0.25], [0.75, 0.7]]}
    config = config_from_dict({"data": data, "optim": {"epochs": 4}})
    cases = read_cases(cohort)[:2]
    training = ViewDataset(cases, config, augmented=True)
    shapes = [training[epoch, 0, 0].image_HW.shape for epoch in range(4)]
    assert shapes == [(32, 32), (32, 32), (96, 64), (128, 96)]
    assert ViewDataset(cases, config, augmented=False)[0].image_HW.shape == (128, 96)
    for wrong in ([[0.5, 0.5], [0.25, 0.75]], [[0.5, 1.5]], [[1.0, 0.5]]):
        with pytest.raises(ConfigError, match="size_steps"):
            config_from_dict({"data": {"size_steps": wrong}})


def test_a_closer_look_shows_a_nodule_larger_and_teaches_the_same(cohort: Path) -> None:
    cases = [case for case in read_cases(cohort) if case.mask is not None]
    still = {"flip": 0.0, "rotate_degrees": 0.0, "zoom": 0.0, "shift": 0.0}
    datasets = [
        ViewDataset(cases, config_from_dict({**SMALL, "augment": {**still, "closer": share}}), augmented=True)
        for share in (0.0, 1.0)
    ]
    whole, closer = ([dataset[0, place, place] for place in range(len(dataset))] for dataset in datasets)
    shares = [[float(sample.mask_HW.mean()) for sample in samples] for samples in (whole, closer)]
    assert np.mean(shares[1]) > 1.3 * np.mean(shares[0])
    assert [sample.malignancy for sample in whole] == [sample.malignancy for sample in closer]
    assert np.array_equal(datasets[1][0, 1, 1].image_HW, closer[1].image_HW), "the same key gives the same part"
    assert not np.array_equal(datasets[1][1, 1, 1].image_HW, closer[1].image_HW), "another epoch, another part"


def test_the_epoch_is_the_same_however_many_processes_share_it(cohort: Path) -> None:
    dataset = ViewDataset(read_cases(cohort), config_from_dict(SMALL), augmented=True)
    alone = list(EpochSampler(dataset, 8, seed=0))
    shared = [list(EpochSampler(dataset, 8, 0, rank, 2)) for rank in range(2)]
    for step in range(len(alone) // 8):
        together = shared[0][4 * step : 4 * step + 4] + shared[1][4 * step : 4 * step + 4]
        assert sorted(together) == sorted(alone[8 * step : 8 * step + 8])
    assert len(alone) % 8 == 0
    assert {number for _, _, number in alone} == set(range(len(dataset)))


def test_epochs_differ_and_repeat_exactly(cohort: Path) -> None:
    dataset = ViewDataset(read_cases(cohort), config_from_dict(SMALL), augmented=True)
    sampler = EpochSampler(dataset, 8, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert [key[2] for key in first] != [key[2] for key in second]
    np.testing.assert_array_equal(dataset[first[3]].image_HW, dataset[first[3]].image_HW)
    number = first[3][2]
    assert np.abs(dataset[0, 3, number].image_HW - dataset[1, 3, number].image_HW).max() > 0.01


def test_repeat_sets_how_often_a_source_is_seen(cohort: Path) -> None:
    config = config_from_dict({**SMALL, "data": {"size_hw": [64, 64], "repeat": {"phantom": 0.5}}})
    dataset = ViewDataset(read_cases(cohort), config, augmented=True)
    seen = {number for _, _, number in EpochSampler(dataset, 8, seed=0)}
    assert len(seen) == round(0.5 * len(dataset))


def test_the_cache_gives_way_when_memory_is_short(cohort: Path) -> None:
    config = config_from_dict({"data": {"size_hw": [64, 64], "cache_mb": 0}})
    dataset = ViewDataset(read_cases(cohort), config, augmented=False)
    before = dataset[1].image_HW
    assert len(dataset._cache) == 0
    np.testing.assert_array_equal(before, dataset[1].image_HW)


def test_a_category_is_taught_as_its_grade_and_scored_by_its_label(cohort: Path) -> None:
    case = replace(read_cases(cohort)[0], malignancy=0, descriptors={"tirads": "4a"})
    settings = config_from_dict({"data": {"size_hw": [64, 64], "risk_of_category": {"4a": 0.3}}})
    sample = ViewDataset([case], settings, augmented=False)[0]
    assert (sample.malignancy, sample.risk) == (0, 0.3)
    unnamed = replace(case, descriptors={"tirads": "2"})
    assert ViewDataset([unnamed], settings, augmented=False)[0].risk == 0.0
    unlabelled = replace(case, malignancy=None)
    assert ViewDataset([unlabelled], settings, augmented=False)[0].risk == -1


def test_only_the_named_sources_are_validated() -> None:
    cases = [row(number, source="ab"[number % 2]) for number in range(40)]
    fit, validation = split_validation(cases, 0.2, 0, ("a",))
    assert {case.source for case in validation} == {"a"}
    assert len(fit) + len(validation) == 40


def test_boxes_teach_where_no_outline_does_and_each_set_answers_its_question(tmp_path: Path) -> None:
    import cv2

    image_HW = np.random.default_rng(0).integers(30, 220, (64, 64)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image_HW)
    boxed = row(1, image=tmp_path / "a.png", boxes=(Box(10, 20, 30, 50),), source="boxed")
    plain = row(2, image=tmp_path / "a.png", source="plain", malignancy=1)
    config = config_from_dict(
        {
            **SMALL,
            "network": {"questions": ["reading"]},
            "data": {**SMALL["data"], "question_of_source": {"plain": "reading"}, "malignancy_sources": ["boxed"]},
        }
    )
    samples = ViewDataset([boxed, plain], config, augmented=False)
    first, second = samples[0], samples[1]
    assert first.boxes is not None
    assert first.boxes.inside_HW.sum() == 20 * 30
    assert not first.has_mask
    assert not first.mask_HW.any()
    assert (first.question, first.risk, first.malignancy) == (0, 1, 1)
    assert second.boxes is None
    assert (second.question, second.risk, second.malignancy) == (1, 1, -1), "no part in the network's own risk"
    batch = collate([first, second])
    assert batch.has_box_B is not None
    assert batch.has_box_B.tolist() == [True, False]
    assert batch.question_B is not None
    assert batch.question_B.tolist() == [0, 1]

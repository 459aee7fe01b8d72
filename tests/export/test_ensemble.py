"""Several bundles -> one: it answers with their mean, and only where they answer one question."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from thyrosight.bundle.card import model_card
from thyrosight.bundle.records import (
    BundleInfo,
    TrainingSet,
)
from thyrosight.bundle.store import (
    default_bundle_path,
    load_bundle,
    write_bundle,
)
from thyrosight.bundle.training_sets import without_repeats
from thyrosight.errors import InputError
from thyrosight.export.ensemble import (
    ensemble,
    ensemble_info,
)
from thyrosight.export.onnx import (
    checked_onnx,
    weights_bytes,
)
from thyrosight.inference.predictor import Predictor
from thyrosight.networks.from_bundle import network_from_bundle

OTHER_FOLD = "folds other than 3, but validation"


def seen(source: str, split: str) -> TrainingSet:
    return TrainingSet(source=source, num_images=10, sha256="", split=split)


def variant(out: Path, noise: float, **changes: object) -> Path:
    """The shipped bundle with its weights moved a little, and other claims."""
    bundle = load_bundle(default_bundle_path())
    network = network_from_bundle(bundle)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1 + noise * torch.randn_like(parameter))
    info = bundle.info.model_copy(update=changes)
    onnx_bytes = checked_onnx(network, info.preprocessing.size_hw)
    return write_bundle(out, info, onnx_bytes, weights_bytes(network, half=False), model_card(info))


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("members")
    return [variant(folder / f"m{number}", noise, mask_threshold=0.4 + noise) for number, noise in ((0, 0.0), (1, 0.1))]


def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (160, 200), dtype=np.uint8)


def test_it_answers_with_the_mean_and_is_a_bundle_like_any(members: list[Path], tmp_path: Path) -> None:
    both = Predictor.load(ensemble(members, tmp_path / "both"))
    x_B1HW = np.random.default_rng(0).random((2, 1, 64, 96), dtype=np.float32)
    parts = [Predictor.load(path)._forward_once(x_B1HW) for path in members]
    for found, one, other in zip(both._forward_once(x_B1HW), *parts, strict=True):
        np.testing.assert_allclose(found, (one + other) / 2, atol=2e-4)
    assert not np.allclose(parts[0][0], parts[1][0], atol=1e-2)
    assert both.info.mask_threshold == pytest.approx(0.45)
    assert both.info.parameters == 2 * load_bundle(members[0]).info.parameters
    assert both.predict(image()).model.name == both.info.name
    assert both.info.calibration.n == 0
    assert both.info.operating_points == ()


def test_cross_validations_are_joined_fold_by_fold(tmp_path: Path) -> None:
    for run, noise in (("a", 0.0), ("b", 0.05)):
        split = (seen("ddti", OTHER_FOLD),)
        variant(tmp_path / run / "fold3" / "bundle", noise, training_sets=split)
    out = ensemble([tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert load_bundle(out / "fold3" / "bundle").info.training_sets[0].split == OTHER_FOLD
    with pytest.raises(InputError, match="not the same folds"):
        ensemble([tmp_path / "a", tmp_path / "b" / "fold3" / "bundle"], tmp_path / "no")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"risk_meaning": "probability of rain"}, "differ in risk_meaning"),
        ({"training_sets": (seen("ddti", "all rows but test and validation"),)}, "not left out the same rows"),
        (
            {"training_sets": (seen("ddti", "before, by x: all rows but test and validation"),)},
            "not left out the same rows",
        ),
    ],
)
def test_members_that_do_not_belong_together_are_refused(
    changes: dict[str, object], words: str, tmp_path: Path
) -> None:
    first = variant(tmp_path / "a", 0.0, training_sets=(seen("ddti", OTHER_FOLD),))
    with pytest.raises(InputError, match=words):
        ensemble([first, variant(tmp_path / "b", 0.0, **changes)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_one_bundle_is_no_ensemble_nor_is_one_of_ensembles(members: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="two bundles or more"):
        ensemble(members[:1], tmp_path / "out")
    both = ensemble(members, tmp_path / "both")
    with pytest.raises(InputError, match="can't be a member"):
        ensemble([both, both], tmp_path / "out")


def test_what_came_before_counts_once() -> None:
    info: BundleInfo = load_bundle(default_bundle_path()).info
    joined = ensemble_info([info, info])
    assert list(joined.training_sets) == list(without_repeats(info.training_sets))
    assert joined.notes.count(info.name) == 2


def test_a_member_that_learnt_auxiliary_tasks_joins(members: list[Path], tmp_path: Path) -> None:
    settings = load_bundle(members[0]).info.network_settings | {"auxiliary": ["descriptors", "gland"]}
    taught = variant(tmp_path / "taught", 0.0, network_settings=settings)
    both = Predictor.load(ensemble([taught, members[0]], tmp_path / "both"))
    x_B1HW = np.random.default_rng(0).random((1, 1, 64, 96), dtype=np.float32)
    for found, one in zip(both._forward_once(x_B1HW), Predictor.load(members[0])._forward_once(x_B1HW), strict=True):
        np.testing.assert_allclose(found, one, atol=2e-4)

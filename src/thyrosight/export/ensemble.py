"""Several bundles of one task -> one bundle whose network runs them all and returns their mean.

It is a bundle like any other, for prediction, evaluation, calibration and stress. It takes as much time and space as
all of its members together. It has no calibration: the mean of logits varies less than the logits of one member.
`calibrate` fits a new one, on out-of-fold logits of ensembles by the same recipes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from thyrosight.bundle.card import model_card
from thyrosight.bundle.records import BundleInfo, Calibration
from thyrosight.bundle.seen_images import SeenImages
from thyrosight.bundle.store import Bundle, fold_bundles, load_bundle, refuse_other_network, write_bundle
from thyrosight.bundle.training_sets import has_seen_the_same, without_repeats
from thyrosight.environment import TRAINING_LIBRARIES, library_versions, utc_now
from thyrosight.errors import InputError
from thyrosight.export.onnx import checked_onnx, weights_bytes
from thyrosight.networks import NETWORKS
from thyrosight.networks.from_bundle import network_from_bundle
from thyrosight.networks.output import Output

NETWORK = "ensemble"
MUST_AGREE = (
    "preprocessing",
    "has_mask",
    "has_malignancy",
    "has_malignancy_map",
    "risk_meaning",
    "min_area_fraction",
    "smooth_outlines",
)
CERTAIN = 1e-6
"""Mean probabilities stay this far from 0 and 1, so that their logit is finite."""


class Ensemble(nn.Module):
    """Networks -> the mean of their mask probabilities, malignancy logits and malignancy maps."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, image_B1HW: Tensor) -> Output:
        outputs = [member(image_B1HW) for member in self.members]
        probability = torch.stack([torch.sigmoid(one.mask_logits_B1HW) for one in outputs]).mean(dim=0)
        return Output(
            torch.logit(probability.clamp(CERTAIN, 1 - CERTAIN)),
            torch.stack([one.class_logits_B2 for one in outputs]).mean(dim=0),
            torch.stack([one.malignancy_map_B1HW for one in outputs]).mean(dim=0),
        )


def ensemble(bundles: Sequence[Path], out: Path) -> Path:
    """Two or more bundles, or folders of cross-validations -> `out`: their ensemble, or one ensemble per fold.

    For cross-validations OUT/foldK/bundle is the ensemble of the bundles that have not seen fold K. InputError where
    members differ in their input, their outputs, the meaning of the risk, or the rows that they left out.
    """
    if len(bundles) < 2:
        raise InputError("an ensemble needs two bundles or more; name them all")
    folds = [fold_bundles(path) for path in bundles]
    if not any(folds):
        return _ensemble_of(bundles, out)
    for path, its in zip(bundles, folds, strict=True):
        if its.keys() != folds[0].keys():
            raise InputError(f"{path} and {bundles[0]}: not the same folds; finish both cross-validations first")
    for fold in folds[0]:
        _ensemble_of([its[fold] for its in folds], out / f"fold{fold}" / "bundle")
    return out


def _ensemble_of(paths: Sequence[Path], out: Path) -> Path:
    members = [load_bundle(path) for path in paths]
    _refuse_strangers(members, paths)
    network = Ensemble([network_from_bundle(member) for member in members]).eval()
    info = ensemble_info([member.info for member in members])
    onnx_bytes = checked_onnx(network, info.preprocessing.size_hw)
    weights = weights_bytes(network, half=True)
    refuse_other_network(out, weights)
    seen = SeenImages.joined([member.seen.rows_NB.tobytes() for member in members])
    return write_bundle(out, info, onnx_bytes, weights, model_card(info), seen)


def _refuse_strangers(members: Sequence[Bundle], paths: Sequence[Path]) -> None:
    """InputError where members answer different questions, or left out different rows."""
    first, where = members[0].info, paths[0]
    for member, path in zip(members, paths, strict=True):
        if member.info.network not in NETWORKS:
            raise InputError(f"{path}: its network {member.info.network!r} can't be a member; name its members instead")
        for name in MUST_AGREE:
            if getattr(member.info, name) != getattr(first, name):
                raise InputError(
                    f"{path} and {where} differ in {name}; the members of an ensemble must answer the same question"
                )
        if not has_seen_the_same(first, member.info):
            raise InputError(f"{path} and {where} have not left out the same rows; use bundles of one fold")


def ensemble_info(infos: Sequence[BundleInfo]) -> BundleInfo:
    """Infos of the members -> info of the ensemble: all their sets, the mean of their thresholds, no calibration."""
    first = infos[0]
    thresholds = [info.mask_threshold for info in infos]
    changes: dict[str, Any] = {
        "name": f"{NETWORK}-of-{len(infos)}-{first.name}"[:100],
        "network": NETWORK,
        "network_settings": {"members": [info.network_settings for info in infos]},
        "parameters": sum(info.parameters for info in infos),
        "mask_threshold": round(sum(thresholds) / len(thresholds), 4),
        "min_mean_probability": round(sum(info.min_mean_probability for info in infos) / len(infos), 4),
        "mask_threshold_from": f"mean of the members' ({', '.join(f'{threshold:g}' for threshold in thresholds)})",
        "calibration": Calibration(),
        "operating_points": (),
        "training_sets": without_repeats([entry for info in infos for entry in info.training_sets]),
        "scores": (),
        "versions": library_versions(TRAINING_LIBRARIES),
        "created": utc_now(),
        "seed": None,
        "notes": f"Mean of {len(infos)} networks: {', '.join(f'{info.name} ({info.sha256[:12]})' for info in infos)}.",
        "scores_meaning": "",
        "subgroups": (),
        "robustness": (),
        "failures": (),
        "recipe": {},
        "num_validation_images": None,
        "compute": {},
        "files": {},
        "sha256": "",
    }
    return first.model_copy(update=changes)

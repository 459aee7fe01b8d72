"""Trained network -> bundle: ONNX checked against torch, safetensors, calibration on validation rows, card."""

from __future__ import annotations

import io
import json
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from thyrosight.bundle import (
    BundleInfo,
    Calibration,
    Preprocessing,
    TrainingSet,
    model_card,
    write_bundle,
)
from thyrosight.cases.table import read_cases
from thyrosight.config import Config, config_from_dict
from thyrosight.declared import evaluation_scores
from thyrosight.described import described
from thyrosight.errors import BundleError, InputError
from thyrosight.familiarity import fit_familiarity
from thyrosight.half_onnx import with_half_kernels
from thyrosight.inner_validation import calibrated
from thyrosight.model import VNet2d, build_network, read_tensorflow_checkpoint, vnet2d_from_tensorflow
from thyrosight.provenance import git_revision, library_versions
from thyrosight.start import pretraining_sets, split_in_words
from thyrosight.types import Case

MAX_PROBABILITY_DIFFERENCE = 1e-4
RISK_MEANING = {
    "ddti": "probability that a radiologist reads the nodule as TI-RADS 4b, 4c or 5 (not that it is cancer)",
    "busi": "probability that a breast lesion is malignant by pathology",
    "phantom": "probability that the phantom was drawn as malignant",
}
OUTPUT_NAMES = ("mask_probability", "malignancy_logit", "malignancy_map")


class OnnxForm(nn.Module):
    """image (B, 1, H, W) -> mask_probability (B, 1, H, W), malignancy_logit (B,), malignancy_map (B, 1, H, W)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        output = self.network(image)
        logits = output.class_logits_B2
        return torch.sigmoid(output.mask_logits_B1HW), logits[:, 1] - logits[:, 0], output.malignancy_map_B1HW


def to_onnx(network: nn.Module, size_hw: tuple[int, int]) -> bytes:
    """Network -> ONNX bytes with free batch, height and width, weights inside, kernels as float16 where they are.

    By tracing: with free sizes torch's newer exporter takes minutes for the V-Net (it solves for the padding), this one
    seconds; `checked_onnx` holds the result against torch at sizes that were not traced. Norms are not folded into the
    kernels, which would no longer be float16 then; ONNX Runtime folds them when it loads the network.
    """
    form = OnnxForm(network).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    free = {0: "batch", 2: "height", 3: "width"}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            form,
            (torch.zeros(2, 1, *size_hw),),
            cast(Any, buffer),  # a stream is taken by the tracing exporter, whatever the annotation says
            dynamo=False,
            opset_version=17,
            training=torch.onnx.TrainingMode.PRESERVE,
            input_names=["image"],
            output_names=list(OUTPUT_NAMES),
            dynamic_axes={
                "image": free,
                "mask_probability": free,
                "malignancy_logit": {0: "batch"},
                "malignancy_map": free,
            },
        )
    return with_half_kernels(buffer.getvalue())


@dataclass(frozen=True)
class Parity:
    """Largest absolute differences between ONNX Runtime and torch over the images that were tried."""

    probability: float
    logit: float
    num_images: int


def parity(network: nn.Module, onnx_bytes: bytes, images_B1HW: Sequence[np.ndarray]) -> Parity:
    """Run both on each batch of images (float32 in [0, 1]) and compare."""
    import onnxruntime

    form = OnnxForm(network).eval()
    session = onnxruntime.InferenceSession(onnx_bytes, providers=["CPUExecutionProvider"])
    worst_probability = worst_logit = 0.0
    for batch in images_B1HW:
        with torch.inference_mode():
            expected = [value.numpy() for value in form(torch.from_numpy(batch))]
        found = session.run(list(OUTPUT_NAMES), {"image": batch})
        # np.maximum and not max(): a difference that is NaN has to stay NaN.
        worst_probability = float(np.maximum(worst_probability, np.abs(expected[0] - found[0]).max()))
        worst_logit = float(np.maximum(worst_logit, np.abs(expected[1] - found[1]).max()))
    return Parity(worst_probability, worst_logit, sum(len(batch) for batch in images_B1HW))


def checked_onnx(network: nn.Module, size_hw: tuple[int, int]) -> bytes:
    """ONNX bytes that agree with torch on noise of two sizes; BundleError where they don't."""
    onnx_bytes = to_onnx(network, size_hw)
    rng = np.random.default_rng(0)
    larger_hw = (size_hw[0] + 32, size_hw[1] + 64)
    images = [rng.random((2, 1, *hw), dtype=np.float32) for hw in (size_hw, larger_hw)]
    found = parity(network, onnx_bytes, images)
    if not found.probability <= MAX_PROBABILITY_DIFFERENCE:
        raise BundleError(
            f"ONNX and torch differ by {found.probability:.2g} in probability (at most {MAX_PROBABILITY_DIFFERENCE}); "
            "no bundle was written. Check for weights that are not finite, and report this"
        )
    return onnx_bytes


def round_to_half(network: nn.Module) -> None:
    """Round the kernels to float16 values in place: half-sized safetensors then hold what ONNX computes with."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.half().float())


def weights_bytes(network: nn.Module, *, half: bool) -> bytes:
    """State -> safetensors; kernels as float16 where they were rounded to it."""
    from safetensors.torch import save

    state = {
        name: (value.half() if half and value.ndim > 1 else value).contiguous()
        for name, value in network.state_dict().items()
    }
    return bytes(save(state))


def shipped_network(run: Path, config: Config) -> nn.Module:
    """The network of a run with the weights that it keeps: last or best, the average where there is one."""
    wanted = run / ("best.ckpt" if config.run.keep == "best" else "last.ckpt")
    path = wanted if wanted.exists() else run / "last.ckpt"
    if not path.exists():
        raise InputError(f"{run}: no checkpoint yet; train until the first epoch has ended")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "ema." if config.optim.ema_decay > 0 else "network."
    network = build_network(config.network, with_pretrained=False)
    network.load_state_dict({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})
    return network.eval()


def export_run(run: Path, out: Path | None = None, evaluation: Path | None = None) -> Path:
    """Run folder -> bundle (RUN/bundle unless `out` says otherwise), with the scores of an evaluation.json if given."""
    record = finished_run(run)
    config = config_from_dict(record["config"], where=str(run / "config.json"))
    network = shipped_network(run, config)
    round_to_half(network)
    rows = json.loads((run / "rows.json").read_text(encoding="utf-8"))
    cases = {f"{case.source}/{case.case_id}": case for path in record["cases"] for case in read_cases(run / path)}
    fit_cases, validation, shown = (
        [cases[name] for name in rows.get(part, ())] for part in ("fit", "validation", "shown")
    )
    familiarity = fit_familiarity([*fit_cases, *shown])
    info = run_info(config, network, fit_cases, record).model_copy(update={"familiarity": familiarity})
    processor = record["started_with"].get("processor", "")
    info = described(info, config, run, record["cases"], fit_cases, len(validation), processor)
    onnx_bytes = checked_onnx(network, config.data.size_hw)
    weights = weights_bytes(network, half=True)
    if validation:
        with tempfile.TemporaryDirectory() as folder:
            bundle = write_bundle(Path(folder) / "bundle", info, onnx_bytes, weights, model_card(info))
            info = calibrated(info, bundle, validation, config)
    if evaluation is not None:
        info = info.model_copy(update={"scores": (*info.scores, *evaluation_scores(evaluation, info.name))})
    return write_bundle(out or run / "bundle", info, onnx_bytes, weights, model_card(info))


def read_run(run: Path) -> dict[str, Any]:
    """A run's config.json: {"config": …, "fold": …, "cases": paths relative to the run, "started_with": versions}."""
    try:
        record = json.loads((run / "config.json").read_text(encoding="utf-8"))
    except OSError:
        raise InputError(f"{run}: not the folder of a training run (no config.json in it)") from None
    assert isinstance(record, dict)
    return record


def finished_run(run: Path) -> dict[str, Any]:
    """As `read_run`, with all that an export needs; InputError where the run is of an older version."""
    record = read_run(run)
    missing = [name for name in ("config", "fold", "cases", "started_with") if name not in record]
    if missing or not (run / "rows.json").exists():
        what = f"its config.json has no {', '.join(missing)}" if missing else "no rows.json in it"
        raise InputError(
            f"{run}: {what}, so it was begun by an older version; export it with that version, or train it again"
        )
    return record


def run_info(config: Config, network: nn.Module, fit_cases: Sequence[Case], record: Mapping[str, Any]) -> BundleInfo:
    """What the bundle says of itself, before calibration; versions and revision are those that trained it."""
    fold: int | None = record["fold"]
    by_source: dict[str, list[Case]] = {}
    for case in fit_cases:
        by_source.setdefault(case.source, []).append(case)
    risk_sources = [source for source in by_source if source in (config.data.malignancy_sources or by_source)]
    meanings = [RISK_MEANING.get(source, f"probability of the label 1 of {source}") for source in sorted(risk_sources)]
    has_malignancy = config.loss.malignancy_weight > 0 or config.loss.map_weight > 0
    return BundleInfo(
        name=f"{config.network.name}-{'-'.join(sorted(by_source))}" + ("" if fold is None else f"-fold{fold}"),
        network=config.network.name,
        network_settings={key: value for key, value in asdict(config.network).items() if key != "start_from"},
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        preprocessing=Preprocessing(size_hw=config.data.size_hw, crop=config.data.crop, views=config.data.views),
        has_mask=config.loss.mask_weight > 0,
        has_malignancy=has_malignancy,
        has_malignancy_map=has_malignancy and config.network.name == "unet" and config.network.head == "map",
        mask_threshold=config.run.mask_threshold,
        min_area_fraction=config.run.min_area_fraction,
        risk_meaning="; or ".join(meanings) if has_malignancy else "none: not trained to rate malignancy",
        training_sets=(
            *(
                TrainingSet(source=source, num_images=len(rows), sha256=list_hash(rows), split=split_in_words(fold))
                for source, rows in sorted(by_source.items())
            ),
            *pretraining_sets(record["started_with"].get("bundle")),
        ),
        calibration=Calibration(),
        operating_points=(),
        scores=(),
        versions=record["started_with"]["versions"],
        git_revision=record["started_with"]["git_revision"],
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=config.run.seed,
        notes=config.about,
    )


def list_hash(cases: Sequence[Case]) -> str:
    """SHA-256 over the sorted names and labels of the rows: which list was trained on, without its paths."""
    import hashlib

    lines = sorted(f"{case.source}/{case.case_id} {case.malignancy} {case.group}" for case in cases)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def import_tensorflow(checkpoint: Path, out: Path, size_hw: tuple[int, int] = (512, 512)) -> Path:
    """A TensorFlow 1 checkpoint of the original multi-task V-Net -> bundle; its threshold is the recipe's 0.8."""
    return write_vnet2d(read_tensorflow_checkpoint(checkpoint), out, size_hw, checkpoint.name)


def write_vnet2d(variables: Mapping[str, np.ndarray], out: Path, size_hw: tuple[int, int], origin: str) -> Path:
    """TensorFlow variables by name -> bundle of the original network, in full precision."""
    network: VNet2d = vnet2d_from_tensorflow(variables).eval()
    info = BundleInfo(
        name=f"vnet2d-{origin}",
        network="vnet2d",
        network_settings={"name": "vnet2d", "dropout": 0.5, "init": "original"},
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        preprocessing=Preprocessing(size_hw=size_hw, crop="none", views="frame"),
        has_mask=True,
        has_malignancy=True,
        has_malignancy_map=False,
        mask_threshold=0.8,
        min_area_fraction=0.0,
        risk_meaning="probability of the label 1 of the set it was trained on (TN-SCUI2020: malignant)",
        calibration=Calibration(),
        operating_points=(),
        scores=(),
        training_sets=(),
        versions=library_versions(),
        git_revision=git_revision(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seed=None,
        notes="Imported from a TensorFlow checkpoint; what it was trained on is not recorded there.",
    )
    return write_bundle(out, info, checked_onnx(network, size_hw), weights_bytes(network, half=False), model_card(info))

"""Run folder -> bundle: ONNX that is checked against torch, safetensors, settings from validation rows, card."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from thyrosight.bundle.card import model_card
from thyrosight.bundle.records import BundleInfo, Calibration, Preprocessing
from thyrosight.bundle.seen_images import SeenImages
from thyrosight.bundle.store import refuse_other_network, write_bundle
from thyrosight.bundle.training_sets import inherited_sets, own_set, without_images
from thyrosight.config import Config, config_from_dict
from thyrosight.datasets.pictures.seen_rows import images_of
from thyrosight.datasets.sets import risk_meaning
from thyrosight.datasets.table import read_cases
from thyrosight.environment import utc_now
from thyrosight.errors import ConfigError
from thyrosight.export.checkpoint import kept_checkpoint
from thyrosight.export.describe_training import with_training_facts
from thyrosight.export.onnx import checked_onnx, round_to_half, weights_bytes
from thyrosight.export.quoted_scores import evaluation_scores
from thyrosight.export.run_calibration_and_mask_rule import with_validation_settings
from thyrosight.export.run_folder import finished_run, start_images
from thyrosight.export.set_audit import audit_notes
from thyrosight.inference.familiarity import fit_familiarity
from thyrosight.networks import build_network, network_entry
from thyrosight.types import Case

LAST_OF_RISK = ("malignancy.local_logit.", "malignancy.whole_logit.", "malignancy.rate.2.")
"""Parameters whose names begin with this have one entry per question along their first axis."""
OWN_QUESTION = "own"
"""The name that the network's own question gets when another question is put first."""


def kept_network(run: Path, config: Config) -> nn.Module:
    """Run folder -> its network with the trained weights.

    They are the weights of the last or the best epoch, as configured, or their moving average if the run has one.
    """
    state = kept_checkpoint(run, config.run.keep)["state_dict"]
    prefix = "ema." if config.optim.ema_decay > 0 else "network."
    network = build_network(config.network, with_pretrained=False)
    network.load_state_dict({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})
    return network.eval()


def ask(network: nn.Module, config: Config, question: str) -> Config:
    """Network, one of network.questions -> the configuration of a network that answers this question.

    The network's weights are reordered in place, so that this question is the first. ConfigError where the run did not
    learn this question.
    """
    known = config.network.questions
    if question not in known:
        raise ConfigError(f"--question {question}: this run was taught {', '.join(known) or 'one question alone'}")
    place = 1 + known.index(question)
    others = [index for index in range(1 + len(known)) if index != place]
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.startswith(LAST_OF_RISK):
                value.copy_(value[[place, *others]])
    names = (OWN_QUESTION, *known)
    sources = tuple(sorted(source for source, own in config.data.question_of_source.items() if own == question))
    return replace(
        config,
        network=replace(config.network, questions=tuple(names[index] for index in others)),
        data=replace(config.data, malignancy_sources=sources, question_of_source={}),
    )


def export_run(run: Path, out: Path | None = None, evaluation: Path | None = None, question: str | None = None) -> Path:
    """Run folder -> bundle (RUN/bundle unless `out` says otherwise), with the scores of an evaluation.json if given.

    question: which of network.questions the risk of the bundle answers; None for the network's own.
    """
    record = finished_run(run)
    config = config_from_dict(record["config"], where=str(run / "config.json"))
    network = kept_network(run, config)
    if question is not None:
        config = ask(network, config, question)
    round_to_half(network)
    rows = json.loads((run / "rows.json").read_text(encoding="utf-8"))
    cases = {f"{case.source}/{case.case_id}": case for path in record["cases"] for case in read_cases(run / path)}
    fit_cases, validation, reference = (
        [cases[name] for name in rows.get(part, ())] for part in ("fit", "validation", "shown")
    )
    familiarity = fit_familiarity([*fit_cases, *reference])
    info = run_info(config, network, fit_cases, record).model_copy(update={"familiarity": familiarity})
    info = with_training_facts(info, config, run, record, fit_cases, len(validation))
    if audit_text := audit_notes(run):
        info = info.model_copy(update={"notes": f"{info.notes}\n\n{audit_text}".strip()})
    onnx_bytes = checked_onnx(network, config.data.size_hw)
    weights = weights_bytes(network, half=True)
    if validation:
        with tempfile.TemporaryDirectory() as folder:
            bundle = write_bundle(Path(folder) / "bundle", info, onnx_bytes, weights, model_card(info))
            info = with_validation_settings(info, bundle, validation, config)
    if evaluation is not None:
        info = info.model_copy(update={"scores": (*info.scores, *evaluation_scores(evaluation, info.name))})
    if out is not None:
        refuse_other_network(out, weights)
    seen = images_of([*fit_cases, *validation])
    if (before := start_images(run)) is None:
        info = info.model_copy(update={"training_sets": tuple(map(without_images, info.training_sets))})
    else:
        seen = SeenImages.joined([seen.rows_NB.tobytes(), before.rows_NB.tobytes()])
    return write_bundle(out or run / "bundle", info, onnx_bytes, weights, model_card(info), seen)


def calibrated_sources(config: Config, sources: Sequence[str]) -> list[str]:
    """Sources of the training -> those on whose labels the risk is calibrated.

    The risk then has the meaning of these labels.

    Other sources in malignancy_sources taught the risk as weak labels. Where validation_sources is empty, all sources
    are used.
    """
    taught = [source for source in sources if source in (config.data.malignancy_sources or sources)]
    return [source for source in taught if source in config.run.validation_sources] or taught


def run_info(config: Config, network: nn.Module, fit_cases: Sequence[Case], record: Mapping[str, Any]) -> BundleInfo:
    """Run -> the info of its bundle before calibration; versions and git revision are those of the training."""
    fold: int | None = record["fold"]
    by_source: dict[str, list[Case]] = {}
    for case in fit_cases:
        by_source.setdefault(case.source, []).append(case)
    meanings = dict.fromkeys(risk_meaning(source) for source in calibrated_sources(config, sorted(by_source)))
    has_malignancy = config.loss.teaches_malignancy
    return BundleInfo(
        name=f"{config.network.name}-{'-'.join(sorted(by_source))}" + ("" if fold is None else f"-fold{fold}"),
        network=config.network.name,
        network_settings={key: value for key, value in asdict(config.network).items() if key != "start_from"},
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        preprocessing=Preprocessing(size_hw=config.data.size_hw, crop=config.data.crop, views=config.data.views),
        has_mask=config.loss.teaches_mask,
        has_malignancy=has_malignancy,
        has_malignancy_map=has_malignancy and network_entry(config.network.name).has_malignancy_map(config.network),
        mask_threshold=config.run.mask_threshold,
        smooth_outlines=config.run.smooth_outlines,
        min_area_fraction=config.run.min_area_fraction,
        risk_meaning="; or ".join(meanings) if has_malignancy else "none: not trained to rate malignancy",
        training_sets=(
            *(own_set(source, rows, list_hash(rows), fold) for source, rows in sorted(by_source.items())),
            *inherited_sets(record["started_with"].get("bundle")),
        ),
        calibration=Calibration(),
        operating_points=(),
        scores=(),
        versions=record["started_with"]["versions"],
        git_revision=record["started_with"]["git_revision"],
        created=utc_now(),
        seed=config.run.seed,
        notes=config.about,
    )


def list_hash(cases: Sequence[Case]) -> str:
    """Rows -> SHA-256 of their sorted names, labels and groups: it identifies the list and holds no path."""
    import hashlib

    lines = sorted(f"{case.source}/{case.case_id} {case.malignancy} {case.group}" for case in cases)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

"""TensorFlow 1 checkpoint of the original network -> VNet2d and its bundle, by the names of the variables.

Only read_tensorflow_checkpoint needs TensorFlow (the extra `tensorflow`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from thyrosight.bundle.card import model_card
from thyrosight.bundle.records import BundleInfo, Calibration, Preprocessing
from thyrosight.bundle.store import refuse_other_network, write_bundle
from thyrosight.environment import TRAINING_LIBRARIES, git_revision, library_versions, utc_now
from thyrosight.errors import InputError, MissingExtraError
from thyrosight.export.onnx import checked_onnx, weights_bytes
from thyrosight.networks.vnet2d import STAGES, ConvUnit, Residual, VNet2d
from thyrosight.types import FloatArray

TO_TORCH = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}
"""Order of axes by rank. A convolution is (rows, columns, in, out) in TensorFlow, (out, in, rows, columns) in torch; a
transposed one (rows, columns, out, in) and (in, out, rows, columns), a dense layer (in, out) and (out, in)."""
TO_TENSORFLOW = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
TRAINING_ONLY = re.compile(r".*/Adam(_\d+)?|beta[12]_power(_\d+)?|global_step")
"""Variables of the optimiser in a checkpoint."""
NUM_NAMED = 6
"""At most this many names are listed in an error."""


def _unit(scope: str, unit: nn.Module) -> Iterator[tuple[str, Tensor]]:
    assert isinstance(unit, ConvUnit)
    yield from _weights(scope, unit.conv)
    yield f"{scope}groupgroup_gama", unit.norm.weight
    yield f"{scope}groupgroup_beta", unit.norm.bias


def _units(prefix: str, block: nn.Module) -> Iterator[tuple[str, Tensor]]:
    assert isinstance(block, Residual)
    for number, unit in enumerate(block.units, start=1):
        yield from _unit(f"{prefix}{number}", unit)


def _weights(scope: str, module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    assert isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
    assert module.bias is not None
    yield f"{scope}W", module.weight
    yield f"{scope}B", module.bias


def _named(network: VNet2d) -> Iterator[tuple[str, Tensor]]:
    """-> every parameter with its TensorFlow name, in the order of the graph."""
    yield from _weights("layer0", network.stem)
    for stage, block in enumerate(network.encode, start=1):
        if stage > 1:
            yield from _unit(f"down{stage - 1}", network.down[stage - 2])
        separator = "-" if stage == 1 else "_"
        yield from _units(f"layer{stage}{separator}", block)
    yield from _weights("fc1", network.classify.hidden)
    yield from _weights("classify_output", network.classify.logits)
    for step, (up, block) in enumerate(zip(network.up, network.decode, strict=True), start=1):
        yield from _weights(f"deconv{step}", up)
        yield from _units(f"layer{len(STAGES) + step}_", block)
    yield from _weights("output", network.mask)


def vnet2d_from_tensorflow(variables: Mapping[str, NDArray[Any]]) -> VNet2d:
    """{name: variable in TensorFlow's layout} -> VNet2d in evaluation mode.

    InputError names the variables that are missing, unknown, of the wrong shape, or not finite.
    """
    network = VNet2d()
    parameters = dict(_named(network))
    _refuse(variables, parameters)
    with torch.no_grad():
        for name, parameter in parameters.items():
            value = np.asarray(variables[name], dtype=np.float32)
            parameter.copy_(torch.from_numpy(value.transpose(TO_TORCH[value.ndim]).copy()))
    return network.eval()


def vnet2d_to_tensorflow(network: VNet2d) -> dict[str, FloatArray]:
    """VNet2d -> its 154 variables by TensorFlow name, in TensorFlow's layout (float32 copies). For tests."""
    result = {}
    for name, parameter in _named(network):
        value = parameter.detach().to("cpu", torch.float32).numpy()
        result[name] = value.transpose(TO_TENSORFLOW[value.ndim]).copy()
    return result


def _refuse(variables: Mapping[str, NDArray[Any]], parameters: Mapping[str, Tensor]) -> None:
    faults = []
    for text, names in (
        ("missing", [name for name in parameters if name not in variables]),
        ("unknown", [name for name in variables if name not in parameters]),
    ):
        if names:
            faults.append(f"{text}: {_listed(names)}")
    shared = {name: np.asarray(variables[name]) for name in parameters if name in variables}
    wrong = []
    for name, value in shared.items():
        shape = tuple(parameters[name].shape[axis] for axis in TO_TENSORFLOW[parameters[name].ndim])
        if value.shape != shape:
            wrong.append(f"{name} is {value.shape}, not {shape}")
    if wrong:
        faults.append(f"of the wrong shape: {_listed(wrong)}")
    not_finite = [name for name, value in shared.items() if not np.isfinite(value).all()]
    if not_finite:
        faults.append(f"not finite: {_listed(not_finite)}")
    if faults:
        raise InputError(
            "these are not the variables of the original multi-task VNet2d; "
            + "; ".join(faults)
            + ". Pass a checkpoint of that network, saved by tf.train.Saver"
        )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NUM_NAMED} more" if len(names) > NUM_NAMED else ""
    return ", ".join(names[:NUM_NAMED]) + more


def read_tensorflow_checkpoint(path: Path) -> dict[str, FloatArray]:
    """Prefix of a checkpoint, one of its files, or its folder -> variables by name.

    The optimiser's variables are left out. Raises MissingExtraError without TensorFlow, InputError where there is no
    readable checkpoint, or several.
    """
    prefix = _checkpoint_prefix(path)
    try:
        import tensorflow as tf
    except ImportError:
        raise MissingExtraError(
            f"{path}: reading a TensorFlow checkpoint needs TensorFlow; pip install 'thyrosight[tensorflow]'"
        ) from None
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = sorted(name for name in reader.get_variable_to_shape_map() if not TRAINING_ONLY.fullmatch(name))
        return {name: np.asarray(reader.get_tensor(name)) for name in names}
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"{path}: TensorFlow can't read this checkpoint ({reason}); keep its files together, .index and .data-*"
        ) from None


def _checkpoint_prefix(path: Path) -> Path:
    """-> the prefix of the checkpoint's files.

    TensorFlow's first format is a single file; the prefix is then the path of this file.
    """
    if path.is_dir():
        found = sorted(path.glob("*.index"))
        if not found:
            raise InputError(f"{path}: no checkpoint in this folder; pass the folder of a file such as Vnet2d.pd.index")
        if len(found) > 1:
            names = _listed([file.stem for file in found])
            raise InputError(f"{path}: {len(found)} checkpoints in this folder; pass one of them by name: {names}")
        path = found[0]
    prefix = path.with_name(re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path.name))
    if not (prefix.is_file() or prefix.with_name(prefix.name + ".index").is_file()):
        raise InputError(
            f"{path}: no checkpoint here; pass the prefix of its files, such as Vnet2d.pd for Vnet2d.pd.index"
        )
    return prefix


def import_tensorflow(checkpoint: Path, out: Path, size_hw: tuple[int, int] = (512, 512)) -> Path:
    """TensorFlow 1 checkpoint of the original multi-task V-Net -> bundle; its mask threshold is the recipe's 0.8."""
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
        versions=library_versions(TRAINING_LIBRARIES),
        git_revision=git_revision(),
        created=utc_now(),
        seed=None,
        notes="Imported from a TensorFlow checkpoint, which does not record its training sets.",
    )
    weights = weights_bytes(network, half=False)
    refuse_other_network(out, weights)
    return write_bundle(out, info, checked_onnx(network, size_hw), weights, model_card(info))

"""torch network -> ONNX bytes that compute the same, and its weights as safetensors.

The kernels of a bundle are rounded to float16 before export, and both files store them as float16. In the ONNX file a
Cast to float32 follows each kernel; ONNX Runtime computes it once, when it loads the network. So it computes with the
same numbers as torch.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from thyrosight.errors import BundleError
from thyrosight.inference.onnx_runtime import INPUT_NAME, OUTPUT_NAMES, open_session

MIN_VALUES = 256
"""A tensor with fewer values stays float32: its Cast node would cost more than it saves."""


def with_half_kernels(onnx_bytes: bytes) -> bytes:
    """ONNX bytes -> the same, with float32 tensors of two or more axes as float16 where this changes no value."""
    model = onnx.load_from_string(onnx_bytes)
    casts = []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < MIN_VALUES:
            continue
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *others])
    return bytes(model.SerializeToString())


MAX_PROBABILITY_DIFFERENCE = 1e-4


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
    """Network -> ONNX bytes with free batch, height and width, weights inside, kernels as float16 where possible.

    The network is traced. With free sizes torch's newer exporter takes minutes for the V-Net, because it solves for the
    padding; tracing takes seconds. `checked_onnx` compares the result with torch at sizes that were not traced. Norms
    are not folded into the kernels: folded kernels would not be float16. ONNX Runtime folds them when it loads the
    network.
    """
    form = OnnxForm(network).eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    free = {0: "batch", 2: "height", 3: "width"}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            form,
            (torch.zeros(2, 1, *size_hw),),
            cast(Any, buffer),  # the tracing exporter takes a stream, although the annotation has none
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
    """Largest absolute differences between ONNX Runtime and torch over some images."""

    probability: float
    logit: float
    num_images: int


def parity(network: nn.Module, onnx_bytes: bytes, images_B1HW: Sequence[np.ndarray]) -> Parity:
    """Network, its ONNX bytes, batches of images (float32 in [0, 1]) -> how much torch and ONNX Runtime differ."""
    form = OnnxForm(network).eval()
    session = open_session(onnx_bytes)
    worst_probability = worst_logit = 0.0
    for batch in images_B1HW:
        with torch.inference_mode():
            expected = [value.numpy() for value in form(torch.from_numpy(batch))]
        found = session.run(list(OUTPUT_NAMES), {INPUT_NAME: batch})
        # np.maximum and not max(): a difference that is NaN has to stay NaN.
        worst_probability = float(np.maximum(worst_probability, np.abs(expected[0] - found[0]).max()))
        worst_logit = float(np.maximum(worst_logit, np.abs(expected[1] - found[1]).max()))
    return Parity(worst_probability, worst_logit, sum(len(batch) for batch in images_B1HW))


def checked_onnx(network: nn.Module, size_hw: tuple[int, int]) -> bytes:
    """Network -> ONNX bytes; BundleError where their mask probability differs from torch's on noise of two sizes."""
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
    """Round the kernels to float16 values in place, so that safetensors can store them in half the size."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:
                parameter.copy_(parameter.half().float())


def weights_bytes(network: nn.Module, *, half: bool) -> bytes:
    """Network -> its state as safetensors; half: kernels as float16, after `round_to_half`."""
    from safetensors.torch import save

    state = {
        name: (value.half() if half and value.ndim > 1 else value).contiguous()
        for name, value in network.state_dict().items()
    }
    return bytes(save(state))

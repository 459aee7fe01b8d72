"""Rules of operators: the shape that ONNX Runtime gives, and a refusal where it would refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from evil_bundles import constant, node
from thyrosight.bundle.graph.onnx_operators import OPERATORS, result_of
from thyrosight.bundle.graph.onnx_reader import FLOAT, Tensor, read_graph
from thyrosight.bundle.graph.onnx_shapes import Call
from thyrosight.bundle.weight_checks import WeightsError
from thyrosight.inference.onnx_runtime import open_session
from tiny_bundle import tiny_onnx

SHAPE = (2, 1, 6, 10)
CASES: dict[str, tuple[list[tuple[int, ...]], dict[str, Any]]] = {
    "Elu": ([], {"alpha": 0.5}),
    "Erf": ([], {}),
    "HardSigmoid": ([], {"alpha": 0.2, "beta": 0.5}),
    "HardSwish": ([], {}),
    "Softplus": ([], {}),
    "GlobalMaxPool": ([], {}),
    "PRelu": ([(1, 1, 1)], {}),
    "MatMul": ([(3, 10, 4)], {}),
    "DepthToSpace": ([], {"blocksize": 1, "mode": "CRD"}),
    "LayerNormalization": ([(6, 10), (6, 10)], {"axis": -2}),
    "InstanceNormalization": ([(1,), (1,)], {"epsilon": 1e-5}),
}
"""Operator -> the shapes of its further inputs, its attributes."""
UNFIT: dict[str, tuple[list[tuple[int, ...]], dict[str, Any]]] = {
    "PRelu": ([(3, 1, 1)], {}),
    "MatMul": ([(9, 4)], {}),
    "DepthToSpace": ([], {"blocksize": 2}),
    "LayerNormalization": ([(7,)], {}),
    "InstanceNormalization": ([(2,), (2,)], {}),
    "Erf": ([(1,)], {}),
    "Elu": ([], {"alpha": float("nan")}),
}


def model_with(operator: str, shapes: list[tuple[int, ...]], attributes: dict[str, Any]) -> bytes:
    """-> the tiny network with one more output, `result`, which the operator gives for the image."""
    model = onnx.load_from_string(tiny_onnx())
    names = [constant(model, f"w{index}", np.full(shape, 0.5), np.float32) for index, shape in enumerate(shapes)]
    model.graph.node.append(node(operator, ["image", *names], "result", **attributes))
    model.graph.output.append(onnx.helper.make_tensor_value_info("result", FLOAT, None))
    return bytes(model.SerializeToString())


def followed_shape(onnx_bytes: bytes) -> tuple[int, ...]:
    """-> the shape of `result` by our rules."""
    last = onnx.load_from_string(onnx_bytes).graph.node[-1]
    graph = read_graph(onnx_bytes)
    tensors = {"image": Tensor(SHAPE, FLOAT), **graph.constants}
    call = next(found for found in graph.nodes if found.outputs == tuple(last.output))
    return result_of(Call(call, tuple(tensors[name] for name in call.inputs))).output.shape


@pytest.mark.parametrize("operator", CASES)
def test_a_rule_gives_the_shape_that_onnx_runtime_gives(operator: str) -> None:
    assert operator in OPERATORS
    onnx_bytes = model_with(operator, *CASES[operator])
    image = np.random.default_rng(0).random(SHAPE, dtype=np.float32)
    (found,) = open_session(onnx_bytes).run(["result"], {"image": image})
    assert followed_shape(onnx_bytes) == found.shape


@pytest.mark.parametrize("operator", UNFIT)
def test_what_does_not_fit_is_refused(operator: str) -> None:
    with pytest.raises(WeightsError, match=f"operation {operator} that gives 'result'"):
        followed_shape(model_with(operator, *UNFIT[operator]))

"""Operation -> an error where ONNX does not allow the number or types of its inputs, or its attributes.

Shapes and sizes are checked in onnx_shapes.py and onnx_operators.py. ONNX Runtime would refuse most of this too, but
later, with messages that no user can act on. And a division of whole numbers that overflows ends the whole process.

Source: the ONNX operator specification, opsets 13 to 21.
"""

from __future__ import annotations

import math

from thyrosight.bundle.graph.onnx_reader import BOOL, FLOAT, INT32, INT64, Tensor
from thyrosight.bundle.graph.onnx_shapes import Call

FLOATS = frozenset({FLOAT, 10, 11})
NUMBERS = FLOATS | {INT32, INT64}
SIZES = frozenset({INT64})
ANY = NUMBERS | {BOOL}

ONE_TYPE: dict[str, tuple[int, int, frozenset[int]]] = {
    **dict.fromkeys(("Abs", "Neg", "Relu", "Sign"), (1, 1, NUMBERS)),
    **dict.fromkeys(("Exp", "Log", "Sigmoid", "Sqrt", "Tanh", "LeakyRelu", "Softmax"), (1, 1, FLOATS)),
    **dict.fromkeys(("Elu", "Erf", "HardSigmoid", "HardSwish", "Softplus"), (1, 1, FLOATS)),
    "Clip": (1, 3, NUMBERS),
    "DepthToSpace": (1, 1, FLOATS),
    **dict.fromkeys(("Add", "Div", "Mul", "Sub", "Mod"), (2, 2, NUMBERS)),
    "Concat": (1, 1 << 16, ANY),
    "BatchNormalization": (5, 5, FLOATS),
    "InstanceNormalization": (3, 3, FLOATS),
    "LayerNormalization": (2, 3, FLOATS),
    **dict.fromkeys(("MatMul", "PRelu"), (2, 2, FLOATS)),
    **dict.fromkeys(("Conv", "ConvTranspose", "Gemm"), (2, 3, FLOATS)),
    **dict.fromkeys(("AveragePool", "MaxPool", "GlobalAveragePool", "GlobalMaxPool"), (1, 1, FLOATS)),
}
"""Operator whose inputs all have the same element type -> (fewest inputs, most inputs, the types allowed)."""
MIXED_TYPES: dict[str, tuple[tuple[frozenset[int], ...], int]] = {
    **dict.fromkeys(("Identity", "Cast", "Shape", "Flatten", "Transpose"), ((ANY,), 1)),
    "Constant": ((), 0),
    "ConstantOfShape": ((SIZES,), 1),
    "Pow": ((NUMBERS, NUMBERS), 2),
    "Reshape": ((ANY, SIZES), 2),
    "Unsqueeze": ((ANY, SIZES), 2),
    "Squeeze": ((ANY, SIZES), 1),
    "Gather": ((ANY, frozenset({INT32, INT64})), 2),
    "Slice": ((ANY, *(frozenset({INT32, INT64}),) * 4), 3),
    "Pad": ((ANY, SIZES, ANY), 2),
    "Resize": ((NUMBERS, FLOATS, FLOATS, SIZES), 1),
    **dict.fromkeys(("ReduceMax", "ReduceMean", "ReduceSum"), ((NUMBERS, SIZES), 1)),
}
"""Operator -> (for each input the element types allowed, how many of the inputs are required)."""
REAL = {"alpha", "beta", "cubic_coeff_a", "epsilon", "momentum"}
WORDS = {
    "auto_pad": {"NOTSET"},
    "coordinate_transformation_mode": {"align_corners", "asymmetric", "half_pixel", "pytorch_half_pixel"},
    "nearest_mode": {"ceil", "floor", "round_prefer_ceil", "round_prefer_floor"},
}
MODES = {
    "DepthToSpace": {"CRD", "DCR"},
    "Pad": {"constant", "edge", "reflect"},
    "Resize": {"cubic", "linear", "nearest"},
}


def check_types(call: Call) -> None:
    """WeightsError where the operation can't have these inputs or attributes."""
    _check_attributes(call)
    operator, types = call.node.operator, [one.dtype if one is not None else None for one in call.inputs]
    if operator in ONE_TYPE:
        fewest, most, allowed = ONE_TYPE[operator]
        given = {dtype for dtype in types if dtype is not None}
        is_sound = fewest <= len(types) <= most and None not in types[:fewest] and len(given) == 1 and given <= allowed
    else:
        places, fewest = MIXED_TYPES[operator]
        is_sound = len(types) <= len(places) and len(types) >= fewest and None not in types[:fewest]
        is_sound = is_sound and all(
            dtype is None or dtype in allowed for dtype, allowed in zip(types, places, strict=False)
        )
    if not is_sound:
        raise call.fault("has inputs of a number or a type that it can't have")
    if operator in ("Div", "Mod") and types[0] not in FLOATS:
        _check_whole_division(call)


def _check_whole_division(call: Call) -> None:
    """Whole numbers: a division by 0, or of the smallest by -1, ends the process, so both numbers must be known."""
    one, other = call.tensor(0), call.tensor(1)
    if one.values is None or other.values is None:
        raise call.fault("divides whole numbers that depend on the pixels, or are too many")
    smallest = -(2**31) if one.dtype == INT32 else -(2**63)
    if (other.values == 0).any() or ((other.values == -1).any() and (one.values == smallest).any()):
        raise call.fault("divides whole numbers that can't be divided")


def _check_attributes(call: Call) -> None:
    for name, value in call.node.attributes.items():
        if name in REAL:
            is_sound = isinstance(value, float) and math.isfinite(value)
        elif name in WORDS:
            is_sound = value in WORDS[name]
        elif name == "mode":
            is_sound = value in MODES[call.node.operator]
        elif name == "value":
            is_sound = isinstance(value, Tensor)
        else:
            is_sound = isinstance(value, int) or (
                isinstance(value, tuple) and all(isinstance(number, int) for number in value)
            )
        if not is_sound:
            raise call.fault(f"its attribute {name} is not a valid one")
    if call.node.attributes.get("epsilon", 1.0) <= 0:  # type: ignore[operator]  # a real number, by the above
        raise call.fault("its epsilon is not a valid one")

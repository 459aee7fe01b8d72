"""Operator, its inputs -> shape of its output and its work, for the operators in OPERATORS.

Any other operator is refused.

Source: the ONNX operator specification, opsets 13 to 21.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from thyrosight.bundle.graph.onnx_reader import MAX_RANK
from thyrosight.bundle.graph.onnx_shapes import (
    MAX_SIDE,
    SLOW,
    Call,
    Result,
    broadcast,
    cast,
    checked_num_values,
    concat,
    constant,
    constant_of_shape,
    flatten,
    gather,
    new_tensor,
    pad,
    part,
    reshape,
    resize,
    same,
    shape_of,
    squeeze,
    transpose,
    unsqueeze,
)
from thyrosight.bundle.graph.onnx_types import check_types
from thyrosight.bundle.weight_checks import WeightsError


def result_of(call: Call) -> Result:
    """-> the output and its work; WeightsError for an operator, an attribute or a size that isn't known."""
    known = OPERATORS.get(call.node.operator)
    if known is None:
        raise WeightsError(f"needs the operator {call.node.operator!r}, which has no rule in onnx_operators.py")
    rule, attributes = known
    if unknown := sorted(call.node.attributes.keys() - attributes):
        raise call.fault(f"its attribute {unknown[0]!r} is not known here")
    if len(call.node.outputs) != 1:
        raise call.fault(f"has {len(call.node.outputs)} outputs, not one")
    check_types(call)
    result = rule(call)
    if len(result.output.shape) > 1 and 0 in result.output.shape:
        raise call.fault("would give a tensor without values")
    if len(result.output.shape) > MAX_RANK or not all(0 <= size < MAX_SIDE for size in result.output.shape):
        raise call.fault(f"would give a tensor of {'x'.join(map(str, result.output.shape[:MAX_RANK]))} values")
    return result


# Reductions, and products with weights


def _reduce(call: Call) -> Result:
    first = call.tensor(0)
    rank = len(first.shape)
    given = call.known(1) if call.has(1) else call.numbers("axes", range(rank))
    axes = {call.axis(axis, rank) for axis in given}
    if call.number("keepdims", 1):
        shape = [1 if axis in axes else size for axis, size in enumerate(first.shape)]
    else:
        shape = [size for axis, size in enumerate(first.shape) if axis not in axes]
    return Result(new_tensor(shape, first.dtype), first.num_values)


def _batch_norm(call: Call) -> Result:
    first = call.tensor(0)
    if call.number("training_mode", 0) or len(first.shape) < 2:
        raise call.fault("is not one for prediction")
    if any(call.tensor(index).shape != (first.shape[1],) for index in range(1, 5)):
        raise call.fault("its weights don't fit")
    return Result(new_tensor(first.shape, first.dtype), 2 * first.num_values)


def _gemm(call: Call) -> Result:
    one, other = call.tensor(0), call.tensor(1)
    if len(one.shape) != 2 or len(other.shape) != 2:
        raise call.fault("its inputs are no tables")
    rows, inner = one.shape[::-1] if call.number("transA", 0) else one.shape
    inner_2, columns = other.shape[::-1] if call.number("transB", 0) else other.shape
    if inner != inner_2:
        raise call.fault(f"its inputs of {one.shape} and {other.shape} don't fit")
    bias = call.tensor(2).shape if call.has(2) else ()
    if len(bias) > 2 or any(size not in (1, full) for size, full in zip(bias[::-1], (columns, rows), strict=False)):
        raise call.fault(f"its bias of {bias} does not fit")
    return Result(new_tensor((rows, columns), one.dtype), rows * columns * max(1, inner))


def _matrix_product(call: Call) -> Result:
    """(..., rows, inner) times (..., inner, columns) -> (..., rows, columns).

    The axes in front of these are broadcast.
    """
    one, other = call.tensor(0).shape, call.tensor(1).shape
    if min(len(one), len(other)) < 2 or one[-1] != other[-2]:
        raise call.fault(f"its inputs of {one} and {other} don't fit")
    shape = (*_broadcast_shape(call, one[:-2], other[:-2]), one[-2], other[-1])
    return Result(new_tensor(shape, call.tensor(0).dtype), checked_num_values(call, shape) * max(1, one[-1]))


def _broadcast_shape(call: Call, one: Sequence[int], other: Sequence[int]) -> tuple[int, ...]:
    rank = max(len(one), len(other))
    pairs = [((1,) * (rank - len(shape)) + tuple(shape)) for shape in (one, other)]
    if any(first != second and 1 not in (first, second) for first, second in zip(*pairs, strict=True)):
        raise call.fault(f"its inputs of {one} and {other} don't fit")
    return tuple(second if first == 1 else first for first, second in zip(*pairs, strict=True))


def _layer_norm(call: Call) -> Result:
    first = call.tensor(0)
    normal = first.shape[call.axis(call.number("axis", -1), len(first.shape)) :]
    if any(call.tensor(index).shape != normal for index in (1, 2) if index == 1 or call.has(index)):
        raise call.fault("its weights don't fit")
    return Result(new_tensor(first.shape, first.dtype), SLOW * first.num_values)


def _instance_norm(call: Call) -> Result:
    first = call.tensor(0)
    if len(first.shape) < 3 or any(call.tensor(index).shape != (first.shape[1],) for index in (1, 2)):
        raise call.fault("its weights don't fit")
    return Result(new_tensor(first.shape, first.dtype), SLOW * first.num_values)


def _sloped(call: Call) -> Result:
    first = call.tensor(0)
    if _broadcast_shape(call, first.shape, call.tensor(1).shape) != first.shape:
        raise call.fault("its slopes don't fit")
    return same(1)(call)


def _convolution(call: Call) -> Result:
    first, kernel, group = call.tensor(0), call.tensor(1), call.number("group", 1)
    if len(first.shape) != 4 or len(kernel.shape) != 4 or group < 1 or first.shape[1] != kernel.shape[1] * group:
        raise call.fault(f"its kernels of {kernel.shape} don't fit {first.shape}")
    _check_window(call, kernel.shape[2:])
    _check_bias(call, kernel.shape[0])
    shape = (first.shape[0], kernel.shape[0], *_windowed(call, first.shape[2:], kernel.shape[2:]))
    return Result(new_tensor(shape, first.dtype), checked_num_values(call, shape) * math.prod(kernel.shape[1:]))


def _transposed_convolution(call: Call) -> Result:
    first, kernel, group = call.tensor(0), call.tensor(1), call.number("group", 1)
    if len(first.shape) != 4 or len(kernel.shape) != 4 or group < 1 or first.shape[1] != kernel.shape[0]:
        raise call.fault(f"its kernels of {kernel.shape} don't fit {first.shape}")
    _check_window(call, kernel.shape[2:])
    _check_bias(call, kernel.shape[1] * group)
    strides, pads, dilations, extra = _window(call)
    sides = [
        (size - 1) * strides[at] + extra[at] + (kernel.shape[2 + at] - 1) * dilations[at] + 1 - pads[at] - pads[at + 2]
        for at, size in enumerate(first.shape[2:])
    ]
    shape = (first.shape[0], kernel.shape[1] * group, *sides)
    checked_num_values(call, shape)
    return Result(new_tensor(shape, first.dtype), first.num_values * math.prod(kernel.shape[1:]))


def _check_bias(call: Call, num_channels: int) -> None:
    if call.has(2) and call.tensor(2).shape != (num_channels,):
        raise call.fault(f"its bias of {call.tensor(2).shape} does not fit")


def _pool(call: Call) -> Result:
    first = call.tensor(0)
    window = call.numbers("kernel_shape", ())
    if len(first.shape) != 4:
        raise call.fault("its input is no map")
    _check_window(call, window)
    if any(pad >= window[at % 2] for at, pad in enumerate(_window(call)[1])):
        raise call.fault("its border is as wide as its window")
    shape = (*first.shape[:2], *_windowed(call, first.shape[2:], window))
    return Result(new_tensor(shape, first.dtype), checked_num_values(call, shape) * math.prod(window))


def _global_pool(call: Call) -> Result:
    first = call.tensor(0)
    if len(first.shape) != 4:
        raise call.fault("its input is no map")
    return Result(new_tensor((*first.shape[:2], 1, 1), first.dtype), first.num_values)


def _depth_to_space(call: Call) -> Result:
    """Blocks of channels -> blocks of pixels."""
    first, block = call.tensor(0), call.number("blocksize", 0)
    if len(first.shape) != 4 or block < 1 or first.shape[1] % (block * block):
        raise call.fault(f"its blocks of {block} don't fit {first.shape}")
    batch, channels, height, width = first.shape
    shape = (batch, channels // (block * block), height * block, width * block)
    return Result(new_tensor(shape, first.dtype), first.num_values)


def _clip(call: Call) -> Result:
    if any(call.has(index) and call.tensor(index).num_values != 1 for index in (1, 2)):
        raise call.fault("its bounds are not single values")
    return same(1)(call)


def _softmax(call: Call) -> Result:
    call.axis(call.number("axis", -1), len(call.tensor(0).shape))
    return same(SLOW)(call)


def _check_window(call: Call, window: Sequence[int]) -> None:
    if len(window) != 2 or any(size < 1 for size in window):
        raise call.fault(f"its window {tuple(window)[:4]} is not valid")
    if call.numbers("kernel_shape", window) != tuple(window):
        raise call.fault("its window is not that of its kernels")
    if call.text("auto_pad", "NOTSET") != "NOTSET":
        raise call.fault("does not state its border")


def _window(call: Call) -> tuple[tuple[int, ...], ...]:
    """-> (strides, pads, dilations, output padding), checked: each has the right length, and no number is negative."""
    strides, pads = call.numbers("strides", (1, 1)), call.numbers("pads", (0, 0, 0, 0))
    dilations, extra = call.numbers("dilations", (1, 1)), call.numbers("output_padding", (0, 0))
    if [len(part) for part in (strides, pads, dilations, extra)] != [2, 4, 2, 2]:
        raise call.fault("its strides, borders or dilations don't fit")
    if min(*strides, *dilations) < 1 or min(*pads, *extra) < 0:
        raise call.fault("its strides, borders or dilations are not valid")
    return strides, pads, dilations, extra


def _windowed(call: Call, size_hw: Sequence[int], window: Sequence[int]) -> list[int]:
    """Size of a map, size of a window -> the number of positions of the window along each axis."""
    strides, pads, dilations, _ = _window(call)
    rounded_up = call.number("ceil_mode", 0)
    sides = []
    for at, size in enumerate(size_hw):
        free = size + pads[at] + pads[at + 2] - dilations[at] * (window[at] - 1) - 1
        if free < 0:
            raise call.fault("its window is larger than its input")
        sides.append((-(-free // strides[at]) if rounded_up else free // strides[at]) + 1)
    return sides


_WINDOW = {"kernel_shape", "strides", "pads", "dilations", "auto_pad"}
OPERATORS: dict[str, tuple[Callable[[Call], Result], set[str]]] = {
    **{name: (same(1), set()) for name in ("Abs", "Identity", "Neg", "Relu", "Sign")},
    **{name: (same(SLOW), set()) for name in ("Exp", "Log", "Sigmoid", "Sqrt", "Tanh")},
    **{name: (same(SLOW), set()) for name in ("Erf", "HardSwish", "Softplus")},
    "Elu": (same(SLOW), {"alpha"}),
    "HardSigmoid": (same(1), {"alpha", "beta"}),
    "LeakyRelu": (same(1), {"alpha"}),
    "PRelu": (_sloped, set()),
    "Clip": (_clip, set()),
    "DepthToSpace": (_depth_to_space, {"blocksize", "mode"}),
    "Softmax": (_softmax, {"axis"}),
    "Cast": (cast, {"to"}),
    **{name: (broadcast, set()) for name in ("Add", "Div", "Mul", "Pow", "Sub")},
    "Mod": (broadcast, {"fmod"}),
    "Shape": (shape_of, {"start", "end"}),
    "Constant": (constant, {"value"}),
    "ConstantOfShape": (constant_of_shape, {"value"}),
    "Reshape": (reshape, {"allowzero"}),
    "Unsqueeze": (unsqueeze, set()),
    "Squeeze": (squeeze, set()),
    "Flatten": (flatten, {"axis"}),
    "Transpose": (transpose, {"perm"}),
    "Gather": (gather, {"axis"}),
    "Concat": (concat, {"axis"}),
    "Slice": (part, set()),
    "Pad": (pad, {"mode"}),
    "Resize": (resize, {"coordinate_transformation_mode", "cubic_coeff_a", "mode", "nearest_mode"}),
    **{name: (_reduce, {"axes", "keepdims"}) for name in ("ReduceMax", "ReduceMean", "ReduceSum")},
    "BatchNormalization": (_batch_norm, {"epsilon", "momentum", "training_mode"}),
    "InstanceNormalization": (_instance_norm, {"epsilon"}),
    "LayerNormalization": (_layer_norm, {"axis", "epsilon", "stash_type"}),
    "MatMul": (_matrix_product, set()),
    "Gemm": (_gemm, {"alpha", "beta", "transA", "transB"}),
    "Conv": (_convolution, _WINDOW | {"group"}),
    "ConvTranspose": (_transposed_convolution, _WINDOW | {"group", "output_padding"}),
    "AveragePool": (_pool, _WINDOW | {"ceil_mode", "count_include_pad"}),
    "MaxPool": (_pool, _WINDOW | {"ceil_mode", "storage_order"}),
    **{name: (_global_pool, set()) for name in ("GlobalAveragePool", "GlobalMaxPool")},
}
"""Operator -> (its rule, the attributes that it may have). The table has the operators of our networks, and some that
other networks often have. The types of their inputs are in onnx_types.py."""

"""Operation that is elementwise, or that moves or resizes values -> shape of its output, its cost in multiply-adds.

A size that depends on the pixels is refused: the sizes that Reshape, Slice, Pad and the like take must follow from the
size of the network's input alone. These sizes are computed here as ONNX Runtime computes them.

Source: the ONNX operator specification, opsets 13 to 21.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from thyrosight.bundle.graph.onnx_reader import (
    DTYPES,
    FLOAT,
    INT64,
    MAX_KNOWN_VALUES,
    MAX_RANK,
    Node,
    Tensor,
)
from thyrosight.bundle.weight_checks import WeightsError

MAX_SIDE = 1 << 31
Typed = TypeVar("Typed", int, str)
SLOW, CUBIC_TAPS = 10, 16
"""Work per value, in multiply-adds: of a function like exp, and of a resize."""


class Result(NamedTuple):
    """What one operation gives, and its work in multiply-adds (one for each value moved or compared)."""

    output: Tensor
    work: int


@dataclass(frozen=True)
class Call:
    """One operation and the tensors of its inputs; an input that is left out is None."""

    node: Node
    inputs: tuple[Tensor | None, ...]

    def fault(self, what: str) -> WeightsError:
        gives = repr(self.node.outputs[0]) if self.node.outputs else "nothing"
        return WeightsError(f"operation {self.node.operator} that gives {gives}: {what}")

    def tensor(self, index: int) -> Tensor:
        found = self.inputs[index] if index < len(self.inputs) else None
        if found is None:
            raise self.fault(f"lacks its input {index}")
        return found

    def has(self, index: int) -> bool:
        return index < len(self.inputs) and self.inputs[index] is not None

    def known(self, index: int) -> list[int]:
        """Index of an input -> its whole numbers, which must follow from the size of the network's input."""
        values = self.tensor(index).values
        if values is None or values.dtype.kind != "i":
            raise self.fault("its sizes depend on the pixels, or are too many")
        found: list[int] = values.astype(np.int64).ravel().tolist()
        return found

    def number(self, name: str, default: int) -> int:
        return self._typed(name, default, int)

    def numbers(self, name: str, default: Sequence[int]) -> tuple[int, ...]:
        found = self.node.attributes.get(name, tuple(default))
        if not isinstance(found, tuple) or not all(isinstance(value, int) for value in found):
            raise self.fault(f"its attribute {name} has the wrong type")
        return tuple(value for value in found if isinstance(value, int))

    def text(self, name: str, default: str) -> str:
        return self._typed(name, default, str)

    def axis(self, axis: int, rank: int) -> int:
        if not -rank <= axis < rank:
            raise self.fault(f"has no axis {axis}")
        return axis % rank

    def _typed(self, name: str, default: Typed, kind: type[Typed]) -> Typed:
        found = self.node.attributes.get(name, default)
        if not isinstance(found, kind):
            raise self.fault(f"its attribute {name} has the wrong type")
        return found


def new_tensor(shape: Sequence[int], dtype: int, values: NDArray[np.generic] | None = None) -> Tensor:
    """-> a tensor; its values are kept if there are at most MAX_KNOWN_VALUES of them."""
    is_kept = values is not None and values.size <= MAX_KNOWN_VALUES
    return Tensor(tuple(int(size) for size in shape), dtype, values if is_kept else None)


# Values: one to one, broadcast, and from constants


def same(cost: int) -> Callable[[Call], Result]:
    def rule(call: Call) -> Result:
        first = call.tensor(0)
        values = first.values if call.node.operator == "Identity" else None
        if call.node.operator == "Neg" and first.values is not None:
            values = np.negative(first.values)
        return Result(Tensor(first.shape, first.dtype, values), first.num_values * cost)

    return rule


def cast(call: Call) -> Result:
    first, dtype = call.tensor(0), call.number("to", 0)
    if dtype not in DTYPES:
        raise call.fault(f"its type {dtype} is not known here")
    is_exact = first.values is not None and bool(np.isfinite(first.values.astype(np.float64)).all())
    values = first.values.astype(DTYPES[dtype]) if first.values is not None and is_exact else None
    return Result(new_tensor(first.shape, dtype, values), first.num_values)


def broadcast(call: Call) -> Result:
    one, other = call.tensor(0), call.tensor(1)
    rank = max(len(one.shape), len(other.shape))
    pairs = zip(*(((1,) * (rank - len(t.shape)) + t.shape) for t in (one, other)), strict=True)
    shape = []
    for first, second in pairs:
        if first != second and 1 not in (first, second):
            raise call.fault(f"its inputs of {one.shape} and {other.shape} don't fit")
        shape.append(second if first == 1 else first)
    values = None
    if one.values is not None and other.values is not None and math.prod(shape) <= MAX_KNOWN_VALUES:
        values = _arithmetic(call, one.values, other.values)
    return Result(new_tensor(shape, one.dtype, values), math.prod(shape))


def _arithmetic(call: Call, one: NDArray[np.generic], other: NDArray[np.generic]) -> NDArray[np.generic] | None:
    """Two small arrays -> the operator's result. Whole numbers wrap at 64 bits; a division is rounded towards zero."""
    operator = call.node.operator
    with np.errstate(all="ignore"):
        if operator in ("Add", "Sub", "Mul"):
            return np.asarray({"Add": np.add, "Sub": np.subtract, "Mul": np.multiply}[operator](one, other))
        if operator == "Pow":
            return None
        if one.dtype.kind == "f":
            return np.asarray(np.divide(one, other)) if operator == "Div" else None
        if (other == 0).any():
            raise call.fault("divides by zero")
        floor = np.floor_divide(one, other)
        if operator == "Mod":
            return np.asarray(one - floor * other)
        return np.asarray(floor + ((one - floor * other != 0) & (np.less(one, 0) != np.less(other, 0))))


def shape_of(call: Call) -> Result:
    shape = np.array(call.tensor(0).shape, np.int64)
    start, end = call.number("start", 0), call.number("end", MAX_RANK)
    chosen = shape[start:end]
    return Result(new_tensor(chosen.shape, INT64, chosen), len(shape))


def constant(call: Call) -> Result:
    found = call.node.attributes.get("value")
    if not isinstance(found, Tensor):
        raise call.fault("holds no tensor")
    return Result(found, found.num_values)


def constant_of_shape(call: Call) -> Result:
    shape = call.known(0)
    filler = call.node.attributes.get("value", Tensor((1,), FLOAT, np.zeros(1, np.float32)))
    if not isinstance(filler, Tensor) or filler.num_values != 1 or filler.values is None:
        raise call.fault("holds no single value")
    num_values = checked_num_values(call, shape)
    values = np.full(shape, filler.values.ravel()[0]) if num_values <= MAX_KNOWN_VALUES else None
    return Result(new_tensor(shape, filler.dtype, values), num_values)


def checked_num_values(call: Call, shape: Sequence[int]) -> int:
    """Shape -> how many values it has; WeightsError where no tensor may have this shape."""
    if len(shape) > MAX_RANK or any(not 0 <= size < MAX_SIDE for size in shape):
        raise call.fault(f"would give a tensor of {list(shape[:MAX_RANK])}")
    return math.prod(shape)


# Shape: the same values in another form


def reshape(call: Call) -> Result:
    first, wanted = call.tensor(0), call.known(1)
    if len(wanted) > MAX_RANK or wanted.count(-1) > 1 or any(size < -1 for size in wanted):
        raise call.fault(f"its shape {wanted[:MAX_RANK]} is not valid")
    allows_zero = call.number("allowzero", 0)
    if not allows_zero and any(size == 0 and at >= len(first.shape) for at, size in enumerate(wanted)):
        raise call.fault(f"its shape {wanted} is not valid")
    shape = [first.shape[at] if size == 0 and not allows_zero else size for at, size in enumerate(wanted)]
    if -1 in shape:
        others = math.prod(size for size in shape if size != -1)
        shape[shape.index(-1)] = first.num_values // others if others else 0
    if checked_num_values(call, shape) != first.num_values:
        raise call.fault(f"{first.shape} can't take the shape {wanted}")
    values = None if first.values is None else first.values.reshape(shape)
    return Result(new_tensor(shape, first.dtype, values), first.num_values)


def unsqueeze(call: Call) -> Result:
    first, given = call.tensor(0), call.known(1)
    rank = len(first.shape) + len(given)
    axes = {call.axis(axis, rank) for axis in given}
    if rank > MAX_RANK or len(axes) != len(given):
        raise call.fault(f"its axes {given[:MAX_RANK]} are not valid")
    sizes = iter(first.shape)
    shape = [1 if axis in axes else next(sizes) for axis in range(rank)]
    return _reshaped(first, shape)


def squeeze(call: Call) -> Result:
    first = call.tensor(0)
    rank = len(first.shape)
    given = call.known(1) if call.has(1) else [axis for axis in range(rank) if first.shape[axis] == 1]
    axes = {call.axis(axis, rank) for axis in given}
    if any(first.shape[axis] != 1 for axis in axes):
        raise call.fault(f"its axes {given[:MAX_RANK]} are not of size 1")
    return _reshaped(first, [size for axis, size in enumerate(first.shape) if axis not in axes])


def flatten(call: Call) -> Result:
    first = call.tensor(0)
    axis = call.number("axis", 1)
    axis = axis if axis == len(first.shape) else call.axis(axis, len(first.shape))
    return _reshaped(first, [math.prod(first.shape[:axis]), math.prod(first.shape[axis:])])


def _reshaped(first: Tensor, shape: Sequence[int]) -> Result:
    values = None if first.values is None else first.values.reshape(shape)
    return Result(new_tensor(shape, first.dtype, values), first.num_values)


def transpose(call: Call) -> Result:
    first = call.tensor(0)
    rank = len(first.shape)
    order = call.numbers("perm", range(rank)[::-1])
    if sorted(order) != list(range(rank)):
        raise call.fault(f"{order[:MAX_RANK]} is no order of its axes")
    values = None if first.values is None else first.values.transpose(order)
    return Result(new_tensor([first.shape[axis] for axis in order], first.dtype, values), first.num_values)


# Parts of a tensor, and tensors put together


def gather(call: Call) -> Result:
    first, chosen = call.tensor(0), call.tensor(1)
    axis = call.axis(call.number("axis", 0), len(first.shape))
    shape = (*first.shape[:axis], *chosen.shape, *first.shape[axis + 1 :])
    num_values = checked_num_values(call, shape)
    values = None
    if first.values is not None and chosen.values is not None and num_values <= MAX_KNOWN_VALUES:
        index = chosen.values.astype(np.int64)
        if ((index < -first.shape[axis]) | (index >= first.shape[axis])).any():
            raise call.fault("chooses beyond its input")
        values = np.take(first.values, index, axis=axis)
    return Result(new_tensor(shape, first.dtype, values), num_values)


def concat(call: Call) -> Result:
    parts = [call.tensor(index) for index in range(len(call.inputs))]
    rank = len(parts[0].shape) if parts else 0
    axis = call.axis(call.number("axis", 0), rank)
    rests = {(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts if len(part.shape) == rank}
    if len(rests) != 1 or any(len(part.shape) != rank for part in parts):
        raise call.fault("its inputs don't fit")
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    num_values = checked_num_values(call, shape)
    known = [part.values for part in parts if part.values is not None]
    is_known = len(known) == len(parts) and num_values <= MAX_KNOWN_VALUES
    return Result(new_tensor(shape, parts[0].dtype, np.concatenate(known, axis) if is_known else None), num_values)


def part(call: Call) -> Result:
    first, starts, ends = call.tensor(0), call.known(1), call.known(2)
    rank = len(first.shape)
    axes = [call.axis(axis, rank) for axis in (call.known(3) if call.has(3) else range(len(starts)))]
    steps = call.known(4) if call.has(4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) == len(set(axes)) or 0 in steps:
        raise call.fault("its starts, ends, axes and steps don't fit")
    parts = [slice(None)] * rank
    shape = list(first.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # Python's own slices, but for an end before the first value: ONNX has -INT_MAX there.
        stop = None if step < 0 and end < -first.shape[axis] else end
        parts[axis] = slice(start, stop, step)
        shape[axis] = len(range(*parts[axis].indices(first.shape[axis])))
    values = None if first.values is None else first.values[tuple(parts)]
    return Result(new_tensor(shape, first.dtype, values), math.prod(shape))


def pad(call: Call) -> Result:
    first, pads = call.tensor(0), call.known(1)
    rank = len(first.shape)
    if len(pads) != 2 * rank or call.has(3):
        raise call.fault("its borders don't fit")
    shape = [size + pads[axis] + pads[axis + rank] for axis, size in enumerate(first.shape)]
    lowest = min((size + min(pads[axis], pads[axis + rank], 0) for axis, size in enumerate(first.shape)), default=0)
    is_too_wide = any(pads[at] > 0 and pads[at] >= first.shape[at % rank] for at in range(2 * rank))
    if lowest < 0 or (is_too_wide and call.text("mode", "constant") == "reflect"):
        raise call.fault("its borders are wider than its input")
    return Result(new_tensor(shape, first.dtype), checked_num_values(call, shape))


def resize(call: Call) -> Result:
    first = call.tensor(0)
    if call.has(3):
        shape = call.known(3)
    else:
        scales = call.tensor(2).values
        if scales is None or scales.size != len(first.shape):
            raise call.fault("its scales depend on the pixels, or don't fit")
        factors = scales.astype(np.float64).ravel()
        if not np.isfinite(factors).all() or (factors < 0).any() or (factors > MAX_SIDE).any():
            raise call.fault("its scales are not sizes")
        shape = [math.floor(size * factor) for size, factor in zip(first.shape, factors, strict=True)]
    if len(shape) != len(first.shape):
        raise call.fault("its sizes don't fit")
    return Result(new_tensor(shape, first.dtype), checked_num_values(call, shape) * CUBIC_TAPS)

"""ONNX bytes -> Graph: nodes, constants, inputs and outputs. The reader is strict and needs no library but numpy.

A field that this reader doesn't know is refused, so a graph can't hold anything that is not looked at here: functions,
subgraphs, other domains, tensors in other files, sequences, sparse tensors, text tensors. A field that occurs twice
where only one is allowed is refused too, because readers differ in which one they use.

Sources: onnx.proto3 (field numbers), the Protocol Buffers encoding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from thyrosight.bundle.weight_checks import WeightsError, wire_fields

FORMATS = (3, 10)
"""First and last version of the ONNX file format (ir_version) that ONNX Runtime 1.18 reads."""
MAX_NODES = 50_000
MAX_FIELDS = 2_000_000
"""Most fields of one file. A bundle that is the mean of twenty networks has some hundred thousand."""
MAX_NAME_BYTES = 256
MAX_RANK = 8
MAX_KNOWN_VALUES = 1_024
"""Values are kept because they may be the sizes of a tensor. A constant with more values than this can't hold sizes, so
its values are not kept."""
OPSETS = range(13, 22)

FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9
DTYPES: dict[int, str] = {1: "<f4", 6: "<i4", 7: "<i8", 9: "?", 10: "<f2", 11: "<f8"}
"""The element types (TensorProto.DataType) that a network may hold -> NumPy's names."""
NOT_KNOWN_HERE = "uses a part of ONNX that no network of this program has"

_REPEATED = {"model": {8, 14}, "graph": {1, 5, 11, 12, 13, 16}, "node": {1, 2, 5, 9}, "attribute": {7, 8}}
_REPEATED |= {"tensor": {1, 4, 5, 7, 10, 11, 13, 16}, "shape": {1}}
_ALLOWED = {
    "model": {1, 2, 3, 4, 5, 6, 7, 8, 14},
    "opset": {1, 2},
    "graph": {1, 2, 5, 10, 11, 12, 13, 16},
    "node": {1, 2, 3, 4, 5, 6, 7, 9},
    "attribute": {1, 2, 3, 4, 5, 7, 8, 13, 20},
    "tensor": {1, 2, 4, 5, 7, 8, 9, 10, 12, 13, 14, 16},
    "value": {1, 2, 3},
    "type": {1, 6},
    "tensor type": {1, 2},
    "shape": {1},
    "dimension": {1, 2, 3},
}
"""Message -> the numbers of the fields that it may have. Those in _REPEATED may occur several times."""

Field = tuple[int, int | memoryview]


class Tensor(NamedTuple):
    """A tensor of the graph: its shape, element type (of DTYPES), and its values if these are known and few."""

    shape: tuple[int, ...]
    dtype: int
    values: NDArray[np.generic] | None = None

    @property
    def num_values(self) -> int:
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        return self.num_values * np.dtype(DTYPES[self.dtype]).itemsize


Attribute = int | float | str | tuple[int, ...] | tuple[float, ...] | Tensor


@dataclass(frozen=True)
class Node:
    """One operation. An input that is left out has the name ""."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Attribute]


@dataclass(frozen=True)
class Graph:
    """The network as the file states it. inputs, outputs: name -> (element type, sizes; None is a free size)."""

    nodes: tuple[Node, ...]
    constants: dict[str, Tensor]
    inputs: dict[str, tuple[int, tuple[int | None, ...]]]
    outputs: dict[str, tuple[int, tuple[int | None, ...]]]
    declared: dict[str, int]
    """For tensors between inputs and outputs: name -> element type, where the file states it."""


def read_graph(data: bytes) -> Graph:
    """Whole ONNX file -> Graph. WeightsError where it holds anything that no network of this program has."""
    reader = _Reader()
    graphs, opsets, version = [], [], 0
    for number, value in reader.fields(memoryview(data), "model"):
        if number == 1:
            version = _integer(value)
        elif number == 7:
            graphs.append(_bytes(value))
        elif number == 8:
            opsets.append(_bytes(value))
    if not graphs:
        raise WeightsError("not an ONNX network")
    if len(opsets) != 1 or not FORMATS[0] <= version <= FORMATS[1]:
        raise WeightsError(f"is of the ONNX format {version} and names {len(opsets)} opsets, not 1")
    reader.check_opset(opsets[0])
    return reader.graph(graphs[0])


class _Reader:
    """Messages of a file -> their contents. It counts all fields of the file and refuses a file with too many."""

    def __init__(self) -> None:
        self.num_left = MAX_FIELDS

    def _count(self, num_fields: int) -> None:
        self.num_left -= num_fields
        if self.num_left < 0:
            raise WeightsError(f"has more than {MAX_FIELDS:,} fields")

    def fields(self, message: memoryview, kind: str) -> Iterator[Field]:
        """Message -> its fields.

        WeightsError where this kind of message can't have a field, or has a field twice that may occur only once.
        """
        seen: set[int] = set()
        for number, value in wire_fields(message):
            self._count(1)
            if number not in _ALLOWED[kind]:
                raise WeightsError(f"{NOT_KNOWN_HERE} ({kind} field {number})")
            if number in seen and number not in _REPEATED.get(kind, ()):
                raise WeightsError(f"damaged: {kind} field {number} is there twice")
            seen.add(number)
            yield number, value

    def check_opset(self, message: memoryview) -> None:
        fields = dict(self.fields(message, "opset"))
        domain = _text(fields.get(1, memoryview(b"")))
        version = fields.get(2, 0)
        if domain not in ("", "ai.onnx"):
            raise WeightsError(f"needs operators of another maker ({domain!r})")
        if version not in OPSETS:
            raise WeightsError(f"is written in ONNX opset {version!r}; {OPSETS[0]} to {OPSETS[-1]} are read")

    def graph(self, message: memoryview) -> Graph:
        nodes: list[Node] = []
        constants: dict[str, Tensor] = {}
        declared_types: dict[str, int] = {}
        sides: dict[int, dict[str, tuple[int, tuple[int | None, ...]]]] = {11: {}, 12: {}}
        for number, value in self.fields(message, "graph"):
            if number == 1:
                if len(nodes) >= MAX_NODES:
                    raise WeightsError(f"has more than {MAX_NODES:,} operations")
                nodes.append(self._node(_bytes(value)))
            elif number == 5:
                name, tensor = self._tensor(_bytes(value))
                if not name or name in constants:
                    raise WeightsError(f"holds the tensor {name!r} twice, or one without a name")
                constants[name] = tensor
            elif number in sides:
                name, declared = self._declared(_bytes(value))
                if name in sides[number]:
                    raise WeightsError(f"declares {name!r} twice")
                sides[number][name] = declared
            elif number == 13:
                name, (dtype, _) = self._declared(_bytes(value))
                declared_types[name] = dtype
        return Graph(tuple(nodes), constants, sides[11], sides[12], declared_types)

    def _node(self, message: memoryview) -> Node:
        inputs, outputs, attributes = [], [], {}
        operator = domain = ""
        for number, value in self.fields(message, "node"):
            if number == 1:
                inputs.append(_text(value))
            elif number == 2:
                outputs.append(_text(value))
            elif number == 4:
                operator = _text(value)
            elif number == 7:
                domain = _text(value)
            elif number == 5:
                name, attribute = self._attribute(_bytes(value))
                if name in attributes:
                    raise WeightsError(f"gives an operation the attribute {name!r} twice")
                attributes[name] = attribute
        if domain not in ("", "ai.onnx"):
            raise WeightsError(f"needs the operator {operator!r} of another maker ({domain!r})")
        return Node(operator, tuple(inputs), tuple(outputs), attributes)

    def _attribute(self, message: memoryview) -> tuple[str, Attribute]:
        """-> (name, value). The message's type says which field holds the value; the other fields must be absent."""
        name, kind, integers, floats = "", 0, [], []
        value: Attribute | None = None
        for number, raw in self.fields(message, "attribute"):
            if number == 1:
                name = _text(raw)
            elif number == 2:
                value = _floats(raw)[0] if len(_floats(raw)) == 1 else None
            elif number == 3:
                value = _signed(_integer(raw))
            elif number == 4:
                value = _text(raw)
            elif number == 5:
                value = self._tensor(_bytes(raw))[1]
            elif number == 7:
                floats += _floats(raw)
            elif number == 8:
                integers += self.integers(raw)
            elif number == 20:
                kind = _integer(raw)
        choices: dict[int, type] = {1: float, 2: int, 3: str, 4: Tensor}
        if kind in choices:
            zeros: dict[int, Attribute] = {1: 0.0, 2: 0, 3: ""}  # a zero may be left out of the file
            value = zeros.get(kind) if value is None else value
            is_sound = isinstance(value, choices[kind]) and not integers and not floats
        else:
            is_sound = value is None and ((kind == 6 and not integers) or (kind == 7 and not floats))
            value = tuple(floats) if kind == 6 else tuple(integers)
        if not is_sound or value is None:
            raise WeightsError(f"{NOT_KNOWN_HERE} (attribute {name!r})")
        return name, value

    def _tensor(self, message: memoryview) -> tuple[str, Tensor]:
        """-> (name, tensor). WeightsError unless it holds as many values as its shape says."""
        name, dtype, dims = "", 0, []
        raw: memoryview | None = None
        typed: dict[int, list[memoryview | int]] = {}
        for number, value in self.fields(message, "tensor"):
            if number == 1:
                dims += self.integers(value)
            elif number == 2:
                dtype = _integer(value)
            elif number == 8:
                name = _text(value)
            elif number == 9:
                raw = _bytes(value)
            elif number in (4, 5, 7, 10):
                typed.setdefault(number, []).append(value)
            elif number == 13 or (number == 14 and value != 0):
                raise WeightsError("keeps weights in another file (ONNX external data)")
        if dtype not in DTYPES or len(dims) > MAX_RANK or any(not 0 <= size < 2**31 for size in dims):
            raise WeightsError(f"{NOT_KNOWN_HERE} (tensor {name!r} of type {dtype} and shape {dims[:MAX_RANK]})")
        num_values = math.prod(dims)
        values = (
            self._typed_values(typed, dtype, num_values)
            if raw is None
            else np.frombuffer(_whole(raw, dtype), DTYPES[dtype])
        )
        if values.size != num_values or (raw is not None and typed):
            raise WeightsError(f"damaged: tensor {name!r} does not hold what its shape says")
        return name, Tensor(tuple(dims), dtype, values.reshape(dims) if num_values <= MAX_KNOWN_VALUES else None)

    def _typed_values(
        self, typed: dict[int, list[memoryview | int]], dtype: int, num_values: int
    ) -> NDArray[np.generic]:
        """Values in the field of their type (int32_data holds float16 and bool too) -> array of the element type."""
        own_field = {1: 4, 6: 5, 7: 7, 9: 5, 10: 5, 11: 10}[dtype]
        if typed.keys() - {own_field} or num_values > MAX_KNOWN_VALUES * 1024:
            raise WeightsError("keeps weights in an unusual field; export it again")
        parts = typed.get(own_field, [])
        if own_field in (4, 10):
            joined = b"".join(bytes(_bytes(part)) for part in parts)
            return np.frombuffer(_whole(memoryview(joined), dtype), DTYPES[dtype])
        numbers = np.array([number for part in parts for number in self.integers(part)], np.int64)
        return numbers.astype(np.uint16).view(np.float16) if dtype == 10 else numbers.astype(DTYPES[dtype])

    def _declared(self, message: memoryview) -> tuple[str, tuple[int, tuple[int | None, ...]]]:
        """ValueInfoProto -> (name, (element type, sizes))."""
        fields = dict(self.fields(message, "value"))
        kind = dict(self.fields(_bytes(fields.get(2, memoryview(b""))), "type"))
        tensor_type = dict(self.fields(_bytes(kind.get(1, memoryview(b""))), "tensor type"))
        sizes: list[int | None] = []
        for _, value in self.fields(_bytes(tensor_type.get(2, memoryview(b""))), "shape"):
            size = dict(self.fields(_bytes(value), "dimension")).get(1)
            sizes.append(None if size is None else _signed(_integer(size)))
        return _text(fields.get(1, memoryview(b""))), (_integer(tensor_type.get(1, 0)), tuple(sizes))

    def integers(self, value: int | memoryview) -> list[int]:
        """A repeated integer field, packed or one by one -> its numbers."""
        if isinstance(value, int):
            return [_signed(value)]
        self._count(len(value))
        numbers: list[int] = []
        number = shift = 0
        for position in range(len(value)):
            number |= (value[position] & 0x7F) << shift
            if value[position] < 0x80:
                numbers.append(_signed(number))
                number = shift = 0
            elif (shift := shift + 7) > 63:
                raise WeightsError("not an ONNX network, or a damaged one")
        if shift:
            raise WeightsError("cut off, or not an ONNX network")
        return numbers


def _whole(raw: memoryview, dtype: int) -> memoryview:
    if len(raw) % np.dtype(DTYPES[dtype]).itemsize:
        raise WeightsError("damaged: a tensor is cut off")
    return raw


def _bytes(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise WeightsError("not an ONNX network, or a damaged one")
    return value


def _floats(value: int | memoryview) -> list[float]:
    numbers: list[float] = np.frombuffer(_whole(_bytes(value), FLOAT), "<f4").tolist()
    return numbers


def _integer(value: int | memoryview) -> int:
    if not isinstance(value, int):
        raise WeightsError("not an ONNX network, or a damaged one")
    return value


def _text(value: int | memoryview) -> str:
    raw = _bytes(value)
    if len(raw) > MAX_NAME_BYTES:
        raise WeightsError(f"has a name of more than {MAX_NAME_BYTES} bytes")
    try:
        return bytes(raw).decode()
    except UnicodeDecodeError:
        raise WeightsError("has a name that is no UTF-8") from None


def _signed(number: int) -> int:
    """Unsigned number of 64 bits -> the signed number that these bits mean in two's complement."""
    number &= (1 << 64) - 1
    return number - (1 << 64) if number >> 63 else number

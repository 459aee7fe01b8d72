"""Bytes of safetensors or ONNX -> an error unless whole, finite and self-contained. Only numpy is needed.

Neither format can run code, but a file can be false: offsets beyond the file, weights that are NaN, ONNX tensors in
another file on the reader's disk. Sources: the safetensors format description (github.com/huggingface/safetensors),
onnx.proto3 (field numbers), the Protocol Buffers encoding.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_FIELDS = 500_000
"""Most fields of one message of an ONNX file; the graph of a large network has some thousands."""
_MAX_DEPTH = 32

_DTYPE_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip
_EXPONENT_MASKS: dict[str, tuple[str, int]] = {
    "F64": ("<u8", 0x7FF0000000000000),
    "F32": ("<u4", 0x7F800000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}
"""Float type -> (unsigned type of its width, its exponent bits). All exponent bits set: infinity or NaN (IEEE 754)."""

_ONNX_FLOATS = {1: "F32", 10: "F16", 11: "F64", 16: "BF16"}
_ONNX_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Message -> {field number: message}, for every path to a tensor; all other fields are skipped."""
_DATA_TYPE, _FLOAT_DATA, _NAME, _RAW_DATA, _DOUBLE_DATA, _EXTERNAL_DATA, _DATA_LOCATION = 2, 4, 8, 9, 10, 13, 14


class WeightsError(ValueError):
    """The bytes are damaged, unsafe or not finite; the caller adds the file and the fix."""


class TensorEntry(NamedTuple):
    """One tensor of a safetensors file; start and end are bytes from the beginning of the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def read_safetensors_header(data: bytes) -> dict[str, TensorEntry]:
    """Whole safetensors file -> {name: entry}; WeightsError unless the tensors fill the file without gap or overlap."""
    if len(data) < 8:
        raise WeightsError("cut off: no safetensors header")
    (num_bytes,) = struct.unpack_from("<Q", data)
    if num_bytes > min(MAX_HEADER_BYTES, len(data) - 8):
        raise WeightsError("cut off: the safetensors header is longer than the file")
    try:
        header = json.loads(data[8 : 8 + num_bytes].decode(), object_pairs_hook=refuse_duplicates)
    except (ValueError, RecursionError):
        raise WeightsError("damaged: the safetensors header is not JSON") from None
    if not isinstance(header, dict):
        raise WeightsError("damaged: the safetensors header is not a table")
    header.pop("__metadata__", None)
    base = 8 + num_bytes
    entries = {name: _read_entry(name, entry, base) for name, entry in header.items()}
    position = base
    for name, entry in sorted(entries.items(), key=lambda item: (item[1].start, item[1].end)):
        if entry.start != position:
            raise WeightsError(f"damaged: tensor {name} leaves a gap or overlaps")
        position = entry.end
    if position != len(data):
        raise WeightsError("damaged: the tensors do not end where the file ends")
    return entries


def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For json.loads(object_pairs_hook=...): ValueError where a table has a key twice."""
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError("a key comes twice")
    return table


def _read_entry(name: str, entry: Any, base: int) -> TensorEntry:
    fault = WeightsError(f"damaged: the safetensors entry of tensor {name[:80]} is wrong")
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise fault
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not (isinstance(dtype, str) and isinstance(shape, list) and isinstance(offsets, list) and len(offsets) == 2):
        raise fault
    if not all(type(n) is int and 0 <= n < 2**48 for n in [*shape, *offsets]) or len(shape) > 16:
        raise fault
    if dtype not in _DTYPE_BYTES:
        raise WeightsError(f"tensor {name[:80]} has the unknown type {dtype[:20]!r}")
    if offsets[1] - offsets[0] != math.prod(shape) * _DTYPE_BYTES[dtype]:
        raise fault
    return TensorEntry(dtype, tuple(shape), base + offsets[0], base + offsets[1])


def check_safetensors(data: bytes) -> None:
    """WeightsError unless the bytes are a whole safetensors file, not empty, in which every float is finite."""
    entries = read_safetensors_header(data)
    if not entries:
        raise WeightsError("holds no tensor")
    view = memoryview(data)
    for name, entry in entries.items():
        if not is_finite(view[entry.start : entry.end], entry.dtype):
            raise WeightsError(f"tensor {name} holds values that are not finite (NaN or infinity)")


def is_finite(raw: bytes | memoryview, dtype: str) -> bool:
    """Little-endian values, safetensors type -> whether no value is infinite or NaN; integers are always finite."""
    if dtype not in _EXPONENT_MASKS:
        return True
    unsigned, exponent = _EXPONENT_MASKS[dtype]
    bits: NDArray[Any] = np.frombuffer(raw, unsigned)
    mask = np.array(exponent, bits.dtype)
    blocks = range(0, len(bits), 1 << 16)  # small enough to stay in the cache
    return not any(bool(((bits[at : at + (1 << 16)] & mask) == mask).any()) for at in blocks)


def _is_nan(raw: memoryview, dtype: str) -> bool:
    """At most one value -> whether it is NaN. False for infinity, and for the types that NumPy lacks."""
    kind = {"F64": "<f8", "F32": "<f4", "F16": "<f2"}.get(dtype)
    return (
        kind is not None
        and len(raw) > 0
        and len(raw) % _DTYPE_BYTES[dtype] == 0
        and bool(np.isnan(np.frombuffer(raw, kind)).any())
    )


def check_onnx(data: bytes) -> None:
    """WeightsError unless the ONNX file itself holds all its tensors, with finite values.

    A tensor of a single value may also be infinite, because graphs write an open bound in this way. The operations of
    the graph are not checked here.
    """
    num_graphs = 0
    for kind, message in _walk(memoryview(data), "model", 0):
        num_graphs += kind == "graph"
        if kind == "tensor":
            _check_onnx_tensor(message)
    if not num_graphs:
        raise WeightsError("not an ONNX network")


def _check_onnx_tensor(message: memoryview) -> None:
    name, dtype = "", ""
    values: list[tuple[str, memoryview]] = []
    for number, value in wire_fields(message):
        if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
            raise WeightsError("keeps weights in another file (ONNX external data)")
        if isinstance(value, int):
            dtype = _ONNX_FLOATS.get(value, "") if number == _DATA_TYPE else dtype
        elif number == _NAME:
            name = bytes(value[:80]).decode(errors="replace")
        elif number in (_RAW_DATA, _FLOAT_DATA, _DOUBLE_DATA):
            values.append(({_FLOAT_DATA: "F32", _DOUBLE_DATA: "F64"}.get(number, ""), value))
    for own_dtype, raw in values:
        num_bytes = _DTYPE_BYTES.get(own_dtype or dtype, 0)
        if not num_bytes or (len(raw) <= num_bytes and not _is_nan(raw, own_dtype or dtype)):
            continue
        if len(raw) % num_bytes:
            raise WeightsError(f"damaged: tensor {name} is cut off")
        if not is_finite(raw, own_dtype or dtype):
            raise WeightsError(f"tensor {name} holds values that are not finite (NaN or infinity)")


def _walk(message: memoryview, kind: str, depth: int) -> Iterator[tuple[str, memoryview]]:
    """Message of a kind -> (kind, bytes) of it and of every message in it on a path to a tensor."""
    if depth > _MAX_DEPTH:
        raise WeightsError("nests its graphs too deeply")
    yield kind, message
    inner = _ONNX_MESSAGES.get(kind)
    if inner:
        for number, value in wire_fields(message):
            if number in inner and not isinstance(value, int):
                yield from _walk(value, inner[number], depth + 1)


def wire_fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Protocol Buffers message -> (field number, integer or bytes), in file order.

    WeightsError after MAX_FIELDS fields: a file with millions of empty fields would take minutes.
    """
    position, end = 0, len(message)
    num_fields = 0
    while position < end:
        key = message[position]
        if key < 0x80:  # most of them are one byte; a call for each would double the time
            position += 1
        else:
            key, position = _varint(message, position)
        wire_type = key & 7
        num_fields += 1
        if key < 8 or num_fields > MAX_FIELDS:  # no field has the number 0: a run of zeros is none
            raise WeightsError("not an ONNX network, or a damaged one")
        if wire_type == 0:
            value, position = _varint(message, position)
            yield key >> 3, value
            continue
        if wire_type == 2:
            if position < end and message[position] < 0x80:
                num_bytes, position = message[position], position + 1
            else:
                num_bytes, position = _varint(message, position)
        elif wire_type in (1, 5):
            num_bytes = 8 if wire_type == 1 else 4
        else:
            raise WeightsError("not an ONNX network, or a damaged one")
        if num_bytes > end - position:
            raise WeightsError("cut off, or not an ONNX network")
        yield key >> 3, message[position : position + num_bytes]
        position += num_bytes


def _varint(message: memoryview, position: int) -> tuple[int, int]:
    """Message, position -> (value, position after it) of a base-128 number of at most 10 bytes."""
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(message):
            raise WeightsError("cut off, or not an ONNX network")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise WeightsError("not an ONNX network, or a damaged one")

"""safetensors and ONNX bytes: what is sound passes, what lies, is NaN or points elsewhere is refused."""

from __future__ import annotations

import json
import struct
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thyrosight.bundle.weight_checks import (
    WeightsError,
    check_onnx,
    check_safetensors,
    is_finite,
    read_safetensors_header,
)
from tiny_bundle import tiny_onnx, tiny_weights


def safetensors(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str, shape: list[int], start: int, end: int) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def test_reads_what_the_reference_library_writes() -> None:
    library = pytest.importorskip("safetensors.numpy")
    tensors = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array(7, np.int64),
        "c": np.zeros((0, 4), np.float16),
        "d": np.array([True, False]),
    }
    data = library.save(tensors, metadata={"made": "by hand"})
    header = read_safetensors_header(data)
    assert header.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert header[name].shape == tensor.shape
        assert data[header[name].start : header[name].end] == tensor.tobytes()
    check_safetensors(data)


@pytest.mark.parametrize("dtype", ["F64", "F32", "F16", "BF16"])
def test_finite_is_finite_to_the_last_bit(dtype: str) -> None:
    kind = {"F64": np.float64, "F32": np.float32, "F16": np.float16, "BF16": np.uint16}[dtype]
    if dtype == "BF16":  # sign, 8 bits of exponent, 7 of fraction
        sound, bad = [0x0000, 0x8000, 0x7F7F, 0xFF7F, 0x0001], [0x7F80, 0xFF80, 0x7FC0, 0x7F81]
    else:
        limits = np.finfo(kind)
        sound = [0.0, -0.0, limits.max, limits.min, limits.smallest_subnormal]
        bad = [np.inf, -np.inf, np.nan, -np.nan]
    assert is_finite(np.array(sound, kind).tobytes(), dtype)
    for value in bad:
        for at in (0, 70_000, 131_071):
            values = np.zeros(131_072, kind)
            values[at] = value
            assert not is_finite(values.tobytes(), dtype)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=50))
def test_finite_agrees_with_numpy(bits: list[int]) -> None:
    raw = np.array(bits, np.uint32).tobytes()
    assert is_finite(raw, "F32") == bool(np.isfinite(np.frombuffer(raw, np.float32)).all())
    assert is_finite(raw, "F16") == bool(np.isfinite(np.frombuffer(raw, np.float16)).all())
    assert is_finite(raw, "I32")


@pytest.mark.parametrize(
    ("data", "fragment"),
    [
        (b"", "cut off"),
        (b"\0\0\0", "cut off"),
        (struct.pack("<Q", 2**63), "longer than the file"),
        (struct.pack("<Q", 3) + b"{}", "longer than the file"),
        (safetensors(b"{]"), "not JSON"),
        (safetensors(b"\xff\xfe{}"), "not JSON"),
        (safetensors(b"[" * 100_000), "not JSON"),
        (safetensors([]), "not a table"),
        (safetensors({}), "holds no tensor"),
        (safetensors(b'{"a":1,"a":1}'), "not JSON"),
        (safetensors({"a": 1}), "entry of tensor a is wrong"),
        (safetensors({"a": {"dtype": "F32", "shape": [1]}}, bytes(4)), "entry of tensor a is wrong"),
        (safetensors({"a": entry("F32", [1], 0, 4) | {"x": 1}}, bytes(4)), "entry of tensor a is wrong"),
        (safetensors({"a": entry("F99", [1], 0, 4)}, bytes(4)), "unknown type 'F99'"),
        (safetensors({"a": entry("F32", [2], 0, 4)}, bytes(4)), "entry of tensor a is wrong"),
        (safetensors({"a": entry("F32", [-1], 0, -4)}, bytes(4)), "entry of tensor a is wrong"),
        (safetensors({"a": entry("F32", [1.0], 0, 4)}, bytes(4)), "entry of tensor a is wrong"),  # type: ignore[list-item]
        (safetensors({"a": entry("F32", [True], 0, 4)}, bytes(4)), "entry of tensor a is wrong"),
        (safetensors({"a": entry("F32", [1], 0, 4)}, bytes(3)), "do not end where the file ends"),
        (safetensors({"a": entry("F32", [1], 0, 4)}, bytes(5)), "do not end where the file ends"),
        (safetensors({"a": entry("F32", [1], 4, 8)}, bytes(8)), "gap or overlaps"),
        (safetensors({n: entry("F32", [1], 0, 4) for n in "ab"}, bytes(4)), "gap or overlaps"),
        (
            safetensors({"a": entry("F32", [2], 0, 8)}, struct.pack("<ff", 1, float("nan"))),
            "tensor a holds values that",
        ),
    ],
)
def test_lies_are_found(data: bytes, fragment: str) -> None:
    with pytest.raises(WeightsError) as caught:
        check_safetensors(data)
    assert fragment in str(caught.value)


@given(st.binary(max_size=200), st.integers(0, 300))
def test_noise_is_refused_by_name(noise: bytes, num_bytes: int) -> None:
    for data in (noise, struct.pack("<Q", num_bytes) + noise):
        with pytest.raises(WeightsError):
            check_safetensors(data)


# ONNX, made by the reference library.


def network(**initializers: np.ndarray[Any, Any]) -> Any:
    onnx = pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    nodes = [helper.make_node("Identity", ["x"], ["y"])]
    tensors = [numpy_helper.from_array(value, name) for name, value in initializers.items()]
    io = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in "xy"]
    return helper.make_model(helper.make_graph(nodes, "g", io[:1], io[1:], initializer=tensors))


def make_external(tensor: Any) -> None:
    tensor.external_data.add(key="location", value="../../etc/passwd")
    tensor.data_location = 1
    tensor.ClearField("raw_data")


def test_sound_networks_pass() -> None:
    check_onnx(tiny_onnx())
    check_onnx(network(w=np.ones((3, 4), np.float32), h=np.ones(2, np.float16), i=np.arange(3)).SerializeToString())


def test_a_single_infinite_value_is_an_open_bound() -> None:
    check_onnx(network(bound=np.array(-np.inf, np.float32)).SerializeToString())


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_found(dtype: Any, bad: float) -> None:
    values = np.ones(5, dtype)
    values[3] = bad
    with pytest.raises(WeightsError, match="tensor head holds values that are not finite"):
        check_onnx(network(sound=np.ones(5, dtype), head=values).SerializeToString())


@pytest.mark.parametrize("field", ["float_data", "double_data"])
def test_weights_in_typed_fields_are_looked_at_too(field: str) -> None:
    onnx = pytest.importorskip("onnx")
    kind = {"float_data": onnx.TensorProto.FLOAT, "double_data": onnx.TensorProto.DOUBLE}[field]
    for values, is_sound in (([1.0, 2.0], True), ([1.0, float("nan")], False)):
        model = network()
        model.graph.initializer.add(name="w", data_type=kind, dims=[2], **{field: values})
        if is_sound:
            check_onnx(model.SerializeToString())
        else:
            with pytest.raises(WeightsError, match="tensor w holds values"):
                check_onnx(model.SerializeToString())


@pytest.mark.parametrize(
    "place", ["initializer", "attribute", "subgraph", "sparse", "function", "training", "location", "path"]
)
def test_weights_in_other_files_are_refused_wherever_they_hide(place: str) -> None:
    pytest.importorskip("onnx")
    from onnx import helper, numpy_helper

    model = network(w=np.ones(4, np.float32))
    tensor = numpy_helper.from_array(np.ones(4, np.float32), "v")
    check_onnx(model.SerializeToString())
    if place == "location":
        model.graph.initializer[0].data_location = 1
    elif place == "path":
        model.graph.initializer[0].external_data.add(key="location", value="weights.bin")
    elif place == "initializer":
        make_external(model.graph.initializer[0])
    else:
        make_external(tensor)
    if place == "attribute":
        model.graph.node.append(helper.make_node("Constant", [], ["c"], value=tensor))
    elif place == "subgraph":
        inner = helper.make_graph([], "inner", [], [], initializer=[tensor])
        outer = helper.make_graph([helper.make_node("If", ["x"], ["z"], then_branch=inner)], "outer", [], [])
        model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=outer))
    elif place == "sparse":
        model.graph.sparse_initializer.add().values.CopyFrom(tensor)
    elif place == "function":
        node = helper.make_node("Constant", [], ["c"], value=tensor)
        model.functions.add(name="f", domain="d").node.append(node)
    elif place == "training":
        model.training_info.add().algorithm.initializer.append(tensor)
    with pytest.raises(WeightsError, match="another file"):
        check_onnx(model.SerializeToString())


def test_the_word_location_alone_is_no_harm() -> None:
    model = network(location=np.ones(4, np.float32))
    model.doc_string = "location"
    model.metadata_props.add(key="location", value="here")
    check_onnx(model.SerializeToString())


def test_graphs_nested_without_end_are_refused() -> None:
    def field(number: int, body: bytes) -> bytes:
        size, varint = len(body), b""
        while size >= 128:
            size, varint = size >> 7, varint + bytes([size & 127 | 128])
        return bytes([number << 3 | 2]) + varint + bytes([size]) + body

    graph = b""
    for _ in range(2_000):
        graph = field(1, field(5, field(6, graph)))
    with pytest.raises(WeightsError, match="too deeply"):
        check_onnx(field(7, graph))


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_mutated_networks_pass_or_are_refused_by_name(data: st.DataObject) -> None:
    content = bytearray(tiny_onnx() if data.draw(st.booleans()) else data.draw(st.binary(min_size=1, max_size=60)))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    with suppress(WeightsError):
        check_onnx(bytes(content))


def test_empty_or_foreign_bytes_are_no_network() -> None:
    for data in (b"", tiny_weights(), b"PK\x03\x04", b"\x80\x04\x95pickle"):
        with pytest.raises(WeightsError):
            check_onnx(data)

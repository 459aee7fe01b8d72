"""Harmful bundles whose hashes are right: a generator, one function per bundle.

`write_all(folder)` writes each as FOLDER/NAME or FOLDER/NAME.zip. Each begins as the sound bundle of tiny_bundle.py
and is changed in one thing.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tiny_bundle import tiny_onnx, tiny_weights

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
NO_HASH = "0" * 64
ESCAPES = "\x1b]0;pwned\x07\x1b[31mEVIL\x1b[2J"

EVIL: dict[str, Callable[[Path], Path]] = {}


def evil(change: Callable[[Any], None]) -> Callable[[Any], None]:
    """Registers a function that changes the ONNX model of the sound bundle."""

    def write(folder: Path) -> Path:
        model = onnx.load_from_string(tiny_onnx())
        change(model)
        return write_bundle(folder, model.SerializeToString())

    EVIL[change.__name__] = write
    return change


def evil_claims(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    """Registers a function that changes bundle.json."""
    EVIL[change.__name__] = lambda folder: write_bundle(folder, tiny_onnx(), change=change)
    return change


def evil_bytes(make: Callable[[], bytes]) -> Callable[[], bytes]:
    """Registers a function that makes the bytes of model.onnx."""
    EVIL[make.__name__] = lambda folder: write_bundle(folder, make())
    return make


def evil_file(write: Callable[[Path], Path]) -> Callable[[Path], Path]:
    """Registers a function that writes the bundle itself."""
    EVIL[write.__name__] = write
    return write


def claims() -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": "evil",
        "network": "unet",
        "network_settings": {},
        "parameters": 1,
        "preprocessing": {"size_hw": [128, 128], "crop": "field", "views": "panels"},
        "has_mask": True,
        "has_malignancy": True,
        "has_malignancy_map": True,
        "mask_threshold": 0.5,
        "min_area_fraction": 0.002,
        "calibration": {"scale": 1.0, "offset": 0.0, "n": 0, "fitted_on": ""},
        "risk_meaning": "how dark the image is",
        "operating_points": [],
        "training_sets": [],
        "scores": [],
        "versions": {},
        "git_revision": "",
        "created": "2020-01-01T00:00:00+00:00",
        "seed": None,
        "notes": "",
    }


def write_bundle(
    folder: Path,
    onnx_bytes: bytes,
    weights: bytes | None = None,
    change: Callable[[dict[str, Any]], None] = lambda table: None,
) -> Path:
    """Contents -> a bundle's folder whose hashes are right whatever is in it."""
    contents = {
        "model.onnx": onnx_bytes,
        "weights.safetensors": weights or tiny_weights(),
        "MODEL_CARD.md": b"# evil\n",
    }
    table = claims()
    change(table)
    table |= {"files": {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}, "sha256": NO_HASH}
    text = json.dumps(table)
    contents["bundle.json"] = text.replace(NO_HASH, hashlib.sha256(text.encode()).hexdigest()).encode()
    folder.mkdir(parents=True)
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    return folder


def constant(model: Any, name: str, values: Any, dtype: Any = np.int64) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.array(values, dtype), name))
    return name


def into_logit(model: Any, name: str, *nodes: Any) -> None:
    """Adds nodes, the last of which gives `name`, and adds `name` to the network's logit, so that it is computed."""
    logit = next(node for node in model.graph.node if node.output[0] == "malignancy_logit")
    logit.output[0] = "logit_before"
    model.graph.node.extend(nodes)
    model.graph.node.append(helper.make_node("ReduceSum", [name], ["evil_sum"], keepdims=0))
    model.graph.node.append(helper.make_node("Add", ["logit_before", "evil_sum"], ["malignancy_logit"]))


def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    return helper.make_node(operator, inputs, [output], **attributes)


def loop_body() -> Any:
    info = helper.make_tensor_value_info
    return helper.make_graph(
        [node("Identity", ["go_in"], "go_out"), node("Sin", ["v_in"], "v_out")],
        "body",
        [info("i", INT64, []), info("go_in", TensorProto.BOOL, []), info("v_in", FLOAT, [])],
        [info("go_out", TensorProto.BOOL, []), info("v_out", FLOAT, [])],
    )


# Graphs that run for ever, or run what is no network


@evil
def loops_for_ever(model: Any) -> None:
    constant(model, "trip", 2**62)
    constant(model, "yes", True, np.bool_)
    constant(model, "zero", 0.0, np.float32)
    into_logit(model, "looped", node("Loop", ["trip", "yes", "zero"], "looped", body=loop_body()))


@evil
def branches(model: Any) -> None:
    branch = helper.make_graph(
        [node("Constant", [], "c", value=numpy_helper.from_array(np.float32(1)))],
        "branch",
        [],
        [helper.make_tensor_value_info("c", FLOAT, [])],
    )
    constant(model, "yes", True, np.bool_)
    into_logit(model, "chosen", node("If", ["yes"], "chosen", then_branch=branch, else_branch=branch))


@evil
def scans(model: Any) -> None:
    info = helper.make_tensor_value_info
    body = helper.make_graph([node("Sin", ["a"], "b")], "body", [info("a", FLOAT, [])], [info("b", FLOAT, [])])
    constant(model, "many", np.zeros(1000), np.float32)
    into_logit(model, "scanned", node("Scan", ["many"], "scanned", body=body, num_scan_inputs=1))


@evil
def keeps_a_sequence(model: Any) -> None:
    constant(model, "zero", 0)
    nodes = [node("SequenceConstruct", ["image"], "seq"), node("SequenceAt", ["seq", "zero"], "back")]
    into_logit(model, "back", *nodes)


@evil
def calls_another_maker(model: Any) -> None:
    model.opset_import.append(helper.make_opsetid("evil.example", 1))
    into_logit(model, "theirs", node("Run", ["image"], "theirs", domain="evil.example"))


@evil
def calls_the_runtimes_own(model: Any) -> None:
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    into_logit(model, "gelu", node("Gelu", ["image"], "gelu", domain="com.microsoft"))


@evil
def hides_a_function(model: Any) -> None:
    body = [node("Sin", ["x"], "y")]
    model.functions.append(helper.make_function("hidden", "f", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))
    model.opset_import.append(helper.make_opsetid("hidden", 1))
    into_logit(model, "called", node("f", ["image"], "called", domain="hidden"))


@evil
def draws_at_random(model: Any) -> None:
    into_logit(model, "drawn", node("RandomNormal", [], "drawn", shape=[4]))


@evil
def multiplies_without_bounds(model: Any) -> None:
    into_logit(model, "e", node("Einsum", ["image", "image", "image"], "e", equation="abcd,efgh,ijkl->aeibfjcgkdhl"))


@evil
def works_for_hours(model: Any) -> None:
    constant(model, "kernel", np.full((64, 64, 9, 9), 1e-4), np.float32)
    constant(model, "first", np.full((64, 1, 1, 1), 1e-4), np.float32)
    nodes = [node("Conv", ["image", "first"], "m0")]
    nodes += [node("Conv", [f"m{k}", "kernel"], f"m{k + 1}", pads=[4] * 4) for k in range(4_000)]
    into_logit(model, "m4000", *nodes)


# Graphs that take all memory


@evil
def fills_eight_gigabytes(model: Any) -> None:
    constant(model, "shape", [2**31])
    into_logit(model, "huge", node("ConstantOfShape", ["shape"], "huge"))


@evil
def fills_three_times_two_gigabytes(model: Any) -> None:
    constant(model, "shape", [1 << 15, 1 << 14])
    into_logit(
        model,
        "h2",
        node("ConstantOfShape", ["shape"], "h0"),
        node("Exp", ["h0"], "h1"),
        node("Add", ["h0", "h1"], "h2"),
    )


@evil
def doubles_forty_times(model: Any) -> None:
    into_logit(model, "d40", node("Identity", ["image"], "d0"), *(
        node("Concat", [f"d{k}", f"d{k}"], f"d{k + 1}", axis=3) for k in range(40)
    ))  # fmt: skip


@evil
def expands(model: Any) -> None:
    constant(model, "shape", [1, 1 << 20, 128, 128])
    into_logit(model, "wide", node("Expand", ["image", "shape"], "wide"))


@evil
def tiles(model: Any) -> None:
    constant(model, "times", [1, 1 << 20, 1, 1])
    into_logit(model, "wide", node("Tile", ["image", "times"], "wide"))


@evil
def enlarges(model: Any) -> None:
    constant(model, "scales", [1, 1, 1e4, 1e4], np.float32)
    into_logit(model, "large", node("Resize", ["image", "", "scales"], "large", mode="linear"))


@evil
def pads_by_millions(model: Any) -> None:
    constant(model, "pads", [0, 0, 1 << 20, 1 << 20, 0, 0, 0, 0])
    into_logit(model, "framed", node("Pad", ["image", "pads"], "framed"))


@evil
def strides_apart(model: Any) -> None:
    constant(model, "kernel", np.ones((1, 1, 2, 2)), np.float32)
    into_logit(model, "far", node("ConvTranspose", ["image", "kernel"], "far", strides=[9999, 9999]))


@evil
def multiplies_by_broadcast(model: Any) -> None:
    constant(model, "many", np.zeros((1 << 18, 1, 1)), np.float32)
    into_logit(model, "wide", node("Add", ["image", "many"], "wide"))


@evil
def sizes_from_pixels(model: Any) -> None:
    nodes = [
        node("ReduceMax", ["image"], "top", axes=[0, 1, 2, 3], keepdims=0),
        node("Cast", ["top"], "whole", to=INT64),
        node("Unsqueeze", ["whole", constant(model, "axis", [0])], "size"),
        node("ConstantOfShape", ["size"], "as_bright"),
    ]
    into_logit(model, "as_bright", *nodes)


@evil
def sizes_that_no_one_foresees(model: Any) -> None:
    into_logit(model, "f", node("NonZero", ["image"], "places"), node("Cast", ["places"], "f", to=FLOAT))


# Graphs that are no network of a bundle


@evil
def takes_one_view_only(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


@evil
def takes_another_size(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 4096


@evil
def takes_a_second_input(model: Any) -> None:
    model.graph.input.append(helper.make_tensor_value_info("patient", FLOAT, [1]))


@evil
def gives_no_map(model: Any) -> None:
    del model.graph.output[2]


@evil
def gives_a_mask_of_one_pixel(model: Any) -> None:
    mask = next(one for one in model.graph.node if one.output[0] == "mask_probability")
    mask.output[0] = "mask_before"
    model.graph.node.append(node("ReduceMean", ["mask_before"], "mask_probability", axes=[2, 3]))


@evil
def gives_double_precision(model: Any) -> None:
    mask = next(one for one in model.graph.node if one.output[0] == "mask_probability")
    mask.output[0] = "mask_before"
    model.graph.node.append(node("Cast", ["mask_before"], "mask_probability", to=TensorProto.DOUBLE))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.DOUBLE


@evil
def gives_the_same_twice(model: Any) -> None:
    model.graph.node.append(node("Identity", ["image"], "average"))


@evil
def is_a_circle(model: Any) -> None:
    into_logit(model, "c0", node("Identity", ["c1"], "c0"), node("Identity", ["c0"], "c1"))


@evil
def learns_while_it_predicts(model: Any) -> None:
    ones = [constant(model, f"n{k}", [1.0], np.float32) for k in range(4)]
    into_logit(model, "n", node("BatchNormalization", ["image", *ones], "n", training_mode=1))


@evil
def comes_from_the_future(model: Any) -> None:
    model.opset_import[0].version = 99


@evil
def keeps_weights_elsewhere(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.external_data.add(key="location", value="../../../etc/passwd")
    tensor.data_location = TensorProto.EXTERNAL


@evil
def keeps_text(model: Any) -> None:
    model.graph.initializer.append(helper.make_tensor("words", TensorProto.STRING, [1], [b"hello"]))


@evil
def keeps_sparse_weights(model: Any) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "sparse_indices")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 40]))


@evil
def lies_of_its_shape(model: Any) -> None:
    constant(model, "liar", np.ones(4), np.float32)
    model.graph.initializer[-1].dims[0] = 1 << 30


# Bytes that take long to read


@evil_bytes
def two_graphs_in_one() -> bytes:
    return tiny_onnx() * 2


@evil_bytes
def sixty_four_megabytes_of_zeros() -> bytes:
    return bytes(64 << 20)


@evil_bytes
def millions_of_fields() -> bytes:
    return b"\x08\x08" * (16 << 20)


@evil_bytes
def millions_of_empty_nodes() -> bytes:
    nodes = b"\x0a\x00" * (8 << 20)
    length = len(nodes)
    varint = bytes((length >> shift & 0x7F) | (0x80 if length >> shift + 7 else 0) for shift in range(0, 28, 7))
    return b"\x3a" + varint + nodes


@evil
def an_operation_of_a_million_inputs(model: Any) -> None:
    into_logit(model, "all", helper.make_node("Concat", ["image"] * 1_000_000, ["all"], axis=1))


# What bundle.json says


@evil_claims
def a_name_that_steers_the_terminal(table: dict[str, Any]) -> None:
    table["name"] = ESCAPES


@evil_claims
def a_meaning_that_steers_the_terminal(table: dict[str, Any]) -> None:
    table["risk_meaning"] = f"high\n{ESCAPES}"


@evil_claims
def a_setting_that_steers_the_terminal(table: dict[str, Any]) -> None:
    table["network_settings"] = {"a": [{ESCAPES: "\u202e"}]}


@evil_claims
def an_endless_text(table: dict[str, Any]) -> None:
    table["notes"] = "x" * 900_000


@evil_claims
def a_thousand_operating_points(table: dict[str, Any]) -> None:
    table["operating_points"] = [{"name": "p", "threshold": 0.5, "meaning": ""}] * 5_000


@evil_claims
def a_number_beyond_reason(table: dict[str, Any]) -> None:
    table["parameters"] = 10**300


@evil_claims
def a_size_beyond_reason(table: dict[str, Any]) -> None:
    table["preprocessing"]["size_hw"] = [1 << 20, 1 << 20]


@evil_claims
def settings_nested_for_ever(table: dict[str, Any]) -> None:
    inner: Any = {}
    for _ in range(400):
        inner = {"a": inner}
    table["network_settings"] = inner


# Zip files


@evil_file
def a_zip_of_zeros(folder: Path) -> Path:
    sound = write_bundle(folder, tiny_onnx())
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in ("bundle.json", "MODEL_CARD.md", "weights.safetensors"):
            archive.write(sound / name, name)
        with archive.open("model.onnx", "w") as stream:
            for _ in range(512):
                stream.write(bytes(1 << 20))
    return path


@evil_file
def a_zip_of_many_names(folder: Path) -> Path:
    sound = write_bundle(folder, tiny_onnx())
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sound.iterdir():
            archive.write(file, file.name)
        for number in range(20_000):
            archive.writestr(f"__MACOSX/{number}", b"")
    return path


@evil_file
def a_zip_that_climbs(folder: Path) -> Path:
    sound = write_bundle(folder, tiny_onnx())
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sound.iterdir():
            archive.write(file, file.name)
        archive.writestr("../../evil.py", b"import os")
    return path


def write_all(folder: Path) -> dict[str, Path]:
    """Folder -> {name: path} of every evil bundle, written there."""
    return {name: write(folder / name) for name, write in EVIL.items()}

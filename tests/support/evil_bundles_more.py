"""More bundles of evil_bundles.py; to import this module adds them to EVIL.

Types and attributes that don't fit, sizes at the edge of integers, divisions that end the process, damaged weights, zip
files and JSON that two readers read differently.
"""

from __future__ import annotations

import json
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from evil_bundles import EVIL, FLOAT, INT64, constant, evil, evil_claims, evil_file, into_logit, node, write_bundle
from tiny_bundle import tiny_onnx, tiny_weights

NUM_BEFORE = len(EVIL)


# Divisions: whole numbers that can't be divided end the process, by SIGFPE


@evil
def divides_the_smallest_number_by_minus_one(model: Any) -> None:
    constant(model, "smallest", [-(2**63)])
    constant(model, "minus", [-1])
    into_logit(model, "f", node("Div", ["smallest", "minus"], "d"), node("Cast", ["d"], "f", to=FLOAT))


@evil
def divides_the_smallest_number_of_32_bits(model: Any) -> None:
    constant(model, "smallest", [-(2**31)], np.int32)
    constant(model, "minus", [-1], np.int32)
    into_logit(model, "f", node("Mod", ["smallest", "minus"], "d"), node("Cast", ["d"], "f", to=FLOAT))


@evil
def divides_pixels_as_whole_numbers(model: Any) -> None:
    cast = node("Cast", ["image"], "whole", to=INT64)
    into_logit(model, "f", cast, node("Div", ["whole", "whole"], "d"), node("Cast", ["d"], "f", to=FLOAT))


@evil
def takes_the_rest_of_pixels(model: Any) -> None:
    cast = node("Cast", ["image"], "whole", to=TensorProto.INT32)
    into_logit(model, "f", cast, node("Mod", ["whole", "whole"], "d"), node("Cast", ["d"], "f", to=FLOAT))


@evil
def divides_by_a_size_less_itself(model: Any) -> None:
    nodes = [node("Shape", ["image"], "s"), node("Sub", ["s", "s"], "z"), node("Div", ["s", "z"], "d")]
    into_logit(model, "f", *nodes, node("Cast", ["d"], "f", to=FLOAT))


# Types and attributes that don't fit


@evil
def adds_whole_numbers_to_pixels(model: Any) -> None:
    into_logit(model, "sum_of_two", node("Add", ["image", constant(model, "one", [1])], "sum_of_two"))


@evil
def joins_two_types(model: Any) -> None:
    constant(model, "half", np.zeros((1, 1, 128, 128)), np.float16)
    into_logit(model, "joined", node("Concat", ["image", "half"], "joined", axis=1))


@evil
def takes_the_root_of_whole_numbers(model: Any) -> None:
    into_logit(model, "f", node("Shape", ["image"], "s"), node("Sqrt", ["s"], "r"), node("Cast", ["r"], "f", to=FLOAT))


@evil
def chooses_by_broken_numbers(model: Any) -> None:
    into_logit(model, "chosen", node("Gather", ["image", constant(model, "half", [0.5], np.float32)], "chosen", axis=2))


@evil
def has_a_slope_that_is_no_number(model: Any) -> None:
    into_logit(model, "leaky", node("LeakyRelu", ["image"], "leaky", alpha=float("nan")))


@evil
def has_a_slope_in_words(model: Any) -> None:
    into_logit(model, "leaky", node("LeakyRelu", ["image"], "leaky", alpha="steep"))


@evil
def resizes_in_a_way_of_its_own(model: Any) -> None:
    constant(model, "scales", [1, 1, 2, 2], np.float32)
    into_logit(model, "large", node("Resize", ["image", "", "scales"], "large", mode="evil"))


@evil
def crops_by_what_is_no_number(model: Any) -> None:
    constant(model, "roi", [0, 0, np.nan, np.nan, 1, 1, np.nan, np.nan], np.float32)
    constant(model, "scales", [1, 1, 2, 2], np.float32)
    how = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}
    into_logit(model, "large", node("Resize", ["image", "roi", "scales"], "large", **how))


@evil
def mirrors_beyond_its_border(model: Any) -> None:
    constant(model, "pads", [0, 0, 300, 300, 0, 0, 300, 300])
    into_logit(model, "framed", node("Pad", ["image", "pads"], "framed", mode="reflect"))


@evil
def cuts_off_more_than_there_is(model: Any) -> None:
    constant(model, "pads", [0, 0, -300, -300, 0, 0, 310, 310])
    into_logit(model, "framed", node("Pad", ["image", "pads"], "framed"))


@evil
def is_given_too_many_inputs(model: Any) -> None:
    into_logit(model, "r", node("Relu", ["image", "image"], "r"))


@evil
def has_a_bias_that_does_not_fit(model: Any) -> None:
    constant(model, "kernel", np.ones((4, 1, 3, 3)), np.float32)
    into_logit(model, "c", node("Conv", ["image", "kernel", constant(model, "bias", [1.0], np.float32)], "c"))


@evil
def has_a_table_s_bias_that_does_not_fit(model: Any) -> None:
    constant(model, "table", np.ones((128 * 128, 4)), np.float32)
    constant(model, "bias", np.ones(7), np.float32)
    into_logit(model, "g", node("Flatten", ["image"], "flat"), node("Gemm", ["flat", "table", "bias"], "g"))


@evil
def clips_to_a_map(model: Any) -> None:
    into_logit(model, "c", node("Clip", ["image", constant(model, "least", np.zeros(4), np.float32)], "c"))


@evil
def looks_only_at_its_border(model: Any) -> None:
    into_logit(model, "p", node("AveragePool", ["image"], "p", kernel_shape=[2, 2], pads=[9, 9, 9, 9]))


@evil
def keeps_nothing_of_the_image(model: Any) -> None:
    constant(model, "zeros", [0, 0, 0, 0])
    constant(model, "ends", [9, 9, 9, 0])
    into_logit(model, "p", node("Slice", ["image", "zeros", "ends"], "none"), node("Softmax", ["none"], "p", axis=3))


@evil
def enlarges_nothing(model: Any) -> None:
    constant(model, "zeros", [0, 0, 0, 0])
    constant(model, "ends", [9, 9, 9, 0])
    nodes = [node("Slice", ["image", "zeros", "ends"], "none"), node("Resize", ["none", "", "", "size"], "p")]
    constant(model, "size", [1, 1, 32, 32])
    into_logit(model, "p", *nodes)


@evil
def divides_by_no_deviation(model: Any) -> None:
    ones = [constant(model, f"n{k}", [1.0], np.float32) for k in range(4)]
    into_logit(model, "n", node("BatchNormalization", ["image", *ones], "n", epsilon=-1.0))


# Sizes beyond integers


@evil
def multiplies_sizes_beyond_64_bits(model: Any) -> None:
    constant(model, "a", [2**62])
    constant(model, "b", [6])
    into_logit(model, "h", node("Mul", ["a", "b"], "ab"), node("ConstantOfShape", ["ab"], "h"))


@evil
def is_a_hundred_thousand_long_and_wide(model: Any) -> None:
    constant(model, "shape", [100_000, 100_000, 1])
    into_logit(model, "h", node("ConstantOfShape", ["shape"], "h"))


@evil
def has_sides_whose_product_is_zero_in_64_bits(model: Any) -> None:
    constant(model, "shape", [2**30, 2**30, 16])
    into_logit(model, "h", node("ConstantOfShape", ["shape"], "h"))


@evil
def counts_to_a_billion(model: Any) -> None:
    ends = [constant(model, f"r{k}", value) for k, value in enumerate((0, 10**9, 1))]
    into_logit(model, "f", node("Range", ends, "r"), node("Cast", ["r"], "f", to=FLOAT))


@evil
def spreads_classes(model: Any) -> None:
    constant(model, "depth", 10**9)
    constant(model, "values", [0.0, 1.0], np.float32)
    cast = node("Cast", ["image"], "whole", to=INT64)
    into_logit(model, "hot", cast, node("OneHot", ["whole", "depth", "values"], "hot"))


@evil
def is_quantised(model: Any) -> None:
    scale, zero = constant(model, "scale", 0.1, np.float32), constant(model, "zero", 3, np.uint8)
    nodes = [node("QuantizeLinear", ["image", scale, zero], "q"), node("DequantizeLinear", ["q", scale, zero], "d")]
    into_logit(model, "d", *nodes)


# What the file says twice, or not at all


@evil
def names_its_opset_twice(model: Any) -> None:
    model.opset_import.append(helper.make_opsetid("ai.onnx", 13))


@evil
def names_no_opset(model: Any) -> None:
    del model.opset_import[:]


@evil
def is_of_another_format(model: Any) -> None:
    model.ir_version = 999


@evil
def gives_what_it_does_not_make(model: Any) -> None:
    model.graph.output.append(helper.make_tensor_value_info("diagnosis", FLOAT, ["B"]))


@evil
def declares_another_type(model: Any) -> None:
    model.graph.value_info.append(helper.make_tensor_value_info("average", INT64, ["B", 1, "H", "W"]))


@evil
def holds_a_weight_that_is_no_number(model: Any) -> None:
    into_logit(model, "m", node("Mul", ["image", constant(model, "nan", np.nan, np.float32)], "m"))


@evil
def learns_from_what_it_is_shown(model: Any) -> None:
    model.training_info.add().algorithm.CopyFrom(model.graph)


@evil
def has_a_name_of_a_megabyte(model: Any) -> None:
    into_logit(model, "x" * (1 << 20), node("Identity", ["image"], "x" * (1 << 20)))


# Weights


def with_weights(folder: Path, header: bytes, data: bytes = b"\0\0\0\0", length: int | None = None) -> Path:
    head = struct.pack("<Q", len(header) if length is None else length)
    return write_bundle(folder, tiny_onnx(), head + header + data)


@evil_file
def weights_that_overlap(folder: Path) -> Path:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    return with_weights(folder, json.dumps({"a": entry, "b": entry}).encode())


@evil_file
def weights_named_twice(folder: Path) -> Path:
    entry = '"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}'
    return with_weights(folder, f"{{{entry}, {entry}}}".encode())


@evil_file
def a_header_of_a_hundred_megabytes(folder: Path) -> Path:
    return with_weights(folder, b" " * (100 << 20))


@evil_file
def a_header_of_2_to_the_63(folder: Path) -> Path:
    return with_weights(folder, b"{}", length=2**63)


@evil_file
def a_header_nested_for_ever(folder: Path) -> Path:
    return with_weights(folder, b"[" * (4 << 20))


@evil_file
def a_tensor_whose_name_steers_the_terminal(folder: Path) -> Path:
    entry = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    return with_weights(folder, json.dumps({"\x1b]0;pwned\x07": entry}).encode(), struct.pack("<f", np.nan))


@evil_file
def a_tensor_of_2_to_the_64_values(folder: Path) -> Path:
    entry = {"dtype": "U8", "shape": [2**32, 2**32], "data_offsets": [0, 4]}
    return with_weights(folder, json.dumps({"a": entry}).encode())


# bundle.json


@evil_file
def keys_that_come_twice(folder: Path) -> Path:
    path = write_bundle(folder, tiny_onnx())
    text = (path / "bundle.json").read_text()
    (path / "bundle.json").write_text(text.replace('"name": ', '"mask_threshold": 0.5, "name": ', 1))
    return path


@evil_claims
def a_threshold_that_is_no_number(table: dict[str, Any]) -> None:
    table["mask_threshold"] = float("nan")


@evil_claims
def a_size_of_nothing(table: dict[str, Any]) -> None:
    table["preprocessing"]["size_hw"] = [0, 0]


@evil_claims
def a_threshold_that_is_a_word(table: dict[str, Any]) -> None:
    table["mask_threshold"] = "0.5"


@evil_claims
def a_calibration_without_variance(table: dict[str, Any]) -> None:
    table["calibration"]["covariance"] = [-1.0, 0.0, -1.0]


@evil_file
def json_nested_for_ever(folder: Path) -> Path:
    path = write_bundle(folder, tiny_onnx())
    (path / "bundle.json").write_bytes(b'{"a":' * 200_000)
    return path


@evil_file
def a_number_of_a_million_digits(folder: Path) -> Path:
    path = write_bundle(folder, tiny_onnx())
    (path / "bundle.json").write_bytes(b'{"a": ' + b"9" * 1_000_000 + b"}")
    return path


# Zip files, and folders


def zipped(folder: Path) -> tuple[Path, zipfile.ZipFile]:
    """-> (path of a zip that is open, with the files of a sound bundle but the weights, the zip)."""
    sound = write_bundle(folder, tiny_onnx())
    path = folder.with_suffix(".zip")
    archive = zipfile.ZipFile(path, "w")
    for file in sound.iterdir():
        if file.name != "weights.safetensors":
            archive.write(file, file.name)
    return path, archive


@evil_file
def a_zip_with_a_link(folder: Path) -> Path:
    path, archive = zipped(folder)
    with archive:
        entry = zipfile.ZipInfo("weights.safetensors")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return path


@evil_file
def a_zip_with_a_root(folder: Path) -> Path:
    path, archive = zipped(folder)
    with archive:
        archive.writestr("weights.safetensors", tiny_weights())
        archive.writestr("/etc/cron.d/evil", b"x")
    return path


@evil_file
def a_zip_with_a_name_twice(folder: Path) -> Path:
    path, archive = zipped(folder)
    with archive:
        archive.writestr("weights.safetensors", tiny_weights())
        archive.writestr("./weights.safetensors".removeprefix("./"), tiny_weights() + b" ")
    return path


@evil_file
def a_zip_in_a_zip(folder: Path) -> Path:
    path, archive = zipped(folder)
    with archive:
        archive.writestr("weights.safetensors", tiny_weights())
        archive.writestr("inner.zip", b"PK\5\6" + bytes(18))
    return path


@evil_file
def a_zip_that_claims_to_be_encrypted(folder: Path) -> Path:
    path, archive = zipped(folder)
    with archive:
        archive.writestr("weights.safetensors", tiny_weights())
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    return path


@evil_file
def a_zip_that_lies_of_a_size(folder: Path) -> Path:
    path, archive = zipped(folder)
    with archive:
        archive.writestr("weights.safetensors", tiny_weights())
    data = bytearray(path.read_bytes())
    at = data.find(b"PK\1\2")
    while data[at + 46 : at + 46 + 7] != b"weights":
        at = data.find(b"PK\1\2", at + 4)
    data[at + 24 : at + 28] = struct.pack("<I", 1 << 30)
    path.write_bytes(data)
    return path


@evil_file
def a_zip_of_another_compression(folder: Path) -> Path:
    path, archive = zipped(folder)
    with archive:
        archive.writestr("weights.safetensors", tiny_weights(), zipfile.ZIP_LZMA)
    return path


@evil_file
def a_folder_whose_network_is_a_link(folder: Path) -> Path:
    path = write_bundle(folder, tiny_onnx())
    (path / "model.onnx").rename(folder.parent / "elsewhere.onnx")
    (path / "model.onnx").symlink_to(folder.parent / "elsewhere.onnx")
    return path


@evil_file
def a_folder_whose_network_is_a_pipe(folder: Path) -> Path:
    import os

    path = write_bundle(folder, tiny_onnx())
    (path / "model.onnx").unlink()
    os.mkfifo(path / "model.onnx")
    return path


@evil
def a_circle_of_one(model: Any) -> None:
    into_logit(model, "self", node("Add", ["self", "image"], "self"))


@evil
def hides_a_graph_in_an_attribute(model: Any) -> None:
    inner = helper.make_graph([], "inner", [], [])
    cast = node("Relu", ["image"], "r")
    cast.attribute.append(helper.make_attribute("body", inner))
    into_logit(model, "r", cast)


@evil
def hides_a_thousand_sparse_constants(model: Any) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "v")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    sparse = helper.make_sparse_tensor(values, indices, [1 << 30])
    into_logit(model, "c", helper.make_node("Constant", [], ["c"], sparse_value=sparse))


NUM_MORE = len(EVIL) - NUM_BEFORE
assert onnx.__version__

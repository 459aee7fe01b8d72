"""Harnesses for fuzzing guided by coverage: bytes -> a reader of ours, which reads them or refuses them in one line.

    pip install atheris
    python tests/faults/fuzz.py coco --seconds 600          guided by coverage (atheris, libFuzzer)
    python tests/faults/fuzz.py coco --mutants 5000         random mutants with fixed seeds, without atheris

A finding is any exception but our own errors, an error of several lines, or 10 s. What was found is kept in
tests/faults/corpus/HARNESS/ and tried again by tests/faults/test_fuzz.py.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests" / "support"), str(Path(__file__).parent)]

import numpy as np

CORPUS = Path(__file__).with_name("corpus")
MAX_BYTES = 1 << 16
MAX_SECONDS = 10.0
FOLDER = Path(tempfile.gettempdir()) / f"thyrosight-fuzz-{os.getpid()}"
PNG = "case.png"
POINTS = [[10, 10], [60, 10], [60, 60], [10, 60]]
COCO = {
    "images": [{"id": 1, "file_name": PNG, "width": 160, "height": 128}],
    "categories": [{"id": 1, "name": "nodule"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[10, 10, 60, 10, 60, 60]], "bbox": [10, 10, 5, 5]},
        {"id": 2, "image_id": 1, "category_id": 1, "segmentation": {"size": [128, 160], "counts": [100, 50, 20330]}},
    ],
}  # fmt: skip
LABELME = {
    "version": "5.0", "imagePath": PNG, "imageHeight": 128, "imageWidth": 160, "flags": {},
    "shapes": [
        {"label": "nodule", "points": POINTS, "shape_type": "polygon"},
        {"label": "nodule", "points": [[10, 10], [60, 60]], "shape_type": "rectangle"},
        {"label": "nodule", "points": [[30, 30], [40, 30]], "shape_type": "circle"},
    ],
}  # fmt: skip
CVAT = f"""<annotations><version>1.1</version><meta/><image id="0" name="{PNG}" width="160" height="128">
<polygon label="nodule" points="10,10;60,10;60,60" occluded="0"/><box label="nodule" xtl="1" ytl="2" xbr="9" ybr="9"/>
<ellipse label="nodule" cx="50" cy="50" rx="9" ry="5"/>
<mask label="nodule" rle="3,4,3" left="1" top="1" width="5" height="2"/>
</image></annotations>""".encode()
VOC = f"""<annotation><filename>{PNG}</filename><size><width>160</width><height>128</height><depth>1</depth></size>
<object><name>nodule</name><bndbox><xmin>10</xmin><ymin>10</ymin><xmax>60</xmax><ymax>60</ymax></bndbox></object>
</annotation>""".encode()
TABLE = b"image,label,patient,tirads\ncase.png,malignant,p1,4b\n"


def in_folder(name: str, data: bytes, *more: tuple[str, bytes]) -> Path:
    """-> a folder with an image and the file."""
    if not (FOLDER / PNG).exists():
        FOLDER.mkdir(exist_ok=True)
        from PIL import Image

        Image.fromarray(np.full((128, 160), 90, np.uint8)).save(FOLDER / PNG)
    for path in FOLDER.iterdir():
        if path.name != PNG:
            path.unlink() if path.is_file() else shutil.rmtree(path)
    for file_name, content in ((name, data), *more):
        (FOLDER / file_name).parent.mkdir(exist_ok=True)
        (FOLDER / file_name).write_bytes(content)
    return FOLDER


def annotations(source: str, name: str) -> Callable[[bytes], None]:
    """-> a harness: the file in a set of that layout, read as `prepare` does, masks included."""

    def harness(data: bytes) -> None:
        from thyrosight.datasets.prepare import PrepareOptions, prepare

        folder = in_folder(name, data)
        options = PrepareOptions(source=source, folds=0)
        shutil.rmtree(FOLDER.with_name(f"{FOLDER.name}-out"), ignore_errors=True)
        prepare(folder, FOLDER.with_name(f"{FOLDER.name}-out"), options, workers=1)

    return harness


def image(data: bytes) -> None:
    from thyrosight.frames.dicom import kind_of
    from thyrosight.frames.load import frames_of

    if kind_of(data[:512]) is None:  # what else goes to the child
        with frames_of(data) as file:
            file.frame(0)


def dicom(data: bytes) -> None:
    """What the decoding child does, in this process."""
    from thyrosight.errors import InputError
    from thyrosight.frames.decoder.dicom_header import Bounded, header_facts, read_dataset
    from thyrosight.frames.decoder.worker import fault

    try:
        _, _, dataset = read_dataset(Bounded(io.BytesIO(data)))
        header_facts(dataset)
    except Exception as error:  # the child answers with one line, whatever it was
        raise InputError(fault(error)) from error


def mask(data: bytes) -> None:
    from thyrosight.frames.mask_image import read_mask_image

    read_mask_image(in_folder("mask.png", data) / "mask.png")


def config(data: bytes) -> None:
    from thyrosight.config import load_config

    load_config(in_folder("c.toml", data) / "c.toml")


def cases(data: bytes) -> None:
    from thyrosight.datasets.table import read_cases

    read_cases(in_folder("cases.csv", data) / "cases.csv")


def graph(data: bytes) -> None:
    from thyrosight.bundle.graph.graph_checks import GraphChecker
    from thyrosight.bundle.weight_checks import check_onnx

    checker = GraphChecker(data, (128, 128))
    checker.check(1)
    checker.check(3)
    check_onnx(data)


def weights(data: bytes) -> None:
    from thyrosight.bundle.weight_checks import check_safetensors

    check_safetensors(data)


def bundle_json(data: bytes) -> None:
    from thyrosight.bundle.store import load_bundle
    from tiny_bundle import tiny_onnx, tiny_weights

    files = (("model.onnx", tiny_onnx()), ("weights.safetensors", tiny_weights()), ("MODEL_CARD.md", b"# evil\n"))
    try:
        stated = json.loads(data)["sha256"].encode()
        data = data.replace(stated, hashlib.sha256(data.replace(stated, b"0" * 64)).hexdigest().encode())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass  # a hash that is wrong is a way in, too
    folder = in_folder("b/bundle.json", data, *((f"b/{name}", content) for name, content in files))
    load_bundle(folder / "b")


def bodies(data: bytes) -> None:
    """JSON bodies of the API, up to the words of the lexicon."""
    from pydantic import ValidationError

    from thyrosight.errors import InputError
    from thyrosight.web.errors import ApiError
    from thyrosight.web.routes.tirads import rate_tirads
    from thyrosight.web.schemas import CorrectionIn, OutlinesIn, TiradsIn

    faults = 0
    for kind in (OutlinesIn, CorrectionIn, TiradsIn):
        try:
            found: Any = kind.model_validate_json(data)
            if kind is TiradsIn:
                rate_tirads(found)
        except (ValidationError, ApiError):
            faults += 1
    if faults == 3:
        raise InputError("none of them")


def sound_bundle_json() -> bytes:
    from evil_bundles import write_bundle
    from tiny_bundle import tiny_onnx

    shutil.rmtree(FOLDER.with_name(f"{FOLDER.name}-sound"), ignore_errors=True)
    return (write_bundle(FOLDER.with_name(f"{FOLDER.name}-sound"), tiny_onnx()) / "bundle.json").read_bytes()


def sound_dicom() -> bytes:
    from dicom_files import gray_picture, native

    return bytes(native(gray_picture())[:4_000])


def sound_onnx() -> bytes:
    from tiny_bundle import tiny_onnx

    return tiny_onnx()


def sound_weights() -> bytes:
    from tiny_bundle import tiny_weights

    return tiny_weights()


def picture(kind: str, num_levels: int = 256) -> Callable[[], bytes]:
    """-> a maker of a small picture; with two levels it is a mask."""

    def make() -> bytes:
        from PIL import Image

        stream = io.BytesIO()
        ramp_HW = np.arange(4_096).reshape(64, 64) * num_levels // 4_096
        Image.fromarray((ramp_HW * (255 // (num_levels - 1))).astype(np.uint8)).save(stream, kind)
        return stream.getvalue()

    return make


BODY = {"system": "acr", "composition": "spongiform", "longest_mm": 12.5}
HARNESSES: dict[str, tuple[Callable[[bytes], None], tuple[Callable[[], bytes], ...]]] = {
    "image": (image, tuple(picture(kind) for kind in ("PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"))),
    "dicom": (dicom, (sound_dicom,)),
    "mask": (mask, (picture("PNG", 2), picture("TIFF", 2))),
    "config": (config, (lambda: b'about = "x"\n[network]\nname = "unet"\n[optim]\nepochs = 3\nlr = 2e-3\n',)),
    "cases": (cases, (lambda: b"case_id,image,mask,malignancy,group,source,fold\na,case.png,,1,g,s,0\n",)),
    "table": (annotations("table", "table.csv"), (lambda: TABLE,)),
    "coco": (annotations("coco", "a.json"), (lambda: json.dumps(COCO).encode(),)),
    "labelme": (annotations("labelme", "case.json"), (lambda: json.dumps(LABELME).encode(),)),
    "cvat": (annotations("cvat", "annotations.xml"), (lambda: CVAT,)),
    "voc": (annotations("voc", "case.xml"), (lambda: VOC,)),
    "yolo": (annotations("yolo", "case.txt"), (lambda: b"0 0.3 0.3 0.2 0.2\n0 0.1 0.1 0.4 0.1 0.4 0.4\n",)),
    "graph": (graph, (sound_onnx,)),
    "weights": (weights, (sound_weights,)),
    "bundle_json": (bundle_json, (sound_bundle_json,)),
    "bodies": (bodies, (lambda: json.dumps(BODY).encode(), lambda: json.dumps({"outlines_xy": [POINTS]}).encode())),
}


def tried(harness: Callable[[bytes], None], data: bytes) -> bool:
    """-> whether it was read. Anything but an error of ours passes through, and so does one of several lines."""
    from thyrosight.bundle.weight_checks import WeightsError
    from thyrosight.errors import ThyrosightError

    began = time.process_time()
    try:
        harness(data)
    except (ThyrosightError, WeightsError) as error:
        text = str(error)
    else:
        return True
    finally:
        assert time.process_time() - began < MAX_SECONDS, "more than 10 s of processor time"
    assert "\n" not in text, f"an error of several lines: {text}"
    return False


def seeds(name: str) -> list[bytes]:
    """-> sound inputs of a harness, and those that were findings once."""
    kept = sorted((CORPUS / name).glob("*")) if (CORPUS / name).is_dir() else []
    return [make() for make in HARNESSES[name][1]] + [path.read_bytes() for path in kept]


def mutants(name: str, number: int, seed: int = 0, seconds: float = 3_600.0) -> dict[str, int]:
    """Random mutants with fixed seeds -> how many were tried and read. A finding passes through, with its input."""
    from mutations import mutant

    found, end = {"tried": 0, "read": 0}, time.monotonic() + seconds
    sound = seeds(name)
    for at in range(number):
        if time.monotonic() > end:
            break
        data = mutant(sound[at % len(sound)], np.random.default_rng([seed, at]))
        try:
            found["read"] += tried(HARNESSES[name][0], data)
        except BaseException as error:
            raise AssertionError(f"mutant {at} of {name}, seed {seed}: {data[:2_000]!r}") from error
        found["tried"] += 1
    return found


def guided(name: str, seconds: int) -> None:
    """By coverage; ends the process. A finding is written next to the corpus by libFuzzer."""
    import atheris

    with atheris.instrument_imports(include=["thyrosight", "json", "csv", "tomllib", "zipfile"]):
        tried(HARNESSES[name][0], seeds(name)[0])
    place = Path(tempfile.mkdtemp(prefix=f"thyrosight-fuzz-{name}-"))
    for at, data in enumerate(seeds(name)):
        (place / str(at)).write_bytes(data)

    def one(data: bytes) -> None:
        tried(HARNESSES[name][0], data)

    options = [f"-max_total_time={seconds}", f"-max_len={MAX_BYTES}", "-timeout=20", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], str(place), f"-artifact_prefix={place.parent}/finding-{name}-", *options], one)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("harness", choices=HARNESSES)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--mutants", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.mutants:
        print(options.harness, mutants(options.harness, options.mutants, options.seed, options.seconds))
    else:
        guided(options.harness, options.seconds)


if __name__ == "__main__":
    main()

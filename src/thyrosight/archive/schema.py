"""Prediction -> its row of the images table and its rows of the nodules table; the Arrow schemas of both.

docs/archive.md describes every column. The tables hold no seconds and no dates: equal inputs give equal rows.
"""

from __future__ import annotations

import base64
import importlib
import json
from typing import Any

import cv2
import numpy as np

from thyrosight.errors import MissingExtraError
from thyrosight.inference.predict_file import CaseResult
from thyrosight.prediction import Nodule, Prediction
from thyrosight.types import BoolArray

Row = dict[str, Any]
FORMAT_VERSION = 1
DONE, FAILED = "done", "failed"

IMAGE_COLUMNS: dict[str, str] = {
    **dict.fromkeys(("case_id", "file", "status", "error"), "string"),
    **dict.fromkeys(("frame", "num_frames", "width_px", "height_px"), "int32"),
    **dict.fromkeys(("row_mm", "column_mm"), "float64"),
    "field": "list<int32>",
    **dict.fromkeys(("num_panels", "num_nodules"), "int32"),
    "risk": "float64",
    "flags": "list<string>",
    **dict.fromkeys(("sha256", "model", "model_id", "software"), "string"),
    "mask": "binary",
    **dict.fromkeys(("prediction", "clip"), "string"),
}
"""Column -> type. In a failed row `mask`, and every column without a value, is null."""

_SIZES = (
    *("area_mm2", "longest_px", "longest_mm", "perpendicular_px", "perpendicular_mm"),
    *("anteroposterior_px", "anteroposterior_mm", "transverse_px", "transverse_mm"),
)
_SIGNS = (
    *("perimeter_px", "perimeter_mm", "compactness", "solidity", "bending_energy", "irregularity"),
    *("echogenicity_ratio", "echogenicity_difference", "surrounding_gray", "cystic_share"),
)
NODULE_COLUMNS: dict[str, str] = {
    **dict.fromkeys(("case_id", "file"), "string"),
    **dict.fromkeys(("number", "panel", "x0", "y0", "x1", "y1"), "int32"),
    **dict.fromkeys(("risk", "risk_low", "risk_high", "mean_probability"), "float64"),
    "area_px": "int64",
    **dict.fromkeys(_SIZES, "float64"),
    "taller_than_wide": "bool",
    **dict.fromkeys(_SIGNS, "float64"),
    "num_foci": "int32",
}


def pyarrow() -> Any:
    """-> pyarrow. MissingExtraError where it is not installed."""
    try:
        importlib.import_module("pyarrow.parquet")
        importlib.import_module("pyarrow.compute")
        return importlib.import_module("pyarrow")
    except ImportError as error:
        raise MissingExtraError('tables need pyarrow; run: pip install "thyrosight[archive]"') from error


def arrow_schema(columns: dict[str, str], metadata: dict[str, str]) -> Any:
    """Columns, facts about the file -> pyarrow.Schema."""
    pa = pyarrow()
    types = {
        "string": pa.string(),
        "int32": pa.int32(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "binary": pa.binary(),
        "list<int32>": pa.list_(pa.int32()),
        "list<string>": pa.list_(pa.string()),
    }
    return pa.schema([(name, types[kind]) for name, kind in columns.items()], metadata=metadata)


def rows_of_case(case_id: str, file: str, result: CaseResult) -> Row:
    """CaseResult -> {"image": row, "nodules": rows} for JSON; the mask is base64 of a PNG of one bit per pixel."""
    prediction = result.examination.prediction
    image = _image_row(case_id, file, prediction)
    image["mask"] = base64.b64encode(packed_mask(result.examination.mask_HW)).decode()
    image["clip"] = result.clip_json
    return {"image": image, "nodules": [_nodule_row(case_id, file, nodule) for nodule in prediction.nodules]}


def failed_rows(case_id: str, file: str, error: str) -> Row:
    """A file that could not be predicted, and the error -> its row, which holds the error."""
    row: Row = dict.fromkeys(IMAGE_COLUMNS)
    return {"image": row | {"case_id": case_id, "file": file, "status": FAILED, "error": error}, "nodules": []}


def _image_row(case_id: str, file: str, prediction: Prediction) -> Row:
    image, spacing = prediction.image, prediction.image.spacing
    row: Row = dict.fromkeys(IMAGE_COLUMNS)
    row |= {"case_id": case_id, "file": file, "status": DONE, "frame": image.frame_index}
    row |= {"num_frames": image.num_frames, "width_px": image.width_px, "height_px": image.height_px}
    if spacing is not None:
        row |= {"row_mm": spacing.row_mm, "column_mm": spacing.column_mm}
    row |= {"field": list(prediction.field_of_view.box), "num_panels": len(prediction.panels)}
    row |= {"num_nodules": len(prediction.nodules), "risk": prediction.risk, "sha256": image.sha256}
    row |= {"flags": list(dict.fromkeys(flag.code for flag in prediction.flags))}
    row |= {"model": prediction.model.name, "model_id": prediction.model.id, "software": prediction.software_version}
    content = prediction.model_dump(mode="json", exclude={"seconds"})
    return row | {"prediction": json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))}


def _nodule_row(case_id: str, file: str, nodule: Nodule) -> Row:
    size, signs = nodule.size, nodule.signs
    xs, ys = zip(*nodule.outline_xy, strict=True)
    low, high = nodule.risk_interval or (None, None)
    row: Row = {"case_id": case_id, "file": file, "number": nodule.number, "panel": nodule.panel_index}
    row |= {"x0": min(xs), "y0": min(ys), "x1": max(xs) + 1, "y1": max(ys) + 1}
    row |= {"risk": nodule.risk, "risk_low": low, "risk_high": high, "mean_probability": nodule.mean_probability}
    row |= {"area_px": size.area_px, **{name: getattr(size, name) for name in _SIZES}}
    row |= {"taller_than_wide": size.taller_than_wide, **{name: getattr(signs, name, None) for name in _SIGNS}}
    return row | {"num_foci": getattr(signs, "num_foci", None)}


def prediction_of(row: Row) -> Prediction:
    """Row of the images table -> its Prediction; its `seconds` are 0, because tables hold no times."""
    return Prediction.model_validate(json.loads(row["prediction"]) | {"seconds": 0.0})


def packed_mask(mask_HW: BoolArray) -> bytes:
    """Mask -> PNG of one bit per pixel."""
    settings = [cv2.IMWRITE_PNG_BILEVEL, 1, cv2.IMWRITE_PNG_COMPRESSION, 1]
    is_encoded, data = cv2.imencode(".png", mask_HW.astype(np.uint8) * 255, settings)
    assert is_encoded
    return bytes(data.tobytes())


def mask_of(packed: bytes) -> BoolArray:
    """PNG of the column `mask` -> bool _HW. ValueError where it is damaged."""
    decoded = cv2.imdecode(np.frombuffer(packed, np.uint8), cv2.IMREAD_GRAYSCALE)
    if decoded is None:
        raise ValueError("the mask is damaged")
    return np.asarray(decoded > 0)
